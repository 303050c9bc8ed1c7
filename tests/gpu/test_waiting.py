"""On the device itself: training steps that wait for nothing, from memory that is pinned."""

import lightning
import pytest
import torch
from lightning.pytorch.core.hooks import DataHooks

from tasks.engine import build
from tests.gpu.tiny import TASKS, on, written

LONG = ("data.repeat=20", "trainer.log_every_n_steps=1000", "trainer.gradient_clip_val=1", "data.workers=1")
FROM, UNTIL = 4, 7  # steps: after the page's first images, and within the epoch


class Enough(Exception):
    """All steps were seen."""


class Begin(lightning.Callback):
    """Before all other callbacks: what waits is an error from here on."""

    def on_train_batch_start(self, trainer, *_):
        if trainer.global_step >= FROM and trainer.strategy.root_device.type == "cuda":
            torch.cuda.set_sync_debug_mode("error")


class End(lightning.Callback):
    """After all other callbacks: the next batch may be waited for."""

    def on_train_batch_end(self, trainer, *_):
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")
        if trainer.global_step > UNTIL:
            raise Enough


@pytest.fixture
def observed(monkeypatch, device):
    """Every trainer that is built has the two callbacks; the pinned batches are noted."""
    make, move, pinned = build.make, DataHooks.transfer_batch_to_device, []

    def made(spec, key, *arguments, **keywords):
        if key == "trainer":
            keywords["callbacks"] = [Begin(), *keywords["callbacks"], End()]
        return make(spec, key, *arguments, **keywords)

    def note(self, batch, where, loader):
        pinned.append(batch["image"].is_pinned())
        assert batch["image"].dtype == torch.uint8 and batch["image"].device.type == "cpu"
        return move(self, batch, where, loader)

    monkeypatch.setattr(build, "make", made)
    monkeypatch.setattr(DataHooks, "transfer_batch_to_device", note)
    yield pinned
    if device == "cuda":
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("task", TASKS)
def test_no_step_waits(observed, device, command, tmp_path, task, precision):
    arguments = (*on(device, written(task, tmp_path)), *LONG, f"trainer.precision={precision}", "traceback=true")
    with pytest.raises(Enough):
        command(task, *arguments, f"hydra.run.dir={tmp_path / 'run'}")
    assert observed and all(pinned == (device == "cuda") for pinned in observed)
