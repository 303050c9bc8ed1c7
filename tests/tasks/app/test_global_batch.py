"""`data.global_batch`: the real command trains the same network however a step is shared out, and says so."""

import csv
import os
import signal
from pathlib import Path

import pytest
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from tasks.engine.learner import Learner
from tests.tasks.app.test_distributed import run as run_processes
from tests.tasks.classify.test_command import TINY, same_state

STEP = "data.global_batch=8"
PLAIN = (
    *(word for word in TINY if not word.startswith(("data.batch_size", "optimizer", "trainer.max_epochs"))),
    *("optimizer=sgd", "optimizer.lr=0.01", "head.dropout=0", "trainer.max_epochs=2", "trainer.log_every_n_steps=1"),
    *("trainer.check_val_every_n_epoch=2", "data.scales=[[32,32],[48,48]]", "data.repeat=2", "pictures=0"),
)


@pytest.fixture
def norms_as_scored(monkeypatch):
    """Networks whose outputs for an image depend on that image alone, so that passes can be compared."""
    from tasks.engine import prepare

    freeze = prepare.freeze

    def with_norms(learner, reinitialized):
        freeze(learner, reinitialized)
        norms = [name for name, module in learner.named_modules() if isinstance(module, _BatchNorm)]
        learner.frozen_modules = frozenset(norms)
        learner.train()

    monkeypatch.setattr(prepare, "freeze", with_norms)


@pytest.fixture
def trained(command, folders, tmp_path):
    """The command on the tiny data set; its output, and its folder below tmp_path."""

    def go(name: str, *words: str):
        root = () if any(word.startswith("resume=") for word in words) else (*PLAIN, f"dataset.root={folders}")
        result = command("classify", *root, *words, f"hydra.run.dir={tmp_path / name}")
        return result, tmp_path / name

    return go


def last(folder: Path) -> dict:
    return torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)


def losses(folder: Path) -> list[float]:
    rows = csv.DictReader((folder / "metrics.csv").open())
    return [float(row["train/loss"]) for row in rows if row["train/loss"]]


def assert_equal(one: Path, other: Path) -> None:
    """Equal steps, rates, weights and averages, but for the order in which gradients are added up."""
    a, b = last(one), last(other)
    for part in ("state_dict", "current_model_state"):
        for name, tensor in a[part].items():
            torch.testing.assert_close(b[part][name], tensor, rtol=0, atol=1e-6, msg=f"{part}.{name}")
    assert a["global_step"] == b["global_step"] > 4 and a["lr_schedulers"] == b["lr_schedulers"]
    assert a["callbacks"]["AverageWeights"] == b["callbacks"]["AverageWeights"], "the average counts steps"


def test_a_step_is_the_same_in_one_pass_and_in_four(trained, norms_as_scored):
    result, whole = trained("whole", STEP)
    assert result.status == 0, result.err
    line = "batch: 8 = 8 images × 1 process; learning rate 0.01"
    assert line in result.out
    result, parts = trained("parts", STEP, "data.batch_size=2")
    assert result.status == 0, result.err
    assert "batch: 8 = 2 images × 1 process × 4 accumulated steps; learning rate 0.01" in result.out
    assert_equal(whole, parts)
    assert losses(whole) == pytest.approx(losses(parts), abs=2e-5), "one row for each step, with its whole loss"


def test_a_run_stopped_within_an_epoch_goes_on_with_other_passes(trained, norms_as_scored, monkeypatch):
    _, whole = trained("whole", STEP, "data.batch_size=4")
    step, calls = Learner.training_step, []

    def step_and_stop(self, *arguments):
        calls.append(1)
        if len(calls) == 3:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "training_step", step_and_stop)
        result, half = trained("half", STEP, "data.batch_size=4")
    assert result.status == 128 + signal.SIGTERM, result.err
    assert last(half)["global_step"] == 2, "a step is not torn apart"
    resume = f"resume={half / 'checkpoints/last.ckpt'}"
    result, rest = trained("rest", resume, "data.batch_size=2")
    assert result.status == 0, result.err
    assert "the steps have the same images" in result.out
    assert_equal(whole, rest)
    result, _ = trained("no", resume, "data.global_batch=4", "data.batch_size=2")
    assert result.status == 2 and "data.global_batch: resume=… goes on with what the run was begun with" in result.err


