"""What is said and logged about rates: the heads', the backbone's, and what is frozen."""

import pytest

from tasks.engine.freezing import freeze
from tasks.engine.rates import current_rates, learns
from tests.tasks.engine.test_finetune import learner_of
from tests.tasks.engine.test_learner import learner_of as several

FIRST = "backbone.blocks.0.0.weight"


def line(learner, *new, steps=100):
    learner.steps = steps
    freeze(learner, new)
    return learns(learner, learner.make_optimizer().param_groups)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ("", ""),
        ("finetune.lr=0.5", ""),
        ("optimizer.backbone=0.25 finetune.thaw=0.1",
         "head 0.004; backbone blocks 0–12 0.001, from step 10; batch norm: trained"),
        ("optimizer.backbone=0.5 finetune.thaw=[0.1,0.5] finetune.frozen_until=c2 finetune.norms=adapt",
         "head 0.004; backbone blocks 2–12 0.002, from step 10 to 50; frozen: blocks 0–1, statistics as loaded; "
         "batch norm: statistics adapt"),
        ("optimizer.layer_decay=0.5", "head 0.004; backbone blocks 0–12 9.8e-07 to 0.004; batch norm: trained"),
        ("finetune.norms=keep", "head 0.004; backbone blocks 0–12 0.004; batch norm: statistics as loaded"),
    ],
)  # fmt: skip
def test_the_line_about_what_learns(keys, said):
    """0.004 / 2^12 is 9.8e-7."""
    assert line(learner_of("optimizer.lr=0.004", *keys.split())) == (f"learns    {said}" if said else "")


def test_new_layers_and_a_frozen_backbone():
    keys = ("optimizer.lr=0.004", "optimizer.backbone=0.5")
    said = "; backbone blocks 0–12 0.002; new layers of the backbone 0.004; "
    assert said in line(learner_of(*keys), FIRST)
    learner = learner_of("optimizer.lr=0.004", "backbone.frozen=true")
    fixed, every = (sum(p.numel() for p in part.parameters()) / 1e6 for part in (learner.backbone, learner))
    assert line(learner) == (
        f"learns    head 0.004; frozen: the backbone ({fixed:.2f}M of {every:.2f}M params), statistics as loaded"
    )
    assert "learns    heads 0.004; backbone" in line(several("optimizer.lr=0.004", "optimizer.backbone=0.5"))


def test_the_rates_that_are_logged():
    optimizer = learner_of("optimizer.lr=0.004").make_optimizer()
    assert current_rates(optimizer.param_groups) == {"train/lr": 0.004}
    optimizer = learner_of("optimizer.lr=0.004", "optimizer.backbone=0.5", "optimizer.layer_decay=0.5").make_optimizer()
    assert current_rates(optimizer.param_groups) == {"train/lr": 0.004, "train/lr/backbone": 0.002}
