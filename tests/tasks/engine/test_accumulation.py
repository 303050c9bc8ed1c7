"""A step of several passes is one of a large batch: weights, logged losses, statistics, and the images of an epoch."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tasks.common.errors import UserError
from tasks.data.loading.batches import repeated
from tasks.data.loading.samplers import MixedBatches, TrainBatches, shared_out
from tasks.engine.accumulation import SlowStatistics
from tasks.engine.build import make_trainer
from tasks.engine.learner import Learner
from tasks.engine.memory import OnCuda, by_estimate, images_at_once, largest, machine_memory
from tasks.engine.pace import same_steps, share_again
from tasks.engine.progress import ShowProgress
from tasks.engine.stopping import WatchLoss
from tests.tasks.engine.test_finetune import learner_of
from tests.tasks.engine.test_learner import learner_of as several
from tests.tasks.engine.test_learner import mixed_batch
from tests.test_config import run_of

RATE = ("optimizer=sgd", "optimizer.momentum=0", "optimizer.weight_decay=0", "optimizer.lr=0.1", "scheduler=constant")
RATE = (*RATE, "scheduler.warmup=0", "finetune=none")


def norms_as_scored(learner: Learner) -> Learner:
    """A network whose outputs for an image depend on that image alone."""
    norms = [name for name, module in learner.named_modules() if isinstance(module, _BatchNorm)]
    learner.frozen_modules = frozenset(norms)
    learner.train()
    return learner


def batches(count: int, images: int = 2) -> list[dict]:
    generator = torch.Generator().manual_seed(1)
    return [
        {
            "image": torch.randint(0, 256, (images, 3, 32, 32), generator=generator, dtype=torch.uint8),
            "label": torch.randint(0, 2, (images,), generator=generator),
        }
        for _ in range(count)
    ]


def trained(learner: Learner, loader: list[dict], folder, callbacks=(), passes: int = 4, epochs: int = 1):
    options = (f"trainer.max_epochs={epochs}", "trainer.accelerator=cpu", "trainer.log_every_n_steps=1")
    run = run_of(*options, f"trainer.accumulate_grad_batches={passes}", f"+trainer.default_root_dir={folder}")
    trainer = make_trainer(run.trainer, list(callbacks))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        trainer.fit(learner, torch.utils.data.DataLoader(loader, batch_size=None))
    return trainer


def noted(learner: Learner) -> list[dict[str, float]]:
    """The values that are logged with each loss from now on."""
    found, log = [], learner.log_dict

    def log_dict(values):
        if "train/loss" in values:
            found.append({key: float(value) for key, value in values.items()})
        log(values)

    learner.log_dict = log_dict
    return found


def test_accumulated_steps_are_those_of_large_batches(tmp_path):
    """Six batches of two, four to a step: steps of eight and of four images, whose mean loss each descends."""
    loader, ours, reference = batches(6), norms_as_scored(learner_of(*RATE)), norms_as_scored(learner_of(*RATE))
    show, watch, logged = ShowProgress("top1"), WatchLoss(), noted(ours)
    trained(ours, loader, tmp_path, [show, watch])
    reference.train()
    optimizer, losses = torch.optim.SGD(reference.parameters(), lr=0.1), []
    for group in (loader[:4], loader[4:]):
        whole = {key: torch.cat([batch[key] for batch in group]) for key in group[0]}
        (loss,) = reference.losses(whole).values()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    for name, weight in reference.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], weight, rtol=0, atol=1e-6, msg=name)
    told = [each["train/loss"] for each in logged]
    assert [told[3], told[5]] == pytest.approx(losses, rel=1e-5), "the loss of the step, undivided"
    mean = (4 * losses[0] + 2 * losses[1]) / 6
    assert show.epoch is not None and float(show.epoch.loss) / show.epoch.steps == pytest.approx(mean, rel=1e-5)
    assert watch.first == pytest.approx(told[0], rel=1e-5)
    assert (show.total, show.done) == (6, 6) and show.left() == ""


def test_each_heads_loss_is_the_mean_over_the_passes_that_have_its_labels(tmp_path):
    learner = several("optimizer=sgd")
    logged = noted(learner)
    whole = mixed_batch()
    only = {**whole, "rows": {"mask": whole["rows"]["mask"]}}
    trained(norms_as_scored(learner), [whole, only], tmp_path, passes=2)
    steps = {"train/detect/loss", "train/classify/loss", "train/segment/loss", "train/loss"}
    assert logged[0].keys() >= steps and logged[1].keys() >= steps
    assert logged[1]["train/detect/loss"] == logged[0]["train/detect/loss"]
    assert logged[1]["train/loss"] != logged[0]["train/loss"]


def test_statistics_move_as_far_in_a_step_of_many_passes(tmp_path):
    """A constant input: after a step of four passes the old statistics weigh as after one pass."""

    class Constant(Learner):
        def training_step(self, _batch, _index):
            self.norm(torch.full((2, 1, 3, 3), 5.0))
            return self.norm.weight.sum() * 0

    found = []
    for passes in (1, 4):
        learner = learner_of(*RATE)
        learner.__class__ = Constant
        learner.norm = nn.BatchNorm2d(1, momentum=0.25)
        trained(learner, batches(passes), tmp_path, [SlowStatistics()], passes=passes)
        found.append(learner.norm.running_mean.item())
        assert learner.norm.momentum == 0.25
    assert found == pytest.approx([1.25, 1.25])


def images_of(order: TrainBatches, group: int, rank_orders=None) -> list[list]:
    """For each step of an epoch, its draws over passes and processes, sorted."""
    streams = [list(each) for each in rank_orders or [order]]
    steps = len(streams[0]) // group
    return [
        sorted(draw for stream in streams for batch in stream[step * group : (step + 1) * group] for draw in batch)
        for step in range(steps)
    ]


@pytest.mark.parametrize(("processes", "passes"), [(1, 4), (2, 2), (4, 1), (2, 1), (1, 2)])
def test_a_step_has_the_same_draws_however_it_is_shared_out(processes, passes):
    options = {"seed": 3, "repeat": 2, "image_sizes": [(32, 32), (32, 64), (64, 64)]}
    expected = images_of(whole := TrainBatches(13, 8, **options), 1)
    each = 8 // (processes * passes)
    orders = [TrainBatches(13, each, **options, rank=rank, world=processes, group=passes) for rank in range(processes)]
    assert images_of(orders[0], passes, orders) == expected and len(expected) == len(whole) == 4
    assert [size for (size,) in ({draw.size for draw in step} for step in expected)], "one size for each step"


@pytest.mark.parametrize(("processes", "passes"), [(1, 2), (2, 1), (1, 3), (3, 2)])
def test_so_has_one_of_a_mixture(processes, passes):
    sizes, counts, options = (11, 7), shared_out(18, {"a": 2, "b": 1}), {"seed": 3}
    assert counts == (12, 6)
    expected = images_of(MixedBatches(sizes, counts, **options, dealt=1), 1)
    orders = [
        MixedBatches(sizes, counts, **options, dealt=processes * passes, rank=rank, world=processes, group=passes)
        for rank in range(processes)
    ]
    assert images_of(orders[0], passes, orders) == expected
    for order in orders:
        for batch in order:
            own = [sum(draw.image >= 11 for draw in batch), sum(draw.image < 11 for draw in batch)]
            assert sum(own) == 18 // (processes * passes) and min(own) >= 1
            assert [draw.image >= 11 for draw in batch] == sorted(draw.image >= 11 for draw in batch), "grouped by set"


def test_a_pace_of_the_same_steps_is_shared_out_again():
    before = {"processes": 2, "batch_size": 4, "passes": 2, "batches": 6, "steps": 3, "images": 48, "step_images": 16}
    now = before | {"processes": 1, "passes": 4, "batches": 12}
    assert same_steps(before, now)
    assert not same_steps(before, now | {"batches": 13}), "another trainer.limit_train_batches"
    assert not same_steps(before, {key: value for key, value in now.items() if key != "step_images"})
    counts = {"ready": 4, "started": 4, "processed": 4, "completed": 3}
    progress = {"current": counts, "total": {key: value + 6 for key, value in counts.items()}}
    share_again({"loops": {"fit_loop": {"epoch_loop.batch_progress": progress}}}, before, now)
    assert progress["current"] == {"ready": 8, "started": 8, "processed": 8, "completed": 7}
    assert progress["total"] == {"ready": 20, "started": 20, "processed": 20, "completed": 19}


@pytest.mark.parametrize("most", [1, 2, 5, 8, 30, 96, 500])
def test_the_largest_number_that_fits_is_found_by_few_trials(most):
    choices, tried = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 96], []

    def fits(number: int) -> bool:
        tried.append(number)
        return number <= most

    assert largest(choices, fits) == max(number for number in choices if number <= most)
    assert len(tried) == len(set(tried)) and len(tried) <= 9
    assert sum(number > most for number in tried) <= 2, "memory runs out twice at most"


def test_nothing_fits_if_one_image_does_not():
    assert largest([1, 2, 4], lambda _: False) is None


def test_the_estimate_follows_the_memory_and_the_size_of_the_images(tmp_path, monkeypatch):
    trainer = make_trainer(run_of("trainer.accelerator=cpu", f"+trainer.default_root_dir={tmp_path}").trainer, [])
    small, other = batches(1)[0], batches(1)[0]
    other["image"] = other["image"].repeat(1, 1, 2, 2)
    assert machine_memory() > 1 << 28
    monkeypatch.setattr("tasks.engine.memory.machine_memory", lambda: 1 << 30)
    learner = learner_of(*RATE).train()
    images = by_estimate(trainer, learner, small, 1)
    assert images == by_estimate(trainer, learner, small, 1), "the same each time"
    assert by_estimate(trainer, learner, small, 2) == pytest.approx(images / 2, abs=1)
    assert by_estimate(trainer, learner, other, 1) == pytest.approx(images / 4, rel=0.1)


def test_a_trial_touches_neither_random_numbers_nor_the_network(tmp_path, monkeypatch):
    trainer = make_trainer(run_of("trainer.accelerator=cpu", f"+trainer.default_root_dir={tmp_path}").trainer, [])
    learner = learner_of(*RATE, "head.dropout=0.5").train()
    kept, before = {name: each.clone() for name, each in learner.state_dict().items()}, torch.get_rng_state()
    few = batches(1)[0]

    def found() -> int:
        make = lambda number: repeated(few, number)  # noqa: E731
        return images_at_once(trainer, copy.deepcopy(learner), make, [1, 2, 4, 8], 2)

    assert found() == 8
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(kept[name], each) for name, each in learner.state_dict().items())
    each = 0.5 * (1 << 30) / 2 / by_estimate_of(trainer, learner, few, monkeypatch)
    monkeypatch.setattr("tasks.engine.memory.machine_memory", lambda: int(5 * 4 * each))
    assert found() == 4
    monkeypatch.setattr("tasks.engine.memory.machine_memory", lambda: int(each))
    with pytest.raises(UserError, match=r"^data\.batch_size=auto: memory does not hold a step of 1 image: lower"):
        found()


def by_estimate_of(trainer, learner, few, monkeypatch) -> int:
    """Images that a gibibyte holds."""
    monkeypatch.setattr("tasks.engine.memory.machine_memory", lambda: 1 << 30)
    return by_estimate(trainer, learner, few, 1)


def test_cuda_is_tried_until_memory_runs_out_or_less_than_a_tenth_is_left(tmp_path, monkeypatch):
    """On the CPU, with a device of 1,000 bytes of which others have 200 and an image takes 50."""
    trainer = make_trainer(run_of("trainer.accelerator=cpu", f"+trainer.default_root_dir={tmp_path}").trainer, [])
    peak, few = [0], batches(1)[0]

    def make(number: int) -> dict:
        peak[0] = 50 * number
        if number > 30:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return repeated(few, number)

    for name, value in {"mem_get_info": (800, 1000), "memory_reserved": 0}.items():
        monkeypatch.setattr(torch.cuda, name, lambda _device, value=value: value)
    for name in ("reset_peak_memory_stats", "synchronize"):
        monkeypatch.setattr(torch.cuda, name, lambda _device: None)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda _device: peak[0])
    fits = OnCuda(trainer, learner_of(*RATE).train(), make, 2, torch.device("cpu"))
    assert [fits(number) for number in (2, 14, 15, 32)] == [True, True, False, False]
    assert largest([1, 2, 4, 8, 16, 32], fits) == 8

    def wrong(_number: int) -> dict:
        raise RuntimeError("a bug")

    fits.make = wrong
    with pytest.raises(RuntimeError, match="a bug"):
        fits(2)
