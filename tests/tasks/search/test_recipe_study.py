"""The study of search=recipe: it goes on after a kill, learns from divergence, and is refused to another search."""

from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("optuna")

from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState

from tasks.common.errors import UserError
from tasks.search.recipe.outcome import command_of, draw, line_of, report_best, write_found, write_history
from tasks.search.recipe.space import Dimension
from tasks.search.recipe.study import FILE, RUNGS, Outcome, RecipeStudy

START = {"lr": 0.01, "size": "32×32"}
SPACE = SimpleNamespace(
    start=START,
    dimensions={
        "lr": Dimension(FloatDistribution(0.001, 0.1, log=True), 0.01),
        "size": Dimension(CategoricalDistribution(["32×32", "64×64"]), "32×32"),
    },
    changes=lambda point: {"optimizer.lr": point["lr"], "image_size": [64, 64]} if point != START else {},
)


def opened(folder, identity=None, *, prune=True):
    place = folder / FILE if isinstance(folder, Path) else folder
    return RecipeStudy(place, SPACE, identity or {"seed": 0}, prune=prune, seed=3, typed="search.study=here")


def ask(study):
    trial = study.next(None)
    assert trial is not None
    return trial


def finish(study, trial, score, state="complete"):
    for rung in range(1, RUNGS + 1):
        trial.report(score, rung)
    study.end(trial, state, score=score, seconds=2.0)


def test_the_recipe_as_it_is_comes_first_and_what_was_interrupted_comes_again(tmp_path):
    study = opened(tmp_path)
    first = ask(study)
    assert first.params == START and first.user_attrs["name"] == "recipe"
    finish(study, first, 0.5)
    lost = ask(study)
    again = opened(tmp_path)  # as after a kill
    assert again.known == 1 and [outcome.score for outcome in again.outcomes()] == [0.5]
    trial = ask(again)
    assert trial.number == 2 and trial.params == lost.params
    finish(again, trial, 0.4)
    assert [outcome.number for outcome in again.outcomes()] == [0, 2]
    assert again.agreed("rung", 7.5) == 7.5 and opened(tmp_path).agreed("rung", 9.0) == 7.5


def test_another_search_is_refused(tmp_path):
    opened(tmp_path, {"seed": 0, "optimizer.lr": 0.01})
    with pytest.raises(UserError, match=r"here is of another search: optimizer.lr is 0.01 there, 0.02 here; leave"):
        opened(tmp_path, {"seed": 0, "optimizer.lr": 0.02})
    (tmp_path / "no").mkdir()
    (tmp_path / "no" / "trials.log").write_text("no journal\n")
    with pytest.raises(UserError, match=r"trials.log is no journal of a study"):
        opened(tmp_path / "no")


def test_a_line_that_a_kill_cut_off_is_dropped(tmp_path):
    study = opened(tmp_path)
    finish(study, ask(study), 0.5)
    with (tmp_path / "trials.log").open("a") as file:
        file.write('{"op_code": 4, "worker')
    study = opened(tmp_path)
    finish(study, ask(study), 0.6)
    assert [outcome.score for outcome in opened(tmp_path).outcomes()] == [0.5, 0.6]


def test_a_trial_below_the_median_ends_early_but_not_at_its_first_score(tmp_path):
    study = opened(tmp_path)
    for _ in range(4):
        finish(study, ask(study), 0.5)
    trial = ask(study)
    trial.report(0.1, 1)
    assert not trial.should_prune()
    trial.report(0.1, 2)
    assert trial.should_prune()
    study.end(trial, "pruned", score=0.1, seconds=1.0)
    assert study.outcomes()[-1].state == "pruned"
    assert not opened(tmp_path, prune=False).study.pruner.prune(study.study, study.study.get_trials()[-1])


def test_divergence_counts_as_a_bad_score_and_a_crash_as_nothing(tmp_path):
    study = opened(tmp_path)
    trial = ask(study)
    study.end(trial, "diverged", score=None, seconds=1.0, reason="the loss is nan")
    kept = study.study.get_trials()[0]
    assert (kept.state, kept.intermediate_values) == (TrialState.PRUNED, {RUNGS: 0.0})
    study.end(ask(study), "failed", score=None, seconds=1.0, reason="its process ended with -9")
    assert study.study.get_trials()[1].state == TrialState.FAIL
    assert [(outcome.state, outcome.reason) for outcome in study.outcomes()] == [
        ("failed", "the loss is nan"),
        ("failed", "its process ended with -9"),
    ]


def test_what_matters_needs_some_whole_trials(tmp_path):
    study = opened(tmp_path)
    for number in range(10):
        assert number != 7 or study.importances() == {}
        trial = ask(study)
        study.end(trial, "complete", score=1 - abs(trial.params["lr"] - 0.03), seconds=1.0)  # the size is no matter
    found = study.importances()
    assert set(found) == {"lr", "size"} and found["lr"] > found["size"]


def outcome(number, lr, score, state="complete", reason=""):
    return Outcome(number, {"lr": lr, "size": "64×64"}, score, state, 12.4, reason)


