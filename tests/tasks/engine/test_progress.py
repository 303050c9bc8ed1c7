"""The line of an epoch: the best score so far, and the time left."""

import logging
import math
from types import SimpleNamespace

import pytest
import torch

from tasks.engine import progress
from tasks.engine.callbacks import Best, Last
from tasks.engine.progress import Epoch, ShowProgress, best_before, duration
from tasks.engine.quiet import loud_lightning, quiet_lightning
from tests.test_config import run_of


def test_the_best_score_is_marked():
    shown = ShowProgress("mIoU")
    lines = [shown.compared(score) for score in (0.2, 0.1, math.nan, 0.2, 0.3)]
    assert lines == [
        ("  val/mIoU 0.2000 (best)", True),
        ("  val/mIoU 0.1000 (best 0.2000)", False),
        ("  val/mIoU –", False),
        ("  val/mIoU 0.2000 (best 0.2000)", False),
        ("  val/mIoU 0.3000 (best)", True),
    ]


def test_a_resumed_training_knows_the_best_score_of_before(tmp_path):
    best = Best(tmp_path, "val/mIoU")
    trainer = SimpleNamespace(checkpoint_callbacks=[Last(tmp_path), best])
    assert best_before(trainer) is None
    best.best_model_score = torch.tensor(0.4)
    assert best_before(trainer) == pytest.approx(0.4)
    best.best_model_score = torch.tensor(-math.inf)
    assert best_before(trainer) is None


def test_log_all_shows_what_libraries_report():
    lightning = logging.getLogger("lightning.pytorch")
    try:
        loud_lightning()
        assert lightning.level == logging.INFO
    finally:
        quiet_lightning()
    assert lightning.level == logging.WARNING  # Hydra may have disabled it for this whole process
    assert run_of("dataset=cityscapes").quiet and not run_of("dataset=cityscapes", "log=all").quiet


def test_durations():
    assert [duration(seconds) for seconds in (0.4, 98, 100, 5900, 6000, 86_400)] == [
        "0 s", "98 s", "2 min", "98 min", "1.7 h", "24.0 h",
    ]  # fmt: skip


def test_the_time_left_counts_this_process_alone(monkeypatch):
    shown = ShowProgress("mIoU")
    shown.begin, shown.begun, shown.done, shown.total = 100.0, 40, 50, 100  # resumed at 40
    monkeypatch.setattr(progress.time, "perf_counter", lambda: 120.0)
    assert shown.left() == "  2 min left", "two seconds for each of fifty steps"
    shown.done = 100
    assert shown.left() == ""


def test_an_epochs_line_without_a_terminal(monkeypatch, capsys):
    shown = ShowProgress("mIoU")
    shown.begin, shown.begun, shown.done, shown.total = 0.0, 0, 5, 10
    monkeypatch.setattr(progress.time, "perf_counter", lambda: 10.0)
    group = {"params": [], "lr": 0.5, "initial_lr": 0.5}
    trainer = SimpleNamespace(
        is_global_zero=True, callback_metrics={"val/mIoU": torch.tensor(0.25)}, current_epoch=0, max_epochs=2,
        optimizers=[SimpleNamespace(param_groups=[group])],
    )  # fmt: skip
    monkeypatch.setattr(progress, "current_rates", lambda groups: {"train/lr": groups[0]["lr"]})
    shown.epoch = Epoch()
    shown.on_validation_start()
    shown.on_train_epoch_end(trainer, None)
    trainer.current_epoch = 1
    shown.on_train_epoch_end(trainer, None)
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("epoch 1/2  loss 0.000  ") and first.endswith("lr 0.5  val/mIoU 0.2500 (best)  10 s left")
    assert last.endswith("val/mIoU 0.2500 (best 0.2500)") and "\x1b" not in first
