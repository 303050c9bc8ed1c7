"""A photo 512×1024 to its label map, one thread: ours in OpenVINO against torchvision's, eager and in the runtimes.

    python -m benchmarks.deploy_labels

LR-ASPP with MobileNetV3-Large, torchvision's variant, 19 classes. torchvision's network is first trained for a minute
on generated street scenes: without training, neighbouring pixels do not agree, and rounding decides. Its exported sides
have its preprocessing and its enlargement of the logits in the graph, as its own forward pass does. Each side starts
from the photo (H, W, 3) in bytes.
"""

import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from copy import deepcopy
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.segmentation import lraspp_mobilenet_v3_large
from torchvision.transforms.functional import normalize

from backbones.base import IMAGENET_MEAN, IMAGENET_STD
from benchmarks.exported import exported, network, supports
from benchmarks.peers import FromBytes, in_onnxruntime, in_openvino, planes_of
from benchmarks.timing import alternate, report
from tasks.data.datasets.cityscapes import Cityscapes
from tasks.data.datasets.cityscapes_classes import lookup_table
from tasks.data.streets.picture import draw
from tasks.deploy.decode import Array
from tasks.deploy.model import Model

SIZE = (512, 1024)
SCENES, STEPS, BATCH, CROP = 12, 60, 4, (256, 512)
CHOICES = (
    "head=lraspp_torchvision",
    "backbone=mobilenet_v3_large",
    "backbone.tail=full",
    "backbone.dilation_rule=torchvision",
)


def scene(number: int) -> tuple[Array, Tensor]:
    """A photo (H, W, 3) uint8 and its train ids (H, W)."""
    picture = draw("day", seed=(number,), height=SIZE[0], width=SIZE[1])
    return picture.image, torch.from_numpy(lookup_table("labelIds")[picture.labels]).long()


def normalised(planes: Tensor) -> Tensor:
    """Convert (N, 3, H, W) uint8 to the input of torchvision's network."""
    return normalize(planes / 255, IMAGENET_MEAN, IMAGENET_STD)


def trained() -> dict[str, Tensor]:
    """The weights of torchvision's network after a minute of training."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=19)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.1  # with 0.01 it would take more steps to forget the initial values
    photos, labels = zip(*map(scene, range(SCENES)), strict=True)
    images = normalised(torch.from_numpy(np.stack(photos)).permute(0, 3, 1, 2))
    truth = torch.stack(labels)
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=STEPS)
    for _ in range(STEPS):
        rows = torch.randint(SCENES, (BATCH,))
        top, left = (int(torch.randint(whole - part + 1, ())) for whole, part in zip(SIZE, CROP, strict=True))
        crop = (rows, ..., slice(top, top + CROP[0]), slice(left, left + CROP[1]))
        loss = F.cross_entropy(model(images[crop])["out"], truth[crop], ignore_index=255)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model.state_dict()


def main() -> None:
    torch.set_num_threads(1)
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:  # training leaves memory that is faster to allocate
        state = pool.submit(trained).result()
    theirs = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=19).eval()
    theirs.load_state_dict(state)
    learner = network("segment", CHOICES, Cityscapes.classes, state)
    photo, truth = scene(SCENES)
    precisions = {"fp32": 0.99999, **{kind: 0.99 for kind in ("fp16", "bf16") if supports(kind.upper())}}  # least share
    with tempfile.TemporaryDirectory() as folder:
        models = {kind: exported(learner, SIZE, Path(folder), precision=kind) for kind in precisions}
    expected = eager(theirs, photo)
    print(f"{(expected == truth.numpy())[truth.numpy() < 255].mean():.1%} of the pixels are right")
    for kind, least in precisions.items():
        sides = {"ours, OpenVINO": partial(labels_of, models[kind], photo), **peers(theirs, photo, kind)}
        for name, call in sides.items():
            same = float((call() == expected).mean())
            print(f"{name} {kind}: {same:.4%} of the labels are eager torchvision's")
            assert same >= least, "labels differ"
        report(f"photo 512×1024 → labels, {kind} (CPU time, one thread)", alternate(sides, 12, clock=time.process_time))
    if len(precisions) == 1:
        print("this processor has neither fp16 nor bf16")


def labels_of(model: Model, photo: Array) -> Array:
    return model.predict(photo)["segment"]["labels"]


@torch.inference_mode()
def eager(model: nn.Module, photo: Array) -> Array:
    return model(normalised(torch.from_numpy(planes_of(photo))))["out"].argmax(1)[0].numpy()


def peers(theirs: nn.Module, photo: Array, precision: str) -> dict[str, Callable[[], Array]]:
    """torchvision's sides: eager, and its network with the preprocessing in the runtimes, argmax inside and outside."""
    example = torch.from_numpy(planes_of(photo))
    hint = {"fp32": "f32", "fp16": "f16"}.get(precision, precision)
    inside, outside = FromBytes(theirs, lambda found: found["out"].argmax(1)), FromBytes(theirs, lambda f: f["out"])
    labels, logits = in_openvino(inside, example, hint), in_openvino(outside, example, hint)
    sides = {
        "torchvision eager": partial(eager, theirs, photo),
        "torchvision in OpenVINO": lambda: labels(planes_of(photo))[0][0],
        "torchvision in OpenVINO, argmax in torch": lambda: (
            torch.from_numpy(logits(planes_of(photo))[0])[0].argmax(0).numpy()
        ),
    }
    if precision != "fp32":
        return sides
    channels_last = deepcopy(theirs).to(memory_format=torch.channels_last)
    in_onnx, _ = in_onnxruntime(inside, example)
    return sides | {
        "torchvision eager, channels_last": partial(eager, channels_last, photo),
        "torchvision in ONNX Runtime": lambda: in_onnx(planes_of(photo))[0][0],
    }


if __name__ == "__main__":
    main()