def test_what_the_best_is_compared_with(capsys):
    best, own = outcome(3, 0.02, 0.75), Outcome(0, START, 0.5, "complete", 3.0, "")
    failed = own._replace(score=None, state="failed", reason="the loss is nan")
    report_best(best, [own, best], SPACE)
    report_best(best, [failed, best], SPACE)
    report_best(best, [best], SPACE)
    report_best(own, [own], SPACE)
    assert [line.strip() for line in capsys.readouterr().out.splitlines()] == [
        "best      trial 3: +0.2500 over the recipe as it is, from one training each; -m seed=0,1,2 of both tells "
        "chance apart",
        "best      trial 3; the recipe as it is failed (the loss is nan): what it would score is not known",
        "best      trial 3; the recipe as it is was not trained to its end: what it would score is not known",
        "best      the recipe as it is: nothing that was tried scores higher",
    ]


def test_results(tmp_path):
    best = outcome(3, 0.02, 0.75)
    assert line_of(best, SPACE) == "trial 3   score 0.7500  lr 0.02  size 64×64  12 s"
    assert line_of(Outcome(0, START, 0.5, "pruned", 3.0, ""), SPACE).endswith("size 32×32  3 s  ended early")
    broken = outcome(4, 0.1, None, "failed", "the loss is nan")
    assert line_of(broken, SPACE) == "failed    trial 4: the loss is nan  (lr 0.1  size 64×64)"
    typed = ["search=recipe", "search.minutes=3", "task=segment", "dataset.root=my photos", "optimizer.lr=1", "ema=0.9",
             "experiment=mine", "data.holdout=0.1", "image_size=[1,2]", "+trainer.x=1"]  # fmt: skip
    run = SimpleNamespace(task="segment", stored={"weights": None, "checkpoint": None})
    command = command_of(run, SPACE, best, tmp_path, typed)
    assert command == (
        f"python -m tasks.segment --config-dir {tmp_path}/conf experiment=found 'dataset.root=my photos' ema=0.9 "
        "+trainer.x=1"
    )
    path = tmp_path / "conf" / "experiment" / "found.yaml"
    write_found(path, run, SPACE, best, "mIoU 0.75", command, typed)
    assert path.read_text() == (
        f"# @package _global_\n# {command}\n# mIoU 0.75\ndefaults: [/experiment/mine, _self_]\n"
        "optimizer: {lr: 0.02}\nimage_size: [64, 64]\n"
    )
    write_history(tmp_path / "history.csv", [best, broken], ["lr", "size"])
    assert (tmp_path / "history.csv").read_text().splitlines()[1:] == [
        "3,0.02,64×64,0.75,complete,12.4,",
        "4,0.1,64×64,,failed,12.4,the loss is nan",
    ]


@pytest.mark.parametrize(
    ("finetune", "typed", "words"),
    [
        ({}, ["finetune=gentle"], ["finetune=gentle", "finetune.lr=0.125"]),  # search.finetune=null
        ({}, [], ["finetune=none"]),  # as every trial was, without an option
        ({"finetune": "head"}, ["finetune=gentle"], ["finetune=head"]),
    ],
)
def test_a_start_from_weights_learns_as_the_trial_did(finetune, typed, words, tmp_path):
    name, lr = ("gentle", 0.125) if typed else (None, 1.0)
    run = SimpleNamespace(
        task="segment", stored={"weights": "a.pth", "checkpoint": None, "finetune": {"name": name, "lr": lr}}
    )
    best = Outcome(0, START | finetune, 0.75, "complete", 1.0, "")
    sets = {"finetune.lr": 1.0} if finetune else {}
    space = SimpleNamespace(changes=lambda _: dict(sets))
    command = command_of(run, space, best, tmp_path, [*typed, "weights=a.pth"])
    expected = [word for word in words if not word.startswith("finetune.lr")]
    assert command.split()[6:] == [*expected, "weights=a.pth"]
    command = command_of(run, space, best, tmp_path, [*typed, "weights=a.pth", "optimizer.lr=0.01"])
    lr = sets.get("finetune.lr", lr)
    assert command.split()[6:] == [*expected, f"finetune.lr={lr}", "weights=a.pth", "optimizer.lr=0.01"]


def test_a_size_that_was_found_is_not_fitted_again(tmp_path):
    run = SimpleNamespace(task="detect", stored={"fitted": {"keys": ["image_size", "head.maps"]}})
    best = outcome(3, 0.02, 0.75)
    command = command_of(run, SPACE, best, tmp_path, ["fitted.keys=[image_size,head.maps]", "ema=0.9"])
    assert command.split()[6:] == ["ema=0.9"]
    write_found(tmp_path / "found.yaml", run, SPACE, best, "", command, [])
    assert "fitted:\n  keys: [head.maps]\n" in (tmp_path / "found.yaml").read_text()


def test_the_picture_has_a_panel_per_dimension():
    matplotlib = pytest.importorskip("matplotlib.figure")
    figure = matplotlib.Figure()
    draw(figure, [outcome(3, 0.02, 0.75), outcome(4, 0.1, 0.2, "pruned")], SPACE, {"lr": 0.8, "size": 0.2}, "mIoU")
    assert [axes.get_xlabel() for axes in figure.axes] == ["importance (PED-ANOVA)", "lr", "size"]
    assert figure.axes[1].get_xscale() == "log"
