"""A training step never asks the device for a number: the host would wait for all that it has been given to do.

The network lies on PyTorch's meta device, which has no numbers to give, as on a GPU that nothing may wait for.
"""

import pytest
import torch

from backbones.running_statistics import start_from_mean
from tasks.engine.build import build
from tests.tasks.engine.test_learner import CLASSES, SMALL, mixed_batch
from tests.test_config import run_of
from tests.waiting import NoWaiting

SINGLE = ("recipe=none", "backbone=mobilenet_v3_small", "backbone.width=0.35")


def step(learner, batch):
    """A training step as Learner and Lightning take it, on the meta device, the second one under observation."""
    learner.to("meta").train()
    batch = torch.utils._pytree.tree_map(lambda x: x.to("meta") if isinstance(x, torch.Tensor) else x, batch)
    optimizer = torch.optim.SGD(learner.parameters(), lr=0.1, momentum=0.9)

    def one():
        mixed = batch
        if len(learner.tasks) == 1:
            mixed = learner.each_task()[0][1].mix(batch, 0.0)
        loss = learner.balance(learner.losses(mixed), learner.shared)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        learner.balance.weights()

    one()  # anchors are made once
    with NoWaiting():
        one()


def images(count=2):
    return torch.zeros(count, 3, 64, 64, dtype=torch.uint8)


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["task.loss.stride=4", "task.loss.label_smoothing=0.1"],
        ["task.loss.ohem=0.3", "task.loss.ohem_threshold=0.7", "task.loss.dice=1", "task.loss.lovasz=1"],
    ],
)
def test_segmentation(options):
    learner = build(run_of(*SINGLE, *options).learner, CLASSES)
    step(learner, {"image": images(), "mask": torch.zeros(2, 64, 64, dtype=torch.uint8)})


@pytest.mark.parametrize("loss", ["softmax", "focal"])
@pytest.mark.parametrize("box", ["smooth_l1", "giou"])
def test_detection(loss, box):
    learner = build(run_of(*SINGLE, f"loss={loss}", f"task.loss.box={box}", task="detect").learner, CLASSES)
    step(learner, {"image": images(), "boxes": torch.zeros(2, 3, 5)})


@pytest.mark.parametrize(
    "options",
    [
        ["task.mix.mixup=0.2"],
        ["task.mix.cutmix=1"],
        ["task.loss.label_smoothing=0.1"],
        ["task.loss.binary=true", "task.loss.target_threshold=0.2"],
    ],
)
def test_classification(options):
    learner = build(run_of(*SINGLE, *options, task="classify").learner, CLASSES)
    step(learner, {"image": images(), "label": torch.zeros(2, dtype=torch.int64)})


@pytest.mark.parametrize("balance", ["fixed", "uncertainty", "gradnorm"])
def test_several_tasks(balance):
    learner = build(run_of(*SMALL, f"balance={balance}", task="multitask").learner, CLASSES)
    step(learner, mixed_batch())


def test_what_is_refused():
    device = torch.zeros(3, device="meta")
    with NoWaiting():
        for wait in (
            lambda: device[device > 0],
            lambda: torch.zeros(3).to("meta"),
            lambda: torch.tensor([1.0, 2.0], device="meta"),
            lambda: torch.as_tensor(1.0, device="meta"),
            lambda: device.new_tensor([1.0]),
            lambda: device.nonzero(),
            lambda: device.to("cpu"),
            lambda: torch.zeros(3).copy_(device),
            lambda: device.long().repeat_interleave(device.long()),
            lambda: device.unique(),
            lambda: bool(device.any()),
            lambda: device.sum().item(),
        ):
            with pytest.raises(AssertionError, match=r"waits|copied"):
                wait()
        device.long().repeat_interleave(2)
        device.masked_fill(device > 0, 1.0)


def test_running_statistics_are_counted_without_the_device():
    norm = torch.nn.BatchNorm2d(2)
    start_from_mean(norm)
    norm.to("meta").train()
    with NoWaiting():
        for momentum in (1.0, 1 / 2, 1 / 3):
            norm(torch.zeros(2, 2, 4, 4, device="meta"))
            assert norm.momentum == momentum
