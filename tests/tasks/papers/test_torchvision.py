"""Trainings with torchvision's recipes, step by step beside torchvision's own networks, criteria and schedulers.

The real command trains on tiny data. Its batches, first weights and random states also go to a loop written from the
description of torchvision's references/{detection,segmentation,classification}. The loss and rate of every step, and
at the end all weights and running statistics, must be the same.

Three things differ from the recipes, on both sides: batches are small and their rates smaller in proportion, so that
rounding errors do not grow from step to step; weight decay is stronger, so that ten steps show what it applies to; and
images are normalised beforehand (what a backbone makes of uint8 images is compared first).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import lr_scheduler as schedulers
from torchvision.models import mobilenet_v2
from torchvision.models.detection import ssdlite320_mobilenet_v3_large
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from tasks.engine.learner import Learner
from tests.conftest import write_cityscapes, write_coco, write_folders

EPOCHS, STEPS = 2, 5  # steps of each epoch
SMALL = (
    "data.workers=0",
    "trainer.accelerator=cpu",
    f"trainer.max_epochs={EPOCHS}",
    f"trainer.limit_train_batches={STEPS}",
    f"trainer.check_val_every_n_epoch={EPOCHS}",
    "trainer.limit_val_batches=1",
    "channels_last=false",  # as torchvision's loops
    "optimizer.weight_decay=0.05",
    "pictures=0",
    "check=false",
)
IMAGENET = (torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1))
HALF = (torch.tensor(0.5), torch.tensor(0.5))


@dataclass
class Trained:
    """What the command's training was given, and what it made of it."""

    start: dict[str, Tensor] = field(default_factory=dict)  # weights and statistics before the first step
    batches: list[dict[str, Any]] = field(default_factory=list)
    random: list[Tensor] = field(default_factory=list)  # state of the generator before each step, for dropout
    rates: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    classes: int = 0
    end: dict[str, Tensor] = field(default_factory=dict)
    average: dict[str, Tensor] = field(default_factory=dict)  # the same as `end` without `ema`

    def epochs(self) -> Iterator[Iterator[dict[str, Any]]]:
        """The batches of each epoch, with the generator as it was before that step."""
        steps = iter(zip(self.batches, self.random, strict=True))
        for _ in range(EPOCHS):
            yield as_then(islice(steps, STEPS))


def as_then(steps: Iterator[tuple[dict[str, Any], Tensor]]) -> Iterator[dict[str, Any]]:
    for batch, state in steps:
        torch.set_rng_state(state)
        yield batch


@pytest.fixture
def trained(command, tmp_path, monkeypatch) -> Callable[..., Trained]:
    """Trains by the real command."""

    def go(task: str, root: Path, scale: tuple[Tensor, Tensor], *arguments: str) -> Trained:
        seen, step = Trained(), Learner.training_step

        def watched(self: Learner, batch: dict[str, Any], index: int) -> Tensor:
            unit = batch["image"].contiguous() / 255  # torchvision's detector would copy it into this layout
            images = (unit - scale[0]) / scale[1]
            if not seen.start:
                seen.start = copied(self.state_dict())
                seen.classes = len(self.task(task).class_names)
                ours = (batch["image"].float() - self.backbone.mean) / self.backbone.std
                torch.testing.assert_close(ours, images, rtol=0, atol=1e-6)
            batch = {**batch, "image": images}
            tensors = {name: value.clone() for name, value in batch.items() if isinstance(value, Tensor)}
            seen.batches.append(tensors | {"unit": unit})
            seen.random.append(torch.get_rng_state())
            seen.rates.append(self.optimizers().param_groups[0]["lr"])
            loss = step(self, batch, index)
            seen.losses.append(loss.item())
            return loss

        monkeypatch.setattr(Learner, "training_step", watched)
        folder = tmp_path / "run"
        result = command(task, *SMALL, f"dataset.root={root}", f"hydra.run.dir={folder}", *arguments)
        assert result.status == 0, result.err
        assert len(seen.losses) == EPOCHS * STEPS
        checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
        seen.average = copied(checkpoint["state_dict"])
        seen.end = copied(checkpoint.get("current_model_state", checkpoint["state_dict"]))
        return seen

    return go


def copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A copy of a learner's backbone and then its head: the order in which torchvision's networks list theirs."""
    parts = ("backbone.", "tasks.")
    return {name: value.clone() for part in parts for name, value in state.items() if name.startswith(part)}


def started(network: nn.Module, seen: Trained) -> nn.Module:
    """torchvision's network with the weights that the command began with, in training mode."""
    state = network.state_dict()
    network.load_state_dict(dict(zip(state, seen.start.values(), strict=True)))
    return network.train()


def assert_same_training(network: nn.Module, losses: list[float], rates: list[float], seen: Trained) -> None:
    assert seen.rates == pytest.approx(rates, rel=1e-9)
    assert seen.losses == pytest.approx(losses, rel=1e-4)
    assert_same_state(network.state_dict(), seen.end)
    unmoved = [name for name, value in seen.end.items() if torch.equal(value, seen.start[name]) and value.any()]
    assert not unmoved, "every tensor changes, but for zeros of an SSD level without matches"


def assert_same_state(theirs: dict[str, Tensor], ours: dict[str, Tensor]) -> None:
    for (name, their), our in zip(theirs.items(), ours.values(), strict=True):
        worst = (our - their).abs().max()
        assert worst <= 1e-4 * max(1.0, their.abs().max()), f"{name}: {worst}"


def descend(optimizer: torch.optim.Optimizer, loss: Tensor) -> float:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


def test_ssdlite_trains_as_torchvisions(trained, tmp_path):
    """Two images of four have no box in some batches; the rate rises through the first epoch and then falls once."""
    side, rate = 96, 0.15 * 4 / 192
    seen = trained(
        "detect",
        write_coco(tmp_path / "coco", train=4 * STEPS),
        HALF,
        "experiment=detect_coco_torchvision",
        f"image_size=[{side},{side}]",
        "data.batch_size=4",
        f"optimizer.lr={rate}",
        f"scheduler.warmup={min(1000, STEPS - 1)}",
    )
    network = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=seen.classes + 1)
    network.transform.fixed_size = (side, side)
    started(network, seen)
    optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9, weight_decay=0.05)
    cosine = schedulers.CosineAnnealingLR(optimizer, T_max=EPOCHS)
    rise = schedulers.LinearLR(optimizer, start_factor=0.001, total_iters=min(1000, STEPS - 1))
    losses, rates = [], []
    for epoch, batches in enumerate(seen.epochs()):
        for batch in batches:
            rates.append(optimizer.param_groups[0]["lr"])
            truths = [boxes[boxes[:, 4] >= 0] for boxes in batch["boxes"]]
            targets = [{"boxes": boxes[:, :4], "labels": boxes[:, 4].long() + 1} for boxes in truths]
            terms = network(list(batch["unit"]), targets)  # it normalises by itself
            losses.append(descend(optimizer, sum(terms.values())))
            if epoch == 0:
                rise.step()
        cosine.step()
    assert_same_training(network, losses, rates, seen)


