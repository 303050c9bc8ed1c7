"""A photo 320×320 to its boxes on one CPU thread: ours exported, against torchvision's eager and its own ONNX file.

    python -m benchmarks.deploy_boxes

SSDLite with MobileNetV3-Large, torchvision's variant, 91 classes. The weights are random, with the last layer scaled so
that 3 %, then 0.5 %, of the 291,060 scores are above the threshold of 0.001. For our street-scene detectors it is a
quarter; the fewer there are, the less work torchvision's two sides have.
"""

import io
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models.detection import ssdlite320_mobilenet_v3_large

from benchmarks.exported import exported, network
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


def as_onnx(model: nn.Module, image: Tensor) -> Any:
    """torchvision's own file, on one thread, written by the exporter that supports its suppression."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(model, ([image],), file, dynamo=False, input_names=["image"], opset_version=17)
    import onnxruntime  # after tasks, which keeps it offline

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])


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
        model = exported(learner, SIZE, Path(folder), form="decoded")
    planes = torch.from_numpy(image).permute(2, 0, 1).contiguous()
    session = as_onnx(theirs, planes / 255)

    def ours() -> Found:
        return model.predict(image)["detect"]

    @torch.inference_mode()
    def eager() -> list[Array]:
        found = theirs([planes / 255])[0]
        return [found[key].numpy() for key in ("boxes", "scores", "labels")]

    def onnx() -> list[Array]:
        return session.run(None, {"image": planes.numpy() / np.float32(255)})

    for side in (eager, onnx):
        check(ours(), *side())
    scores = model.runner.run(planes[None].numpy())["scores"]
    title = f"{(scores > 0.001).sum():,} candidates, the same {len(ours()['scores'])} boxes (CPU time, one thread)"
    sides = {"ours, OpenVINO fp32": ours, "torchvision eager": eager, "torchvision's ONNX file": onnx}
    report(title, alternate(sides, rounds=40, clock=time.process_time))


def main() -> None:
    torch.set_num_threads(1)
    for background in BACKGROUNDS:
        measure(background)


if __name__ == "__main__":
    main()
