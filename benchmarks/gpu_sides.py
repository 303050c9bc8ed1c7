"""The sides of benchmarks.gpu: our Learner with an experiment's settings, and torchvision's loops and networks."""

import logging
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from hydra import compose, initialize_config_module
from torch import Tensor, nn
from torchvision import models

from tasks.app.resolve import storable
from tasks.engine.build import build
from tasks.engine.learner import Learner
from tasks.engine.settings import Run

TITLES = {"classify": "V3-Large", "segment": "LR-ASPP V3-Large", "detect": "SSDLite V3-Large"}
OURS = {
    "classify": ("dataset=imagenet", "backbone=mobilenet_v3_large", "recipe=classify_crops", "optimizer=sgd"),
    "segment": ("experiment=segment_voc_torchvision",),
    "detect": ("experiment=detect_coco_torchvision", "scheduler.warmup=0.5"),
}
CLASSES: dict[str, dict[str, list[Any]]] = {
    "classify": {"label": [str(number) for number in range(1000)]},
    "segment": {"mask": [[str(number), number, [number, 0, 0]] for number in range(19)]},
    "detect": {"boxes": [[str(number), number + 1] for number in range(90)]},
}
BOXES = 8  # in each image


def ours(name: str, sizes: Any) -> tuple[Learner, dict[str, Tensor]]:
    """Our network with its loss and optimiser, and a batch of uint8 images with labels."""
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    torch.manual_seed(0)
    with initialize_config_module("conf", version_base="1.3"):
        tree = storable(compose(name, list(OURS[name])))
    learner = build(Run.of(name, tree).learner, CLASSES[name])
    images = torch.randint(0, 256, (sizes.batch, sizes.height, sizes.width, 3), dtype=torch.uint8).permute(0, 3, 1, 2)
    batch = {"image": images}
    if name == "classify":
        return learner, {**batch, "label": torch.randint(1000, (sizes.batch,))}
    if name == "segment":
        coarse = torch.randint(0, 19, (sizes.batch, 1, sizes.height // 16, sizes.width // 16), dtype=torch.uint8)
        return learner, {**batch, "mask": F.interpolate(coarse, (sizes.height, sizes.width))[:, 0]}
    return learner, {**batch, "boxes": boxes(sizes)}


def boxes(sizes: Any) -> Tensor:
    """(N, BOXES, 5) boxes of a third of the image, and their classes."""
    generator = torch.Generator().manual_seed(0)
    corner = torch.rand(sizes.batch, BOXES, 2, generator=generator) * 0.6
    side = torch.tensor([sizes.width, sizes.height])
    classes = torch.randint(90, (sizes.batch, BOXES, 1), generator=generator).float()
    return torch.cat((corner * side, (corner + 0.33) * side, classes), 2)


def theirs(name: str, sizes: Any, device: str, compiled: bool) -> dict[str, Callable[[], object]]:
    """torchvision's sides by name; the reference loop first."""
    side = partial(Loop, name, sizes, device)
    fairest = "channels_last, fused, no loss read"
    if compiled:
        return {
            "torchvision's reference loop, bf16": side(),
            f"torchvision, {fairest}, compiled": side(channels_last=True, fused=True, reads=False, compiled=True),
        }
    return {
        "torchvision's reference loop, bf16": side(),
        "torchvision, channels_last": side(channels_last=True),
        f"torchvision, {fairest}": side(channels_last=True, fused=True, reads=False),
    }


class Loop:
    """Called, a step of torchvision's reference loop (references/classification, segmentation, detection).

    Args:
        name: of the network.
        channels_last, fused: ways to speed it up; `reads`: whether the loss is read in every step, as there.
    """

    def __init__(
        self,
        name: str,
        sizes: Any,
        device: str,
        channels_last: bool = False,
        fused: bool = False,
        reads: bool = True,
        compiled: bool = False,
    ) -> None:
        torch.manual_seed(0)
        self.device, self.reads, self.detects = device, reads, name == "detect"
        self.layout = torch.channels_last if channels_last else torch.contiguous_format
        network = NETWORKS[name]()
        if self.detects:
            network.transform.fixed_size = (sizes.width, sizes.height)
        network = network.to(device).to(memory_format=self.layout).train()
        self.optimizer = torch.optim.SGD(
            network.parameters(), lr=0.01, momentum=0.9, weight_decay=4e-5, fused=True if fused else None
        )
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(self.optimizer, 10_000)
        self.network: Callable[..., Any] = torch.compile(network, dynamic=False) if compiled else network
        images = torch.rand(sizes.batch, 3, sizes.height, sizes.width)
        labels = {
            "classify": torch.randint(1000, (sizes.batch,)),
            "segment": torch.randint(19, (sizes.batch, sizes.height, sizes.width)),
            "detect": boxes(sizes),
        }[name]
        self.images, self.labels = ((t.pin_memory() if device == "cuda" else t) for t in (images, labels))
        self.loss: Callable[[Any, Tensor], Tensor] = LOSSES.get(name, F.cross_entropy)

    def __call__(self) -> float | None:
        images = self.images.to(self.device, non_blocking=True).contiguous(memory_format=self.layout)
        labels = self.labels.to(self.device, non_blocking=True)
        with torch.autocast(self.device, torch.bfloat16):
            if self.detects:
                targets = [{"boxes": each[:, :4], "labels": each[:, 4].long() + 1} for each in labels]
                loss = sum(self.network([*images], targets).values())
            else:
                loss = self.loss(self.network(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return loss.item() if self.reads else None


def of_pixels(outputs: Mapping[str, Tensor], labels: Tensor) -> Tensor:
    """The reference's criterion for segmentation."""
    return F.cross_entropy(outputs["out"], labels, ignore_index=255)


LOSSES: dict[str, Callable[[Any, Tensor], Tensor]] = {"segment": of_pixels}
NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "classify": models.mobilenet_v3_large,
    "segment": partial(
        models.segmentation.lraspp_mobilenet_v3_large, weights=None, weights_backbone=None, num_classes=19
    ),
    "detect": partial(
        models.detection.ssdlite320_mobilenet_v3_large, weights=None, weights_backbone=None, num_classes=91
    ),
}
