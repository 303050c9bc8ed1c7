"""Results of a recipe search: the best as YAML with the command that trains it, a table, and what mattered."""

import csv
import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from optuna.distributions import CategoricalDistribution, FloatDistribution

from tasks.common.charts import FRONT, INK, PALE, prepare, write_chart
from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.table import print_table
from tasks.common.task_info import infos, module_of
from tasks.config.overrides import typed_keys
from tasks.config.tree import put, select
from tasks.engine.finetune import loads_weights
from tasks.engine.settings import Run
from tasks.search.recipe.space import AS_IT_IS, NONE, Space
from tasks.search.recipe.study import ENOUGH, Outcome, RecipeStudy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 5  # trials in the table on the terminal
NOT_TYPED = ("search", "minutes", "mode", "task", "experiment", "finetune", "data.holdout")


def line_of(outcome: Outcome, space: Space) -> str:
    """One line about a trial that has ended."""
    name = "recipe" if outcome.point == space.start else f"trial {outcome.number}"
    values = "  ".join(f"{key} {shown(value)}" for key, value in outcome.point.items())
    if outcome.state == "failed":
        return f"failed    {name}: {outcome.reason}  ({values})"
    early = "  ended early" if outcome.state == "pruned" else ""
    return f"{name:10}score {outcome.score:.4f}  {values}  {outcome.seconds:.0f} s{early}"


def shown(value: Any) -> str:
    """A value of a dimension, for people."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def write_results(study: RecipeStudy, space: Space, run: Run, folder: Path, typed: Sequence[str]) -> None:
    """Write and report the results.

        conf/experiment/found.yaml   the best recipe, as an experiment
        history.csv                  all trials
        search.png                   score against each dimension, and how much each matters

    Args:
        typed: the command's arguments, which the training needs too.

    Raises:
        UserError: if no trial was trained to its end.
    """
    outcomes = study.outcomes()
    write_history(folder / "history.csv", outcomes, list(space.dimensions))
    whole = [outcome for outcome in outcomes if outcome.state == "complete" and outcome.score is not None]
    failed = [outcome for outcome in outcomes if outcome.state == "failed"]
    early = sum(outcome.state == "pruned" for outcome in outcomes)
    report(f"trials    {len(whole)} to the end, {early} ended early, {len(failed)} failed")
    if not whole:
        raise UserError(f"no trial was trained to its end; with more minutes, {study.typed} goes on")
    ranked = sorted(whole, key=lambda outcome: outcome.score or 0.0, reverse=True)
    score = infos()[run.task].score
    print_table(
        ["", score, *space.dimensions, "s"],
        (
            [
                "recipe" if outcome.point == space.start else f"trial {outcome.number}",
                f"{outcome.score:.4f}",
                *(shown(outcome.point[name]) for name in space.dimensions),
                f"{outcome.seconds:.0f}",
            ]
            for outcome in ranked[:SHOWN]
        ),
        title="best trials, scored on held-out training images",
    )
    best = ranked[0]
    path = folder / "conf" / "experiment" / "found.yaml"
    command = command_of(run, space, best, folder, typed)
    write_found(
        path,
        run,
        space,
        best,
        f"{score} {best.score:.4f} on held-out training images after a short training",
        command,
        typed,
    )
    report_best(best, outcomes, space)
    weights = study.importances()
    if weights:
        report("matters   " + ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items()))
    else:
        report(f"matters   unknown: {ENOUGH} trials to the end tell, these are {len(whole)}")
    width = 3.2 * (len(space.dimensions) + bool(weights))
    print(write_chart(folder / "search.png", lambda figure: draw(figure, outcomes, space, weights, score), width, 3.4))
    report(f"history   {folder / 'history.csv'}")
    report(f"found     {path}; train it by\n  {command}")


def report_best(best: Outcome, outcomes: Sequence[Outcome], space: Space) -> None:
    """Say how the best compares with the recipe as it is, of which there may be a failed trial alone."""
    tried = [outcome for outcome in outcomes if outcome.point == space.start]
    own = next((outcome for outcome in tried if outcome.state == "complete"), None)
    if best.point == space.start:
        report("best      the recipe as it is: nothing that was tried scores higher")
    elif own is not None and own.score is not None and best.score is not None:
        report(
            f"best      trial {best.number}: {best.score - own.score:+.4f} over the recipe as it is, from one training "
            "each; -m seed=0,1,2 of both tells chance apart"
        )
    else:
        why = f"failed ({tried[-1].reason})" if tried and tried[-1].reason else "was not trained to its end"
        report(f"best      trial {best.number}; the recipe as it is {why}: what it would score is not known")


def write_history(path: Path, outcomes: Sequence[Outcome], names: Sequence[str]) -> None:
    """Write all trials as CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["trial", *names, "score", "state", "seconds", "reason"])
        for each in outcomes:
            values = [each.point.get(name) for name in names]
            table.writerow([each.number, *values, each.score, each.state, each.seconds, each.reason])


