"""The whole of a training step never waits for the device: the real command's, with Lightning's loop, its log and all
our callbacks. It trains on PyTorch's meta device, which has no numbers to give (tests/waiting.py).
"""

import lightning
import pytest
import torch
from lightning.pytorch.accelerators import CPUAccelerator
from lightning.pytorch.strategies import SingleDeviceStrategy
from torch.nn.modules.batchnorm import _BatchNorm

from backbones.running_statistics import CumulativeStart
from tasks.engine import build, callbacks
from tasks.engine.report import WriteReport
from tests.gpu.tiny import TASKS, written
from tests.waiting import NoWaiting

COMMON = ("trainer.gradient_clip_val=1", "trainer.log_every_n_steps=1000", "data.repeat=4")
FURTHER = {
    "accumulates": ("segment", ("data.global_batch=4", "optimizer.batch=4")),
    "segment, all terms": (
        "segment",
        ("task.loss.ohem=0.3", "task.loss.ohem_threshold=0.7", "task.loss.dice=1", "task.loss.lovasz=1"),
    ),
    "segment, slim": ("segment", ("task.loss.stride=4", "task.loss.balance=0.5", "optimizer=rmsprop")),
    "detect, focal, atss": ("detect", ("loss=focal", "match=atss", "task.loss.box=ciou", "task.loss.box_weight=2")),
    "detect, quality, task-aligned": ("detect", ("loss=quality_focal", "match=task_aligned")),
    "detect, varifocal": ("detect", ("loss=varifocal", "ema=null", "optimizer=sgd")),
    "classify, mixed": ("classify", ("task.mix.mixup=0.2", "task.mix.cutmix=1", "task.loss.binary=true")),
    "classify, progressive": ("classify", ("data.progressive=[[24,0.9]]",)),
    "gradnorm": ("multitask", ("balance=gradnorm", "balance.every=1")),
    "uncertainty": ("multitask", ("balance=uncertainty", "batchnorm=separate")),
}


class MetaAccelerator(CPUAccelerator):
    """The CPU in Lightning's eyes, with another device."""

    def setup_device(self, device: torch.device) -> None:
        """Any."""


class OnMeta(SingleDeviceStrategy):
    """One device, from which nothing can be copied back."""

    def teardown(self) -> None:
        """Leaves the weights there."""

    def reduce(self, tensor, *_, **__):
        """Of the loaders' lengths, before the first step."""
        return torch.ones_like(tensor, device="cpu")


class Enough(Exception):
    """Two steps were seen."""


class Watch(lightning.Callback):
    """Observes the steps after the first, in which states are made; stands first and last among the callbacks."""

    def __init__(self, mode: NoWaiting) -> None:
        self.mode, self.seen = mode, 0


class Begin(Watch):
    """Before all other callbacks."""

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step > 0:
            self.mode.__enter__()
            self.seen += 1


class End(Watch):
    """After all other callbacks."""

    def on_train_batch_end(self, trainer, _module, _outputs, batch, _index):
        if self.mode.inside:
            self.mode.__exit__(None, None, None)
            self.seen += 1
        if self.seen == 2:
            assert batch["image"].device.type == "meta" and batch["image"].dtype == torch.uint8
            raise Enough


class Entered(NoWaiting):
    """Knows whether it is on."""

    inside = False

    def __enter__(self):
        self.inside = True
        return super().__enter__()

    def __exit__(self, *error):
        self.inside = False
        super().__exit__(*error)


@pytest.fixture
def on_meta(monkeypatch):
    """Lets every trainer that is built train on the meta device."""
    make, mode = build.make, Entered()

    def made(spec, key, *arguments, **keywords):
        if key != "trainer":
            return make(spec, key, *arguments, **keywords)
        keywords["callbacks"] = [Begin(mode), *keywords["callbacks"], End(mode)]
        trainer = make(spec, key, *arguments, **keywords)
        trainer._accelerator_connector.strategy = OnMeta(
            torch.device("meta"), MetaAccelerator(), precision_plugin=trainer.strategy.precision_plugin
        )
        return trainer

    def from_the_first(network):  # the original reads the counts once, before the first step
        norms = [norm for norm in network.modules() if isinstance(norm, _BatchNorm) and norm.momentum]
        return [CumulativeStart(norm, 0) for norm in norms]

    monkeypatch.setattr(build, "make", made)
    monkeypatch.setattr(callbacks, "start_from_mean", from_the_first)
    monkeypatch.setattr(WriteReport, "collect", lambda *_: None)  # the page's few training images, in the first steps
    monkeypatch.setattr(lightning.Trainer, "_teardown", lambda _: None)  # would read what was logged
    yield
    if mode.inside:
        mode.__exit__(None, None, None)


@pytest.mark.parametrize(
    ("task", "options"),
    [*((task, ()) for task in TASKS), *FURTHER.values()],
    ids=[*TASKS, *FURTHER],
)
def test_no_step_waits(on_meta, command, tmp_path, task, options):
    with pytest.raises(Enough):
        command(
            task, *written(task, tmp_path), *COMMON, *options, "traceback=true", f"hydra.run.dir={tmp_path / 'run'}"
        )
