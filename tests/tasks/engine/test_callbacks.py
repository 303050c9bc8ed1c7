"""What happens around training: averages, best weights, a loss that runs away, another pace."""

import copy
import os
import signal
import warnings
from types import SimpleNamespace

import lightning
import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.utils._python_dispatch import TorchDispatchMode

from tasks.common.console import SIGNALS
from tasks.common.distillation import Distillation
from tasks.common.errors import Diverged
from tasks.engine.averaging import AverageWeights
from tasks.engine.callbacks import Best, LogOnce, Reseed, SaveOften
from tasks.engine.pace import rescale
from tasks.engine.stopping import StopOnSignal, WatchLoss


class Line(lightning.LightningModule):
    """One weight that learns; notes what it is after each step, and while it is scored."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1, bias=False)
        self.after, self.scored = [], []

    def training_step(self, batch, _index):
        return (self.layer(batch) - 3).square().mean()

    def on_train_batch_end(self, *_):
        self.after.append(self.layer.weight.detach().double().clone())

    def validation_step(self, _batch, _index):
        self.scored.append(self.layer.weight.detach().double().clone())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("precision", ["32-true", "bf16-true"])
def test_the_average_is_scored_and_the_weights_go_on(tmp_path, precision):
    torch.manual_seed(0)
    model, images = Line(), torch.ones(8, 1)
    loader = torch.utils.data.DataLoader(images, batch_size=2)
    averages = AverageWeights(0.9)
    trainer = lightning.Trainer(
        max_epochs=2, accelerator="cpu", precision=precision, callbacks=[averages], logger=False,
        default_root_dir=tmp_path, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        accumulate_grad_batches=2,
    )  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(model, loader, loader)
    stepped = [weight for index, weight in enumerate(model.after) if index % 2 == 1]
    average = stepped[0]
    for step, weight in enumerate(stepped[1:], 1):
        keep = min(0.9, (1 + step) / (10 + step))
        average = keep * average + (1 - keep) * weight
    kept = averages._average_model
    assert kept is not None and kept.module.layer.weight.dtype == torch.float32 and int(kept.n_averaged) == 4
    assert torch.allclose(kept.module.layer.weight.double(), average, rtol=1e-6)
    assert torch.allclose(model.scored[-1], average, rtol=1e-6 if precision == "32-true" else 8e-3)
    assert not torch.equal(model.scored[3], model.after[4]), "the weights, not their average, are trained on"


def averaged(decay, *values):
    """The average of a weight that has these values after its first, second, … step, beside a count of batches."""
    layer = nn.BatchNorm2d(1)
    averages = AverageWeights(decay)
    averages._average_model = AveragedModel(layer)
    for step, value in enumerate(values, 1):
        with torch.no_grad():
            layer.weight.fill_(value)
            layer.num_batches_tracked.fill_(step)
        averages.on_train_batch_end(SimpleNamespace(global_step=step), layer)
    kept = averages._average_model.module
    assert int(kept.num_batches_tracked) == len(values), "what is counted is copied, not averaged"
    return kept.weight.item()


def test_an_average_by_hand():
    assert averaged(0.9, 1.0) == 1.0, "the first step is where it begins"
    assert averaged(0.9, 1.0, 2.0) == pytest.approx(2 / 11 * 1 + 9 / 11 * 2)  # the decay rises: (1 + 1) / (10 + 1)
    assert averaged(0.9, 1.0, 2.0, 3.0) == pytest.approx(3 / 12 * (20 / 11) + 9 / 12 * 3)
    assert averaged(0.1, 1.0, 2.0, 3.0) == pytest.approx(0.1 * (0.1 * 1 + 0.9 * 2) + 0.9 * 3)  # it has its value


def test_steps_that_only_add_gradients_up_are_not_averaged():
    layer = nn.Linear(1, 1, bias=False)
    averages = AverageWeights(0.1)
    averages._average_model = AveragedModel(layer)
    for step, value in ((1, 1.0), (2, 2.0), (2, 50.0)):
        with torch.no_grad():
            layer.weight.fill_(value)
        averages.on_train_batch_end(SimpleNamespace(global_step=step), layer)
    assert averages.steps == 2 and averages._average_model.module.weight.item() == pytest.approx(0.1 * 1 + 0.9 * 2)


def test_random_numbers_depend_on_seed_step_and_process_alone():
    def drawn(seed, step, rank=0):
        loop = SimpleNamespace(epoch_loop=SimpleNamespace(total_batch_idx=step))
        Reseed(seed).on_train_batch_start(SimpleNamespace(fit_loop=loop, global_rank=rank), None, None, 0)
        return torch.rand(4).tolist()

    first = drawn(0, 0)
    others = [drawn(0, 1), drawn(0, 100), drawn(1, 0), drawn(0, 0, rank=1), drawn(1, 100, rank=1)]
    assert first == drawn(0, 0), "as a resumed run draws it"
    assert len({tuple(numbers) for numbers in (first, *others)}) == 6


class CountReads(TorchDispatchMode):
    """Counts the numbers that Python reads from tensors: on an accelerator each waits for all work before it."""

    reads = 0

    def __torch_dispatch__(self, func, _types, args=(), kwargs=None):
        self.reads += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


def test_a_step_reads_no_number_from_the_device(tmp_path):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    averages, watch = AverageWeights(0.9), WatchLoss()
    averages._average_model = AveragedModel(model)
    trainer = SimpleNamespace(global_step=0, accumulate_grad_batches=1, world_size=1, is_last_batch=False)
    callbacks = [averages, watch, StopOnSignal(tmp_path / "last.ckpt"), often := SaveOften(tmp_path / "last.ckpt", 10)]
    often.on_train_start()
    with CountReads() as count:
        for trainer.global_step in range(1, 4):
            for callback in callbacks:
                callback.on_train_batch_end(trainer, model, {"loss": torch.tensor(1.0)}, {}, 0)
    assert count.reads == 0 and averages.steps == 3
    with CountReads() as count:
        averages._average_model.update_parameters(model)
    assert count.reads, "torch's own way reads them, and the count finds it"


def test_a_copy_of_a_student_shares_its_teacher():
    teacher = Distillation(nn.Linear(2, 2), weight=0.5, temperature=1)
    assert copy.deepcopy({"student": [teacher]})["student"][0] is teacher


def test_the_best_is_the_last_while_nothing_has_a_score(tmp_path, capsys):
    best, saved = Best(tmp_path, "val/mAP"), []
    strategy = SimpleNamespace(reduce_boolean_decision=lambda decision: decision)
    trainer = SimpleNamespace(
        strategy=strategy, global_step=0, is_global_zero=True, loggers=[], current_epoch=0,
        save_checkpoint=lambda _path, storage_options: saved.append(trainer.global_step),
    )  # fmt: skip
    scores = [torch.nan, torch.nan, 0.2, torch.nan, 0.1, 0.3]
    for trainer.global_step, score in enumerate(scores):
        best._save_topk_checkpoint(trainer, {"val/mAP": torch.tensor(score)})
    assert saved == [0, 1, 2, 5]
    assert capsys.readouterr().out.count("best.ckpt is the last epoch's") == 1


@pytest.mark.parametrize(("done", "every"), [(0, 10), (16, 4), (20, 1)])
def test_few_steps_are_logged_once(done, every):
    trainer = SimpleNamespace(log_every_n_steps=10, global_step=done)
    LogOnce().on_train_start(trainer, SimpleNamespace(steps=20))
    assert trainer.log_every_n_steps == every


def watched(*epochs):
    """WatchLoss after epochs of these losses, with gradients of two batches added up."""
    watch = WatchLoss()
    for epoch, losses in enumerate(epochs):
        for number, loss in enumerate(losses, 1):
            trainer = SimpleNamespace(
                accumulate_grad_batches=2, world_size=1, current_epoch=epoch, is_last_batch=number == len(losses),
                num_training_batches=len(losses),
            )  # fmt: skip
            watch.on_train_batch_end(trainer, None, {"loss": torch.tensor(loss / 2)}, None, number - 1)
    return watch


def test_a_loss_that_explodes_is_told_and_one_that_is_not_finite_ends():
    assert watched([2.3, 2.0], [1.0, 0.9]).exploded == ""
    assert watched([2.3, 900.0], [1.0, 0.9]).exploded == "", "it has come back"
    assert watched([0.01, 0.3], [0.4, 0.9]).exploded == "", "a trained network learns something new"
    assert watched([2.3, 2.5], [70.0, 90.0]).exploded.startswith("the loss has exploded: 80 in epoch 2, 2.3 at the")
    with pytest.raises(Diverged, match="the loss is nan at the end of epoch 1"):
        watched([2.3, torch.nan])
    resumed = WatchLoss()
    resumed.load_state_dict(watched([2.3, 2.0]).state_dict())
    assert resumed.first == pytest.approx(2.3)


def test_the_mean_loss_of_a_resumed_epoch_is_that_of_the_whole_epoch():
    def batch(watch, number, loss):
        trainer = SimpleNamespace(
            accumulate_grad_batches=1, world_size=1, current_epoch=1, is_last_batch=number == 3, strategy=None
        )
        watch.on_train_batch_end(trainer, None, {"loss": torch.tensor(loss)}, None, number)

    whole, before, after = watched([2.0]), watched([2.0]), WatchLoss()
    for number, loss in enumerate((90.0, 90.0, 1.0), 1):
        batch(whole, number, loss)
    for number in (1, 2):
        batch(before, number, 90.0)
    after.load_state_dict(before.state_dict())
    batch(after, 3, 1.0)
    assert after.exploded == whole.exploded and "60.33 in epoch 2" in after.exploded


def test_handlers_are_those_of_before_after_a_training(tmp_path):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    stop = StopOnSignal(tmp_path / "last.ckpt")
    stop.on_train_start(SimpleNamespace(), None)
    assert signal.getsignal(signal.SIGINT) == signal.getsignal(signal.SIGTERM) != before[0]
    stop.teardown()
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_no_handler_keeps_a_trainer_alive(tmp_path):
    """In a sweep each job's trainer, network and images would stay in memory."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    stop = StopOnSignal(tmp_path / "last.ckpt")
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        callbacks=[stop],
        default_root_dir=tmp_path,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Line(), torch.utils.data.DataLoader(torch.ones(2, 1)))
    assert {number: signal.getsignal(number) for number in before} == before
    assert not stop.before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the signals go to a forked process")
