"""How a step's images are shared out, which learning rate goes with them, and what every recipe says about both."""

import re

import pytest
import yaml

from tasks.common.errors import UserError
from tasks.common.ranks import launched
from tasks.config.batch import AUTO, BatchSettings, divisors, known_processes
from tasks.config.tree import resolved
from tasks.data.loading.samplers import cards, shared_out
from tests.test_config import CONF, run_of, tree_of


def settings(**changes) -> BatchSettings:
    """Of a recipe for 1,024 images with at most 128 at once, and a rate of 0.1 that follows linearly."""
    said = {"global_batch": None, "batch_size": None, "largest_batch": 128, "passes": 1, "scaling": "linear"} | changes
    passes = said.pop("passes")
    optimizer = {"lr": 0.1, "batch": said.pop("batch", 1024), "scaling": said.pop("scaling")}
    return BatchSettings.of({"data": said, "optimizer": optimizer, "trainer": {"accumulate_grad_batches": passes}})


@pytest.mark.parametrize(
    ("changes", "processes", "size", "passes"),
    [
        ({}, 1, 128, 8),
        ({}, 2, 128, 4),
        ({}, 16, 64, 1),
        ({"largest_batch": 100}, 1, 64, 16),
        ({"largest_batch": None}, 4, 256, 1),
        ({"global_batch": 96}, 2, 48, 1),
        ({"global_batch": 96, "batch_size": 8}, 3, 8, 4),
        ({"passes": 4}, 2, 128, 4),
        ({"global_batch": 96, "passes": 4}, 1, 24, 4),
    ],
)
def test_a_step_has_its_images_whatever_the_machine(changes, processes, size, passes):
    batch = settings(**changes).plan(processes)
    assert (batch.size, batch.accumulated, batch.whole) == (size, passes, True)
    assert batch.images == changes.get("global_batch", 1024)


def test_typed_images_at_once_alone_make_the_step_as_ever():
    batch = settings(batch_size=32, passes=2).plan(3)
    assert (batch.size, batch.accumulated, batch.images, batch.whole) == (32, 2, 192, False)


def test_what_memory_holds_is_taken():
    found = settings(batch_size=AUTO, global_batch=96)
    assert found.choices(2) == [1, 2, 3, 4, 6, 8, 12, 16, 24, 48]
    assert found.plan(2, 16)[:3] == (16, 2, 3)
    assert settings(batch_size=AUTO).choices(1) == divisors(1024), "the recipe's largest_batch is no limit then"


@pytest.mark.parametrize(
    ("changes", "processes", "message"),
    [
        ({"global_batch": 64, "batch_size": 24}, 1,
         "data.batch_size=24 does not divide the 64 images of data.global_batch=64: take 16 or 32, or "
         "data.global_batch=48 or 72 (optimizer.lr follows, linear)"),
        ({"global_batch": 64, "batch_size": 65}, 1, "take 64, or data.global_batch=65"),
        ({"global_batch": 64, "batch_size": 64}, 2,
         "the 32 images of data.global_batch=64 for each of 2 processes: take 32, or data.global_batch=128"),
        ({}, 3,
         "optimizer.batch=1024 is not divisible by 3 processes: take data.global_batch=1023 or data.global_batch=1026 "
         "(optimizer.lr follows, linear), or another number of processes"),
        ({"global_batch": 2}, 3,
         "data.global_batch=2 has fewer images than there are processes, 3: take data.global_batch=3 "),
        ({"passes": 3}, 1,
         "trainer.accumulate_grad_batches=3 does not divide the 1,024 images of optimizer.batch=1024 for each of 1 "
         "process: take 2 or 4"),
        ({"global_batch": 64, "batch_size": 16, "passes": 2}, 1,
         "accumulate_grad_batches=2 × 16 images × 1 process do not make data.global_batch=64: leave it out"),
    ],
)  # fmt: skip
def test_what_cannot_be_shared_out_is_refused_with_the_choices(changes, processes, message):
    with pytest.raises(UserError, match=re.escape(message)):
        settings(**changes).plan(processes)


