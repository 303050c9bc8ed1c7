"""What decides a NetAdapt search: the images that score proposals, the choice among them, and the baselines' time."""

from functools import partial
from types import SimpleNamespace

import pytest

from tasks.common.errors import UserError
from tasks.data.loading.holdout import hold_out
from tasks.data.loading.splits import Splits
from tasks.engine.settings import Run
from tasks.latency.meters import make_meter
from tasks.search.baselines import Baseline, baseline, epochs_in, equal_width, plan_at, print_records, records_of
from tasks.search.found import Trained, as_training
from tasks.search.narrow.netadapt import best_of
from tasks.search.narrow.scoring import scoring
from tests.tasks.data.loading.test_holdout import Names, names
from tests.tasks.search.test_cut import SIZE, networks


def choices(*costs):
    return [SimpleNamespace(cost=cost) for cost in costs]


def test_the_least_loss_per_saving_wins():
    assert best_of(choices(90, 80), [0.69, 0.685], 100, 0.7) == 1  # -0.001 and -0.00075 per unit
    assert best_of(choices(90, 80), [0.71, 0.71], 100, 0.7) == 0  # the paper's rule: a gain is worth more per unit
    assert best_of(choices(90, 80), [0.71, 0.73], 100, 0.7) == 1


def test_ties_go_to_the_larger_saving_and_then_to_the_first():
    assert best_of(choices(95, 80, 90, 80), [1.0, 1.0, 1.0, 1.0], 100, 1.0) == 1
    assert best_of(choices(90, 80), [0.5, 0.4], 100, 0.6) == 1  # -0.01 per unit both


def test_only_images_that_the_seed_was_not_trained_on_are_scored():
    kept, held, record = hold_out(Names("abcde"), 0.4)
    splits = Splits({}, kept, Names("uvwxyz"), held=held, holdout=record)
    settings = SimpleNamespace(score_on="holdout", images=500)
    proposals, comparison, words = scoring(settings, splits, record, "best.ckpt")
    assert names(proposals.train) == ["a", "b", "e"] and names(proposals.val) == ["d", "c"]
    assert comparison == splits and words == "2 training images that no network is trained on"

    whole = Splits({}, Names("abcde"), Names("uvwxyz"))
    with pytest.raises(
        UserError, match=r"^best.ckpt was trained on all .*data.holdout=0.15.*search.score_on=validation$"
    ):
        scoring(settings, whole, None, "best.ckpt")
    with pytest.raises(UserError, match=r"^data.holdout=0: best.ckpt was trained with 0.4"):
        scoring(settings, whole, record, "best.ckpt")
    with pytest.raises(UserError, match=r"^data.holdout=0.4: best.ckpt was trained with 0$"):
        scoring(settings, splits, None, "best.ckpt")  # of a share typed for the search alone


def test_validation_images_that_score_proposals_are_not_compared_on():
    whole = Splits({}, Names("abcde"), Names("uvwxyz"))
    proposals, comparison, words = scoring(SimpleNamespace(score_on="validation", images=2), whole, None, "best.ckpt")
    assert len(proposals.val) == 2 and len(comparison.val) == 3 and words.startswith("2 validation images")
    assert not set(names(proposals.val)) & set(names(comparison.val))
    assert proposals.train is comparison.train is whole.train


def test_a_time_is_filled_with_epochs():
    pace = Trained(score=0.0, seconds=20.0, epoch_seconds=10.0, scoring_seconds=4.0)  # 6 s before the first
    assert epochs_in(60, pace, check_every=1) == 3  # 54 s at 14 s
    assert epochs_in(60, pace, check_every=4) == 4  # at 11 s
    assert epochs_in(1, pace, check_every=1) == 1


def test_an_equal_width_is_equal_as_a_whole():
    """The sum over layers may lead to another width: here every whole network has a fixed cost, too."""
    seed = networks("classify", "backbone=mobilenet_v3_small", "backbone.width=0.4")
    params = make_meter(None, "params", SIZE)
    plan = plan_at(seed, 0.25)

    def costs(plans, fixed):
        return {name: params.of(seed.outline(plan)) + (fixed if name else 0) for name, plan in plans.items()}

    assert equal_width(seed, params, plan, partial(costs, fixed=0)) == 0.25
    between = params.of(seed.outline(plan)) - params.of(seed.outline(plan_at(seed, 0.15)))
    assert equal_width(seed, params, plan, partial(costs, fixed=between)) == 0.15


def test_several_seeds_have_mean_and_deviation_and_the_seed_counts(capsys):
    found = SimpleNamespace(sizes=lambda _plan: (2_000_000, 60_000_000))
    trained = [Trained(score, seconds, 0.0, 0.0) for score, seconds in ((0.5, 60), (0.6, 120), (0.7, 180))]
    several = baseline("seed, longer", "longer", None, trained, before=600.0)
    assert several.seconds == 720.0
    single = Baseline("seed", "seed", None, [0.4], 600.0)
    records = records_of([single, several], found, {"seed": 1.0, "seed, longer": 1.0})
    assert records[0].sd is None and records[1].score == pytest.approx(0.6) and records[1].sd == pytest.approx(0.1)
    print_records(records, "ms", "top1")
    seed, longer = (line.split() for line in capsys.readouterr().out.splitlines()[1:])
    assert (seed[1], seed[-1]) == ("0.4000", "10.0") and longer[2:5] == ["0.6000", "±", "0.1000"]
    assert longer[-1] == "12.0"


def test_the_last_training_has_the_teacher_of_the_search(tmp_path):
    (tmp_path / "best.ckpt").touch()
    run = networks("classify", f"distill.teacher={tmp_path / 'best.ckpt'}", "backbone=mobilenet_v3_small").run
    last = Run.of("classify", as_training(run.stored, tmp_path / "best.ckpt"))
    assert last.mode == "train" and last.distillation.teacher == str(tmp_path / "best.ckpt")