@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_of_either_kind_ends_the_process(tmp_path, second):
    child = os.fork()
    if child == 0:
        stop = StopOnSignal(tmp_path / "last.ckpt")
        stop.on_train_start(SimpleNamespace(), None)
        signal.raise_signal(signal.SIGINT)
        (tmp_path / "received").write_text(str(int(stop.received)))
        signal.raise_signal(second)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -second
    assert (tmp_path / "received").read_text() == str(int(signal.SIGINT))


def test_last_is_written_within_an_epoch_after_a_step(tmp_path, monkeypatch):
    often, saved = SaveOften(tmp_path / "last.ckpt", minutes=10), []
    clock = [0.0]
    monkeypatch.setattr("tasks.engine.callbacks.time.monotonic", lambda: clock[0])
    trainer = SimpleNamespace(accumulate_grad_batches=2, world_size=1, is_last_batch=False)
    trainer.save_checkpoint = lambda path: saved.append((clock[0], path.name))
    often.on_train_start()
    for index in range(20):
        clock[0] += 70
        trainer.is_last_batch = index == 19
        often.on_train_batch_end(trainer, None, None, None, index)
    assert saved == [(700.0, "last.ckpt")], "the next is due after batch 19, the epoch's last, which writes its own"


def test_progress_of_another_pace_counts_the_same_epochs():
    def count(n):
        return {"current": {"ready": n, "completed": n}, "total": {"ready": 2 * n, "completed": 2 * n}}

    fit = {
        "epoch_progress": {"current": {"processed": 2}},
        "epoch_loop.batch_progress": count(6) | {"is_last_batch": True},
        "epoch_loop.scheduler_progress": count(3),
        "epoch_loop.automatic_optimization.optim_progress": {"optimizer": {"step": count(3), "zero_grad": count(3)}},
        "epoch_loop.state_dict": {"_batches_that_stepped": 6},
    }
    schedulers = [{"last_epoch": 6, "_step_count": 7}]
    checkpoint = {
        "loops": {"fit_loop": fit},
        "lr_schedulers": schedulers,
        "callbacks": {"AverageWeights": {"latest_update_step": 6}},
    }
    rescale(checkpoint, {"steps": 5, "batches": 9})
    assert fit["epoch_loop.batch_progress"]["total"] == {"ready": 18, "completed": 18}
    assert fit["epoch_loop.batch_progress"]["current"] == {"ready": 9, "completed": 9}
    step = fit["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]["step"]
    assert step["total"]["completed"] == 10 and schedulers[0]["last_epoch"] == 10
    assert checkpoint["callbacks"]["AverageWeights"]["latest_update_step"] == 10