def settings_of(run: Run, space: Space, best: Outcome) -> dict[str, Any]:
    """What the found recipe sets, by dotted keys; a size that was found is not fitted to the boxes once more."""
    sets = space.changes(dict(best.point))
    fits: Sequence[str] = select(run.stored, "fitted.keys") or ()
    if "image_size" in sets and "image_size" in fits:
        sets["fitted.keys"] = [key for key in fits if key != "image_size"]
    return sets


def command_of(run: Run, space: Space, best: Outcome, folder: Path, typed: Sequence[str]) -> str:
    """The command that trains the found recipe: what was typed for the search, without what the recipe sets."""
    sets = settings_of(run, space, best)
    words = [word for word in typed if not is_set(word.partition("=")[0].lstrip("+~"), sets)]
    config = ["--config-dir", str(folder / "conf")]
    words = [*start_of(run, best, sets, typed_keys(typed)), *words]
    return shlex.join(["python", "-m", module_of(run.task), *config, "experiment=found", *words])


def start_of(run: Run, best: Outcome, sets: Mapping[str, Any], typed: Collection[str]) -> list[str]:
    """Words that say how a start from weights learns: without them a training chooses by itself, as no trial does.

    Args:
        sets: what the found recipe sets.
        typed: keys of the search's command.
    """
    if not loads_weights(run.stored):
        return []
    option = best.point.get("finetune", AS_IT_IS)
    found = [f"finetune={(select(run.stored, 'finetune.name') or NONE) if option == AS_IT_IS else option}"]
    if "optimizer.lr" in typed and "finetune.lr" not in typed:  # which the found recipe may set in place of the words
        found.append(f"finetune.lr={sets.get('finetune.lr', select(run.stored, 'finetune.lr'))}")
    return found


def is_set(key: str, sets: Mapping[str, Any]) -> bool:
    """Whether a typed key is the search's own, or one that the found recipe sets."""
    own = key in NOT_TYPED or key.startswith(("search.", "hydra."))
    return own or any(name == key or name.startswith(f"{key}.") for name in sets)


def write_found(
    path: Path, run: Run, space: Space, best: Outcome, origin: str, command: str, typed: Sequence[str]
) -> None:
    """Write a recipe as an experiment, on top of the one that the search began with, if any."""
    tree: dict[str, Any] = {}
    for key, value in settings_of(run, space, best).items():
        tree = put(tree, key, value)
    below = [word.partition("=")[2] for word in typed if word.startswith("experiment=")]
    if below:
        tree = {"defaults": [f"/experiment/{below[-1]}", "_self_"], **tree}
    text = yaml.safe_dump(tree, sort_keys=False, default_flow_style=None, allow_unicode=True) if tree else ""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# @package _global_\n# {command}\n# {origin}\n{text}", encoding="utf-8")


def draw(figure: "Figure", outcomes: Sequence[Outcome], space: Space, weights: Mapping[str, float], score: str) -> None:
    """Draw how much each dimension matters, and the score against each; the best in red, early ends pale."""
    panels = figure.subplots(1, len(space.dimensions) + bool(weights), squeeze=False)[0]
    if weights:
        axes, panels = panels[0], panels[1:]
        prepare(axes, "importance (PED-ANOVA)", "")
        names = sorted(weights, key=weights.__getitem__)
        axes.barh(names, [weights[name] for name in names], color=INK)
    whole = [outcome for outcome in outcomes if outcome.state == "complete"]
    best = max(whole, key=lambda outcome: outcome.score or 0.0)
    for axes, (name, (values, start)) in zip(panels, space.dimensions.items(), strict=True):
        prepare(axes, name, f"held-out {score}")
        slice_of(axes, name, values, outcomes, best)
        if isinstance(values, FloatDistribution):
            axes.axvline(start, color=PALE, linewidth=1, linestyle=":")


def slice_of(axes: "Axes", name: str, values: Any, outcomes: Sequence[Outcome], best: Outcome) -> None:
    """Draw the score of all trials against one dimension."""
    places: Mapping[Any, float] | None = None
    if isinstance(values, CategoricalDistribution):
        places = {choice: float(index) for index, choice in enumerate(values.choices)}
        axes.set_xticks(list(places.values()), [str(choice) for choice in places], fontsize=7)
        axes.set_xlim(-0.5, len(places) - 0.5)
    elif values.log:
        axes.set_xscale("log")
    for outcome in outcomes:
        if outcome.score is None or outcome.state == "failed" or name not in outcome.point:
            continue
        value = outcome.point[name]
        x = value if places is None else places[value]
        colour = FRONT if outcome is best else INK if outcome.state == "complete" else PALE
        axes.plot([x], [outcome.score], "o" if outcome.state == "complete" else "x", color=colour, markersize=5)