@pytest.mark.parametrize(("scaling", "rate"), [("linear", 0.025), ("sqrt", 0.05), ("none", 0.1)])
def test_the_rate_follows_another_batch_by_its_rule(scaling, rate):
    found = settings(scaling=scaling, global_batch=256)
    assert found.lr * found.factor == pytest.approx(rate)
    assert found.rate_text(256) == f"learning rate {rate:g} (0.1 is for 1,024 images; rule: {scaling})"
    assert settings(scaling=scaling).factor == settings(scaling=scaling, batch_size=256).factor == 1


def test_the_line_says_the_shares_and_what_the_rate_is_for():
    assert settings().plan(2).text() == "1,024 = 128 images × 2 processes × 4 accumulated steps"
    assert settings(batch_size=1).plan(1).text() == "1 = 1 image × 1 process"
    assert settings().rate_text(1024) == "learning rate 0.1"
    typed = settings(batch_size=32).rate_text(32)
    assert typed == "learning rate 0.1 (as for 1,024 images; data.global_batch=32 would make it 0.0031, rule: linear)"
    assert settings(batch_size=32, scaling="none").rate_text(32) == "learning rate 0.1 (as for 1,024 images)"


def test_the_learner_is_built_with_that_rate():
    rates = [
        run_of("recipe=none", *words, task="classify").learner.optimizer["lr"]
        for words in (
            ("optimizer=sgd", "optimizer.lr=0.1", "data.global_batch=32"),
            ("optimizer.lr=0.1", "data.global_batch=64"),
            ("optimizer=sgd", "optimizer.lr=0.1", "data.batch_size=32"),
        )
    ]
    assert rates == pytest.approx([0.2, 0.2, 0.1])
    spec = run_of("recipe=none", task="classify").learner.optimizer
    assert not {"batch", "scaling"} & spec.keys(), "no arguments of the optimiser's"


def test_processes_are_known_before_devices_are_asked_for(monkeypatch):
    def known(*words):
        return known_processes(resolved(tree_of("recipe=none", *words)))

    assert known("trainer.devices=2", "trainer.num_nodes=3") == 6
    assert known("trainer.devices=[0,3]") == 2 and known("trainer.devices='0,1,2'") == 3
    assert known() is None and known("trainer.devices=-1") is None and known("trainer.accelerator=cpu") == 1
    assert launched({"TORCHELASTIC_RUN_ID": "x", "WORLD_SIZE": "8", "SLURM_NTASKS": "2"}) == 8
    assert launched({"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "train"}) == 4
    assert launched({"SLURM_NTASKS": "4", "SLURM_JOB_NAME": "bash"}) is None and launched({"WORLD_SIZE": "4"}) is None
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "3")
    with pytest.raises(UserError, match=r"optimizer\.batch=16 is not divisible by 3 processes"):
        run_of("recipe=none")


def test_recipes_say_the_batch_of_a_step_and_no_process_alone():
    """A recipe, an experiment or a scale that set data.batch_size would train with another batch on each machine."""
    files = [path for group in ("recipe", "experiment", "scale") for path in (CONF / group).rglob("*.yaml")]
    said = {path: yaml.safe_load(path.read_text()) or {} for path in files}
    wrong = [path.name for path, keys in said.items() if "batch_size" in (keys.get("data") or {})]
    assert not wrong and len(said) > 50
    batches = {name: of(name)["optimizer"]["batch"] for name in ("classify_imagenet", "classify_imagenet_v3")}
    assert batches == {"classify_imagenet": 1024, "classify_imagenet_v3": 4096}
    assert {of(name)["optimizer"]["scaling"] for name in ("classify_imagenet_senet", "classify_imagenet")} == {
        "linear",
        "sqrt",
    }


def of(recipe: str) -> dict:
    return tree_of(f"recipe={recipe}", task=recipe.partition("_")[0])


@pytest.mark.parametrize("images", [6, 7, 12, 30])
@pytest.mark.parametrize("players", [1, 2, 3])
def test_the_samples_of_a_step_are_dealt_like_cards(images, players):
    hands = [cards(images, player, players) for player in range(players)]
    assert hands == [len(range(player, images, players)) for player in range(players)]


def test_each_batch_of_a_step_has_samples_of_each_data_set():
    assert shared_out(8, {"a": 3, "b": 1}, 4) == (6, 2)
    with pytest.raises(
        UserError, match=r"data\.batch_size=2 with data\.draw=\{a: 3, b: 1\} has 0\.50 samples of b in a"
    ):
        shared_out(8, {"a": 3, "b": 1}, 2)
