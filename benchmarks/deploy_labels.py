"""A photo 512×1024 to its label map on one CPU thread: ours exported, fp32 and bf16, against torchvision's eager.

    python -m benchmarks.deploy_labels

LR-ASPP with MobileNetV3-Large, torchvision's variant, 19 classes. torchvision's network is first trained for a minute
on generated street scenes: without training, neighbouring pixels do not agree, and rounding decides.
"""

import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.models.segmentation import lraspp_mobilenet_v3_large
from torchvision.transforms.functional import normalize

from backbones.base import IMAGENET_MEAN, IMAGENET_STD
from benchmarks.exported import exported, has_bf16, network
from benchmarks.timing import alternate, report
from tasks.data.datasets.cityscapes import Cityscapes, lookup_table
from tasks.data.streets.picture import draw
from tasks.deploy.decode import Array

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
    planes = torch.from_numpy(photo).permute(2, 0, 1)[None].contiguous()

    @torch.inference_mode()
    def rival() -> Array:
        return theirs(normalised(planes))["out"].argmax(1)[0].numpy()

    with tempfile.TemporaryDirectory() as folder:
        models = {
            kind: exported(learner, SIZE, Path(folder), precision=kind) for kind in ("fp32", *["bf16"] * has_bf16())
        }
    expected = rival()
    seen = truth.numpy() < 255
    print(f"{(expected == truth.numpy())[seen].mean():.1%} of the pixels are right")
    sides = {
        f"ours, OpenVINO {kind}": lambda model=model: model.predict(photo)["segment"]["labels"]
        for kind, model in models.items()
    }
    for (name, call), least in zip(sides.items(), (0.99999, 0.99), strict=False):
        same = float((call() == expected).mean())
        print(f"{name}: {same:.4%} of the labels are torchvision's")
        assert same >= least, "labels differ"
    medians = alternate({**sides, "torchvision eager": rival}, rounds=25, clock=time.process_time)
    for name in sides:
        report("CPU time, one thread", {key: medians[key] for key in (name, "torchvision eager")})
    if len(sides) == 1:
        print("this processor has no bfloat16")


if __name__ == "__main__":
    main()
