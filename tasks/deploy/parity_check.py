"""The whole parity check: a file against the checkpoint on validation images, in batches, and over the data set."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.common.parity import Counts, parity_of
from tasks.common.table import print_table
from tasks.data.loading.datamodule import DataModule
from tasks.data.transforms.resize import antialiased
from tasks.deploy.decode import decode, prepare, selected
from tasks.deploy.exported_learner import ExportedLearner
from tasks.deploy.parity import (
    LIMITS,
    Difference,
    Limits,
    Outcome,
    compare,
    exact_outputs,
    of_checkpoint,
    of_file,
    relative,
    share,
    worst,
)
from tasks.deploy.runners.runner import Runner
from tasks.deploy.samples import pixels
from tasks.deploy.settings import ExportSettings
from tasks.engine.learner import Learner
from tasks.engine.settings import TrainerSettings
from tasks.engine.train import scored

SAME_SCORE = 5e-4  # equal to three decimals
SUPPRESSED = 4  # images on which the suppression of both sides is compared
NOTHING_SCORED = "the validation images have no labels by which file and checkpoint could be scored"


def check_parity(
    learner: Learner,
    settings: ExportSettings,
    trainer: TrainerSettings,
    data: DataModule,
    manifest: dict[str, Any],
    runner: Runner,
    folder: Path,
    more: Sequence[Difference] = (),
) -> None:
    """Compare the file with the checkpoint, print the table and write it as gate.json.

    Args:
        more: rows that were found before, added to the table.

    Raises:
        UserError: if the file differs by more than allowed, unless `export.gate` only warns.
    """
    limits = LIMITS[manifest["precision"]]
    if settings.tolerance is not None:
        limits = limits._replace(tensors=float(settings.tolerance))
    names = {name: entry["outputs"] for name, entry in manifest["tasks"].items()}
    images = pixels(data.val, settings.images)
    if manifest["input"]["height"] is None:  # use other sizes for half of them
        images[1::2] = [antialiased(image, *(side * 3 // 4 for side in image.shape[:2])) for image in images[1::2]]
    expected = of_checkpoint(learner, data.fit, manifest["outputs"], names)
    table = compare(expected, of_file(runner, manifest), images, manifest["precision"], limits)
    if manifest["input"]["batch"] != 1:
        table += of_batch(expected, runner, manifest, images[::2], limits)
    if settings.metric or manifest["precision"] == "int8":
        exported = ExportedLearner(learner, runner, manifest)
        before, after = scored(trainer, learner, data), scored(trainer, exported, data)
        (folder / "metrics.json").write_text(json.dumps(after, indent=2) + "\n")
        rows, decides = of_metric(learner.score_keys, before, after, settings, manifest["precision"])
        if manifest["precision"] == "int8" and decides:  # int8 is judged by the metric: results need not be identical
            table = [row._replace(limit=None) if row.at_least else row for row in table]
        table += rows
    if manifest["outputs"] != "final":
        selects = {name: entry["select"] for name, entry in manifest["tasks"].items() if "select" in entry}
        table += [of_suppression(name, expected, rule, images[:SUPPRESSED]) for name, rule in selects.items()]
    table += more
    print_differences(table, f"{manifest['file']} against the checkpoint on {len(images)} images")
    (folder / "gate.json").write_text(
        json.dumps([row._asdict() | {"holds": row.holds} for row in table], indent=2) + "\n"
    )
    failed = [row for row in table if not row.holds]
    if not failed:
        return
    problem = (
        f"{manifest['file']} does not do what the checkpoint does: {format_difference(failed[0])} "
        f"({folder / 'gate.json'}); "
        f"{remedy(failed[0], settings, manifest['precision'])}"
    )
    if settings.gate == "fail":
        raise UserError(problem)
    report(f"warning   {problem}")


def format_difference(row: Difference) -> str:
    """A row of the table in words."""
    if row.limit is None:
        return f"{row.what} is {row.worst:.4g}"
    return f"{row.what} is {row.worst:.4g}, allowed {'from' if row.at_least else 'up to'} {row.limit:g}"


def remedy(row: Difference, settings: ExportSettings, precision: str) -> str:
    """What to do about a file that fails the parity check."""
    keep = "export.gate=warn keeps the file"
    if settings.gate == "warn":
        keep = "it was kept, as export.gate=warn says"
    if precision != "int8":
        return keep
    mixed = "export.mixed=true measures each layer and keeps the most sensitive ones in float"
    if settings.mixed:
        mixed = "all layers that may stay in float do, see the table of layers: raise export.budget, or take fp32"
    more = f"more calibration images (export.calibration={settings.calibration})"
    budget = "" if settings.mixed or not row.what.startswith("loss of") else ", or a larger export.budget"
    return f"{mixed}; {more}{budget} may help; {keep}"


def of_suppression(
    task: str, expected: Callable[[Pixels], Outcome], select: Mapping[str, Any], images: Sequence[Pixels]
) -> Difference:
    """Whether decode.py, using model.json, keeps exactly the same boxes as the checkpoint.

    Both sides get the same boxes and scores, so no difference is allowed.

    Args:
        select: the task's rule in model.json.
    """
    same, count = 0, 0
    for image in images:
        made_of = expected(image).made_of[task]
        ours, theirs = made_of.kept, selected(made_of.seen, made_of.scores, select)
        count += max(len(ours[2]), len(theirs[2]))
        if len(ours[2]) == len(theirs[2]):
            equal = [
                one.reshape(len(one), -1) == two.reshape(len(two), -1) for one, two in zip(ours, theirs, strict=True)
            ]
            same += int(np.concatenate(equal, 1).all(1).sum())
    return Difference(f"{task}: suppression of equal boxes", same / count if count else 1.0, 1.0, at_least=True)


def of_batch(
    expected: Callable[[Pixels], Outcome],
    runner: Runner,
    manifest: dict[str, Any],
    images: Sequence[Pixels],
    limits: Limits,
) -> list[Difference]:
    """Whether a batch of images gives the same outputs as each image alone."""
    exact, inputs = exact_outputs(manifest), [prepare(image, manifest) for image in images]
    same = [number for number, (seen, _) in enumerate(inputs) if seen.shape == inputs[0][0].shape]
    same = same[: manifest["input"]["batch"] or 3]
    together = runner.run(np.concatenate([inputs[number][0] for number in same]))
    numbers: list[float] = []
    agreement: dict[str, list[Counts]] = {}
    for row, number in enumerate(same):
        (seen, place), size = inputs[number], images[number].shape[:2]
        alone = runner.run(seen)
        numbers += [
            relative(alone[name].astype(np.float32), together[name][row : row + 1].astype(np.float32))
            for name in together
            if name in exact
        ]
        if exact.issuperset(together):
            continue
        made_of, others = expected(images[number]).made_of, decode(together, manifest, size, place, row)
        for task, result in decode(alone, manifest, size, place).items():
            counts = parity_of(task).counts(result, others[task], made_of.get(task), limits.ties)
            agreement.setdefault(task, []).append(counts)
    title = f"{len(same)} images at once"
    rows = [share(task, counts, manifest["precision"]) for task, counts in agreement.items()]
    return [
        *([Difference(title, worst(numbers), limits.tensors, at_least=False)] if numbers else []),
        *(row._replace(what=f"{title}, {row.what}") for row in rows),
    ]


def of_metric(
    keys: Sequence[str],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    settings: ExportSettings,
    precision: str,
) -> tuple[list[Difference], bool]:
    """How much of each task's score the file loses over the data set.

    Args:
        keys: of the tasks' main scores.
        before, after: scores of the checkpoint and of the file.

    Returns:
        A row for each task with a score, and whether the metric can decide: every task has a score above 0.

    Raises:
        UserError: for images without labels if `export.metric=true` requests scores.
    """
    exact = precision == "fp32"
    rows = []
    for key in keys:
        if before.get(key) is None or after.get(key) is None:
            continue
        report(
            f"{key}: checkpoint {before[key]:.4f}, file {after[key]:.4f}, difference {after[key] - before[key]:+.4f}"
        )
        lost = abs(after[key] - before[key]) if exact else before[key] - after[key]
        rows.append(Difference(f"loss of {key}", lost, SAME_SCORE if exact else settings.budget, at_least=False))
    if not rows and settings.metric:
        raise UserError(NOTHING_SCORED)
    decides = len(rows) == len(keys) and all(before[key] > 0 for key in keys)
    if not decides and precision == "int8":
        report(
            "metric    cannot fall, for the checkpoint scores 0 or has no labels: the results themselves are compared"
        )
    return rows, decides


def print_differences(table: Sequence[Difference], title: str) -> None:
    """Print the table."""
    print_table(
        ("compared", "worst", "allowed", ""),
        (
            (
                row.what,
                f"{row.worst:.4g}",
                "–" if row.limit is None else f"{'≥' if row.at_least else '≤'} {row.limit:g}",
                "ok" if row.holds else "DIFFERS",
            )
            for row in table
        ),
        align="lrrl",
        title=title,
    )
