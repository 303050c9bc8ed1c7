"""A photo 320×320 to its boxes, one thread: ours in the runtimes against torchvision's, eager and in the runtimes.

    python -m benchmarks.deploy_boxes

SSDLite with MobileNetV3-Large, torchvision's variant, 91 classes. The weights are random, with the last layer scaled so
that 3 %, then 0.5 %, of the 291,060 scores are above the threshold of 0.001. For our street-scene detectors it is a
quarter; the fewer there are, the less work torchvision's sides have.
"""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.models.detection.image_list import ImageList

from benchmarks.exported import exported, network
from benchmarks.peers import batched, in_onnxruntime, in_openvino, planes_of, run_in_openvino
from benchmarks.timing import alternate, report
from tasks.data.streets.picture import draw
from tasks.deploy.decode import Array, Found

SIZE = (320, 320)
CLASSES = {"boxes": [(str(number), number) for number in range(1, 91)]}
CHOICES = (
    "head=ssdlite_torchvision",
    "backbone=mobilenet_v3_large",
    "backbone.tail=detection",
    "backbone.normalisation=half",
)
SPREAD, BACKGROUNDS = 3.0, (9.0, 11.0)  # of the logits


def photo(number: int) -> Array:
    return draw("day", seed=(number,), height=SIZE[0], width=SIZE[1]).image


def rival(background: float) -> nn.Module:
    """torchvision's detector with photo statistics and varied logits, those of the background raised."""
    torch.manual_seed(0)
    model = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    photos = [torch.from_numpy(photo(number)).permute(2, 0, 1) / 255 for number in range(8)]
    with torch.no_grad():
        model.train().head(list(model.backbone(model.transform(photos)[0].tensors).values()))
        for predictor in model.head.classification_head.module_list:
            predictor[-1].weight.mul_(SPREAD)
            predictor[-1].bias.view(-1, 91)[:, 0] = background
    return model.eval()


class Network(nn.Module):
    """torchvision's network without what follows it: planes (1, 3, 320, 320) uint8 to logits and offsets."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, planes: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.model.head(list(self.model.backbone((planes.float() / 255 - 0.5) / 0.5).values()))
        return outputs["cls_logits"], outputs["bbox_regression"]


def peers(theirs: Any, image: Array) -> dict[str, Callable[[], Sequence[Array]]]:
    """torchvision's sides: eager, its ONNX file in both runtimes, and its network in OpenVINO, the rest in torch."""
    planes = torch.from_numpy(planes_of(image))
    in_onnx, file = in_onnxruntime(theirs, [planes[0] / 255], dynamo=False)  # the exporter that knows its suppression
    import openvino

    whole = run_in_openvino(openvino.Core().read_model(file, b""))
    network = in_openvino(Network(theirs), planes)
    with torch.no_grad():
        features = list(theirs.backbone(planes / 255).values())
        places = theirs.anchor_generator(ImageList(planes / 255, [SIZE]), features)

    @torch.inference_mode()
    def eager(model: Any) -> list[Array]:
        return arrays(model([torch.from_numpy(planes_of(image)[0]) / 255])[0])

    @torch.inference_mode()
    def selected(select: Callable[..., Any]) -> list[Array]:
        logits, offsets = map(torch.from_numpy, network(planes_of(image)))
        return arrays(select({"cls_logits": logits, "bbox_regression": offsets}, places, [SIZE])[0])

    channels_last = deepcopy(theirs).to(memory_format=torch.channels_last)
    return {
        "torchvision eager": partial(eager, theirs),
        "torchvision eager, channels_last": partial(eager, channels_last),
        "torchvision's ONNX file, ONNX Runtime": lambda: in_onnx(planes_of(image)[0] / np.float32(255)),
        "torchvision's ONNX file, OpenVINO": lambda: whole(planes_of(image)[0] / np.float32(255)),
        "its network in OpenVINO, rest in torch": partial(selected, theirs.postprocess_detections),
        "the same with one batched_nms": partial(selected, batched(theirs)),
    }


def arrays(found: Mapping[str, Tensor]) -> list[Array]:
    return [found[key].numpy() for key in ("boxes", "scores", "labels")]


def check(found: Found, boxes: Array, scores: Array, labels: Array) -> None:
    """Assert the same boxes in the same order, except that nearly equal scores may swap."""
    assert len(found["scores"]) == len(scores) > 0, "other boxes"
    assert np.abs(found["scores"] - scores).max() < 1e-4, "scores differ"
    same = (np.abs(found["boxes"][:, None] - boxes) < 0.02).all(2) & (found["labels"][:, None] + 1 == labels)
    assert same.any(0).all() and same.any(1).all(), "boxes or labels differ"


def measure(background: float) -> None:
    theirs, image = rival(background), photo(8)
    learner = network("detect", CHOICES, CLASSES, theirs.state_dict())
    with tempfile.TemporaryDirectory() as folder:
        models = {
            title: exported(learner, SIZE, Path(folder), runtime=runtime, form="decoded")
            for runtime, title in (("openvino", "OpenVINO"), ("onnx", "ONNX Runtime"))
        }
    theirs_too = peers(theirs, image)
    sides: dict[str, Callable[[], Any]] = {
        f"ours, {title}": lambda model=model: model.predict(image)["detect"] for title, model in models.items()
    }
    found = sides["ours, OpenVINO"]()
    for call in theirs_too.values():
        check(found, *call())
    candidates = (models["OpenVINO"].runner.run(planes_of(image))["scores"] > 0.001).sum()
    title = f"photo 320×320 → the same {len(found['scores'])} boxes, {candidates:,} candidates (CPU time, one thread)"
    report(title, alternate({**sides, **theirs_too}, 20, clock=time.process_time))


def main() -> None:
    torch.set_num_threads(1)
    for background in BACKGROUNDS:
        measure(background)


if __name__ == "__main__":
    main()
