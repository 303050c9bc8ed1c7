"""A photo 320×320 to its boxes, one thread: ours in the runtimes against torchvision's, eager and in the runtimes.

    python -m benchmarks.deploy_boxes

SSDLite with MobileNetV3-Large, torchvision's variant, 91 classes. The weights are random, with the last layer scaled so
that 10 %, 4 % and 0.02 % of the 291,060 scores are above the threshold of 0.001: the fewer, the less is left to do
after the network. The last case, some dozens, is that of a trained network that is sure. On a processor with half
precision the same follows in fp16: ours as written by export.precision=fp16, torchvision's with OpenVINO told so.
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

from benchmarks.exported import exported, network, supports
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
SPREAD, BACKGROUNDS = 3.0, (9.0, 11.0, 20.0)  # of the logits
ALIKE = 0.9  # share of eager torchvision's boxes that fp16 finds again, within 2 pixels and 0.03 of the score


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


def peers(theirs: Any, image: Array, precision: str) -> dict[str, Callable[[], Sequence[Array]]]:
    """torchvision's sides: eager, its ONNX file in both runtimes, and its network in OpenVINO, the rest in torch."""
    planes, hint = torch.from_numpy(planes_of(image)), {"fp32": "f32", "fp16": "f16"}[precision]
    in_onnx, file = in_onnxruntime(theirs, [planes[0] / 255], dynamo=False)  # the exporter that knows its suppression
    import openvino

    whole = run_in_openvino(openvino.Core().read_model(file, b""), hint)
    network = in_openvino(Network(theirs), planes, hint)
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

    sides = {
        "torchvision eager": partial(eager, theirs),
        "torchvision eager, channels_last": partial(eager, deepcopy(theirs).to(memory_format=torch.channels_last)),
        "torchvision's ONNX file, ONNX Runtime": lambda: in_onnx(planes_of(image)[0] / np.float32(255)),
    }
    in_vino = {
        "torchvision's ONNX file, OpenVINO": lambda: whole(planes_of(image)[0] / np.float32(255)),
        "its network in OpenVINO, rest in torch": partial(selected, theirs.postprocess_detections),
        "the same with one batched_nms": partial(selected, batched(theirs)),
    }
    if precision == "fp32":
        return sides | in_vino
    return {f"{title} (fp32)": call for title, call in sides.items()} | in_vino


def arrays(found: Mapping[str, Tensor]) -> list[Array]:
    return [found[key].numpy() for key in ("boxes", "scores", "labels")]


def check(found: Found, boxes: Array, scores: Array, labels: Array) -> None:
    """Assert the same boxes in the same order, except that nearly equal scores may swap."""
    assert len(found["scores"]) == len(scores) > 0, "other boxes"
    assert np.abs(found["scores"] - scores).max() < 1e-4, "scores differ"
    same = (np.abs(found["boxes"][:, None] - boxes) < 0.02).all(2) & (found["labels"][:, None] + 1 == labels)
    assert same.any(0).all() and same.any(1).all(), "boxes or labels differ"


def again(found: Found, boxes: Array, scores: Array, labels: Array) -> float:
    """The share of the expected boxes that were found again, nearly."""
    same = (np.abs(found["boxes"][:, None] - boxes) < 2).all(2) & (found["labels"][:, None] + 1 == labels)
    return float((same & (np.abs(found["scores"][:, None] - scores) < 0.03)).any(0).mean())


def measure(background: float) -> None:
    theirs, image = rival(background), photo(8)
    learner = network("detect", CHOICES, CLASSES, theirs.state_dict())
    for precision in ("fp32", *["fp16"] * supports("FP16")):
        runtimes = {"openvino": "OpenVINO", "onnx": "ONNX Runtime"} if precision == "fp32" else {"openvino": "OpenVINO"}
        with tempfile.TemporaryDirectory() as folder:
            models = {
                title: exported(learner, SIZE, Path(folder), runtime=runtime, form="decoded", precision=precision)
                for runtime, title in runtimes.items()
            }
        theirs_too = peers(theirs, image, precision)
        sides: dict[str, Callable[[], Any]] = {
            f"ours, {title}": lambda model=model: model.predict(image)["detect"] for title, model in models.items()
        }
        found = sides["ours, OpenVINO"]()
        if precision == "fp32":
            for call in theirs_too.values():
                check(found, *call())
        else:
            share = again(found, *theirs_too["torchvision eager (fp32)"]())
            print(f"fp16: {share:.1%} of eager torchvision's boxes are found again")
            assert share >= ALIKE, "other boxes"
        candidates = (models["OpenVINO"].runner.run(planes_of(image))["scores"] > 0.001).sum()
        boxes = f"{'the same ' * (precision == 'fp32')}{len(found['scores'])} boxes, {candidates:,} candidates"
        title = f"photo 320×320 → {boxes}, {precision} (CPU time, one thread)"
        report(title, alternate({**sides, **theirs_too}, 20, clock=time.process_time))


def main() -> None:
    torch.set_num_threads(1)
    for background in BACKGROUNDS:
        measure(background)


if __name__ == "__main__":
    main()
