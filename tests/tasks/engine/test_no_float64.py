"""MPS has no float64: training steps, predictions and the device's part of the scores make none.

A training step runs on PyTorch's meta device, what follows on the CPU, both in place of the GPU of a Mac.
"""

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from tasks.engine.build import build
from tests.tasks.engine.test_learner import CLASSES, SMALL, mixed_batch
from tests.test_config import run_of

SINGLE = ("recipe=none", "backbone=mobilenet_v3_small", "backbone.width=0.35")
LABELS = {
    "segment": {"mask": torch.zeros(2, 64, 64, dtype=torch.uint8)},
    "detect": {"boxes": torch.tensor([[[4.0, 4, 40, 40, 0], [0, 0, 0, 0, -1]]] * 2)},
    "classify": {"label": torch.zeros(2, dtype=torch.int64)},
    "multilabel": {"multilabel": torch.zeros(2, 3, dtype=torch.uint8)},
}


class NoFloat64(TorchDispatchMode):
    """Refuses float64 tensors on a device."""

    def __init__(self, device):
        super().__init__()
        self.device = device

    def __torch_dispatch__(self, function, types, arguments=(), keywords=None):
        result = function(*arguments, **(keywords or {}))
        for value in tree_leaves((arguments, keywords, result)):
            wrong = (
                isinstance(value, torch.Tensor) and value.dtype == torch.float64 and value.device.type == self.device
            )
            assert not wrong, f"{function} has a float64 tensor"
        return result


def train(learner, batch):
    """A training step on the meta device."""
    learner.to("meta").train()
    batch = tree_map(lambda x: x.to("meta") if isinstance(x, torch.Tensor) else x, batch)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=0.1)
    with NoFloat64("meta"):
        mixed = learner.each_task()[0][1].mix(batch, 0.0) if len(learner.tasks) == 1 else batch
        learner.balance(learner.losses(mixed), learner.shared).backward()
        torch.nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimizer.step()
        learner.balance.weights()


def images():
    return torch.zeros(2, 3, 64, 64, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("task", "options"),
    [
        ("segment", []),
        ("segment", ["task.loss.ohem=0.3", "task.loss.ohem_threshold=0.7", "task.loss.dice=1", "task.loss.lovasz=1"]),
        ("detect", ["loss=softmax", "task.loss.box=smooth_l1"]),
        ("detect", ["loss=focal", "task.loss.box=giou"]),
        ("detect", ["loss=quality_focal"]),
        ("classify", ["task.mix.mixup=0.2", "task.loss.label_smoothing=0.1"]),
        ("classify", ["task.mix.cutmix=1", "task.loss.binary=true"]),
        ("multilabel", []),
    ],
)
def test_a_training_step_makes_no_float64(task, options):
    learner = build(run_of(*SINGLE, *options, task=task).learner, CLASSES | {"multilabel": ["a", "b", "c"]})
    train(learner, {"image": images(), **LABELS[task]})


@pytest.mark.parametrize("balance", ["fixed", "uncertainty", "gradnorm"])
def test_nor_does_one_of_several_tasks(balance):
    learner = build(run_of(*SMALL, f"balance={balance}", task="multitask").learner, CLASSES)
    train(learner, mixed_batch())


@pytest.mark.parametrize("task", sorted(LABELS))
def test_predictions_and_scores_on_the_device_make_no_float64(task, monkeypatch):
    monkeypatch.setattr("heads.select.exact", lambda boxes: boxes)  # as it does on MPS
    monkeypatch.setattr("heads.labels._rounding", lambda *_: None)  # of the CPU's own way
    learner = build(run_of(*SINGLE, task=task).learner, CLASSES | {"multilabel": ["a", "b", "c"]}).eval()
    ((name, own),) = learner.each_task()
    with torch.no_grad(), NoFloat64("cpu"):
        outputs = own.head(learner.backbone(images()))
        found = own.predict(outputs, (64, 64))
        if task == "segment":
            own.metric().update(found, LABELS[task]["mask"])
    assert len(found) and name == task


def test_boxes_are_separated_in_float64_elsewhere_and_the_mode_refuses():
    from heads.select import exact

    assert exact(torch.zeros(1, 4)).dtype == torch.float64
    with NoFloat64("cpu"), pytest.raises(AssertionError, match="has a float64 tensor"):
        torch.from_numpy(np.zeros(3)) + 1