def test_what_memory_holds_is_found_once_and_changes_nothing_else(trained, monkeypatch):
    result, whole = trained("whole", STEP)
    result, auto = trained("auto", STEP, "data.batch_size=auto")
    assert result.status == 0 and "batch: 8 = 8 images × 1 process;" in result.out, result.err
    assert same_state(whole / "checkpoints/last.ckpt", auto / "checkpoints/last.ckpt"), "random numbers are as ever"
    monkeypatch.setattr("tasks.engine.memory.machine_memory", lambda: 60 << 20)
    result, half = trained("half", STEP, "data.batch_size=auto", "stop_after=1")
    assert result.status == 0 and "batch: 8 = 2 images × 1 process × 4 accumulated steps" in result.out, result
    monkeypatch.setattr("tasks.engine.memory.images_at_once", None)
    resume = f"resume={half / 'checkpoints/last.ckpt'}"
    result, _ = trained("rest", resume)
    assert result.status == 0 and "2 images × 1 process × 4 accumulated steps" in result.out, "as it was found"
    monkeypatch.undo()


def test_a_last_short_step_is_counted_and_one_after_it_is_whole(trained):
    result, folder = trained("run", STEP, "data.batch_size=2", "trainer.limit_train_batches=6")
    assert result.status == 0, result.err
    assert last(folder)["global_step"] == 4 and last(folder)["run"]["steps"] == 2
    assert all(0.1 < loss < 4 for loss in losses(folder)) and len(losses(folder)) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("mode=evaluate", "weights=x.pth"),
            "data.global_batch=8 is for training; mode=evaluate scores ",
        ),
        (("data.batch_size=3",), "data.batch_size=3 does not divide the 8 images of data.global_batch=8: take 2 or 4"),
        (("trainer.devices=3",), "data.global_batch=8 is not divisible by 3 processes: take data.global_batch=6 or "),
        (("trainer.accumulate_grad_batches=3",), "trainer.accumulate_grad_batches=3 does not divide the 8 images of"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_torch(trained, words, message):
    result, folder = trained("run", STEP, *words)
    assert result.status == 2 and f"error: {message}" in result.err, result.err
    assert len(result.err.splitlines()) == 1 and not folder.exists()


def test_a_search_of_networks_takes_no_batch_of_trainings(command, folders, tmp_path):
    words = ("search=netadapt", "task=classify", "dataset=folders", f"dataset.root={folders}", "data.batch_size=auto")
    result = command("search", *words, "checkpoint=x.ckpt", f"hydra.run.dir={tmp_path / 'run'}")
    assert (result.status == 2 and "search=netadapt" in result.err) or "x.ckpt" in result.err, result.err


def test_a_rate_that_is_typed_is_meant_for_the_batch_that_is_typed(trained):
    result, _ = trained("run", "data.global_batch=4", "trainer.limit_train_batches=1", "trainer.max_epochs=1")
    assert result.status == 0 and "batch: 4 = 4 images × 1 process; learning rate 0.01\n" in result.out, result


def test_two_processes_train_as_one_that_accumulates(command, folders, tmp_path):
    """Only heads are trained: a frozen backbone's outputs for an image depend on that image alone."""
    result = command("classify", *PLAIN, f"dataset.root={folders}", STEP, f"hydra.run.dir={tmp_path / 'start'}")
    assert result.status == 0, result.err
    begin = (*PLAIN, f"dataset.root={folders}", f"checkpoint={tmp_path / 'start/checkpoints/best.ckpt'}", STEP)
    begin = (*begin, "backbone.frozen=true", "data.batch_size=2")
    said = run_processes(
        "classify", *begin, "trainer.devices=2", "trainer.strategy=ddp", f"hydra.run.dir={tmp_path}/two"
    )
    assert said.count("batch: 8 = 2 images × 2 processes × 2 accumulated steps; learning rate 0.01") == 1
    result = command("classify", *begin, f"hydra.run.dir={tmp_path / 'one'}")
    assert result.status == 0 and "batch: 8 = 2 images × 1 process × 4 accumulated steps" in result.out, result.err
    a, b = last(tmp_path / "one"), last(tmp_path / "two")
    for name, tensor in a["current_model_state"].items():
        torch.testing.assert_close(b["current_model_state"][name], tensor, rtol=0, atol=1e-6, msg=name)
    assert a["global_step"] == b["global_step"] and (a["run"]["processes"], b["run"]["processes"]) == (1, 2)


def test_machines_that_nobody_starts_are_not_waited_for(trained, monkeypatch):
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    result, _ = trained("run", "trainer.num_nodes=2", STEP)
    assert result.status == 2 and "trainer.num_nodes=2: neither torchrun nor srun has started this" in result.err


def test_a_limit_of_batches_leaves_whole_steps(trained, monkeypatch):
    images, step = [], Learner.training_step

    def counted(self, batch, index):
        images.append(len(batch["image"]))
        return step(self, batch, index)

    monkeypatch.setattr(Learner, "training_step", counted)
    result, _ = trained("run", STEP, "data.batch_size=4", "trainer.limit_train_batches=1", "trainer.max_epochs=1")
    assert result.status == 0 and "trainer.limit_train_batches: 2 instead of 1, for steps of 8 images" in result.out
    assert sum(images) == 8