def test_lraspp_trains_as_torchvisions(trained, tmp_path):
    rate = 0.01 * 2 / 32
    seen = trained(
        "segment",
        write_cityscapes(tmp_path / "cityscapes", train=2 * STEPS),
        IMAGENET,
        "experiment=segment_voc_torchvision",
        "dataset=cityscapes",
        "data.batch_size=2",
        f"optimizer.lr={rate}",
        "data.augment.scale.max_size=[64,72,96]",
        *(f"data.augment.{key}=80" for key in ("pad.min_height", "pad.min_width", "crop.height", "crop.width")),
    )
    network = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=seen.classes)
    started(network, seen)
    optimizer = torch.optim.SGD(network.parameters(), lr=rate, momentum=0.9, weight_decay=0.05)
    falls = schedulers.LambdaLR(optimizer, lambda step: (1 - step / (EPOCHS * STEPS)) ** 0.9)
    losses, rates = [], []
    for batches in seen.epochs():
        for batch in batches:
            rates.append(optimizer.param_groups[0]["lr"])
            logits = network(batch["image"])["out"]
            losses.append(descend(optimizer, F.cross_entropy(logits, batch["mask"].long(), ignore_index=255)))
            falls.step()
    assert any((batch["mask"] == 255).any() for batch in seen.batches)
    assert_same_training(network, losses, rates, seen)


def of_three_colours(tmp_path: Path) -> tuple[Any, ...]:
    """Arguments for image classification."""
    root = write_folders(tmp_path / "folders", train=8)
    return root, IMAGENET, "dataset=folders", "image_size=[64,64]", "data.batch_size=4", "optimizer.lr=0.001"


def test_mobilenet_v2_trains_as_torchvisions(trained, tmp_path):
    seen = trained("classify", *of_three_colours(tmp_path), "experiment=classify_imagenet_v2_torchvision")
    network = started(mobilenet_v2(num_classes=seen.classes), seen)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.001, momentum=0.9, weight_decay=0.05)
    falls = schedulers.StepLR(optimizer, step_size=1, gamma=0.98)
    criterion, losses, rates = nn.CrossEntropyLoss(label_smoothing=0.0), [], []
    for batches in seen.epochs():
        for batch in batches:
            rates.append(optimizer.param_groups[0]["lr"])
            losses.append(descend(optimizer, criterion(network(batch["image"]), batch["label"])))
        falls.step()
    assert_same_training(network, losses, rates, seen)


def test_mobilenet_v2_trains_by_the_papers_formulas(trained, tmp_path):
    """experiment=classify_imagenet_v2: TensorFlow's RMSprop, decay by kind, batch norm, a running average."""
    seen = trained("classify", *of_three_colours(tmp_path), "experiment=classify_imagenet_v2")
    norm = partial(nn.BatchNorm2d, eps=0.001, momentum=None)  # None: the plain mean, as ours until step 1 / 0.003
    network = started(mobilenet_v2(num_classes=seen.classes, norm_layer=norm), seen)
    decayed = {
        module.weight
        for module in network.modules()
        if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv2d) and module.groups == 1)
    }
    square = {weight: torch.ones_like(weight) for weight in network.parameters()}
    speed = {weight: torch.zeros_like(weight) for weight in network.parameters()}
    average: dict[str, Tensor] = {}
    losses, rates = [], []
    for epoch, batches in enumerate(seen.epochs()):
        for batch in batches:
            rates.append(0.001 * 0.98**epoch)
            loss = F.cross_entropy(network(batch["image"]), batch["label"])
            grads = torch.autograd.grad(loss, list(square))
            with torch.no_grad():
                for weight, grad in zip(square, grads, strict=True):
                    full = grad.add(weight, alpha=0.05) if weight in decayed else grad
                    square[weight].mul_(0.9).addcmul_(full, full, value=1 - 0.9)
                    speed[weight].mul_(0.9).addcdiv_(full, (square[weight] + 1.0).sqrt(), value=rates[-1])
                    weight -= speed[weight]
                keep = min(0.9999, (1 + len(losses)) / (10 + len(losses))) if average else 0.0
                for name, value in network.state_dict().items():
                    average[name] = keep * average.get(name, 0) + (1 - keep) * value
            losses.append(loss.item())
    assert_same_training(network, losses, rates, seen)
    counts = {name for name in average if name.endswith("num_batches_tracked")}
    assert_same_state(
        {name: network.state_dict()[name] if name in counts else average[name] for name in average}, seen.average
    )
