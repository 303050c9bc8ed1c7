"""The whole parity check: a file against the checkpoint on validation images, in batches, and over the data set."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.common.parity import Agreement, parity_of
from tasks.data.loading.datamodule import DataModule
from tasks.deploy.decode import decode, prepare, selected
from tasks.deploy.exported_learner import ExportedLearner
from tasks.deploy.images_to_compare import images_to_compare
from tasks.deploy.parity import (
    LIMITS,
    Difference,
    Limits,
    Outcome,
    compare,
    exact_outputs,
    of_checkpoint,
    of_file,
    of_results,
    relative,
    remembered,
    worst,
)
from tasks.deploy.reference import Reference
from tasks.deploy.runners.runner import Runner
from tasks.deploy.settings import ExportSettings
from tasks.deploy.verdict import judge
from tasks.engine.scoring import scored
from tasks.engine.settings import TrainerSettings

SAME_SCORE = 5e-4  # equal to three decimals
SUPPRESSED = 4  # images on which the suppression of both sides is compared
NOTHING_SCORED = "the validation images have no labels by which file and checkpoint could be scored"


def check_parity(
    reference: Reference,
    settings: ExportSettings,
    trainer: TrainerSettings,
    data: DataModule,
    manifest: dict[str, Any],
    runner: Runner,
    folder: Path,
    shipped: Path,
    more: Sequence[Difference] = (),
) -> None:
    """Compare the file with the checkpoint, print the table and write it as gate.json.

    Args:
        shipped: folder with the file and what is shipped with it.
        more: rows that were found before, added to the table.

    Raises:
        UserError: if the file differs by more than allowed, unless `export.gate` only warns.
    """
    learner, limits = reference.learner, LIMITS[manifest["precision"]]
    if settings.tolerance is not None:
        limits = limits._replace(tensors=float(settings.tolerance))
    names = {name: entry["outputs"] for name, entry in manifest["tasks"].items()}
    expected = remembered(of_checkpoint(learner, reference.fit, manifest["outputs"], names))
    described = reference.rows(manifest, runner, data.input_size(), shipped)
    images = images_to_compare(expected, learner, settings, data, manifest)
    try:
        results = compare(expected, of_file(runner, manifest), images, manifest["precision"], limits)
        if manifest["input"]["batch"] != 1:
            results += of_batch(expected, runner, manifest, images[::2], limits)
    except UserError:  # of a file that cannot be run as model.json says
        if all(row.holds for row in described):
            raise
        judge(described, manifest, settings, folder, len(images))
        return
    if settings.metric or manifest["precision"] == "int8":
        exported = ExportedLearner(learner, runner, manifest)
        before, after = scored(trainer, learner, data), scored(trainer, exported, data)
        (folder / "metrics.json").write_text(json.dumps(after, indent=2) + "\n", encoding="utf-8")
        rows, decides = of_metric(learner.score_keys, before, after, settings, manifest["precision"])
        if manifest["precision"] == "int8" and decides:  # int8 is judged by the metric: results need not be identical
            results = [row._replace(limit=None) if row.at_least else row for row in results]
        results += rows
    if manifest["outputs"] != "final":
        selects = {name: entry["select"] for name, entry in manifest["tasks"].items() if "select" in entry}
        results += [of_suppression(name, expected, rule, images[:SUPPRESSED]) for name, rule in selects.items()]
    judge([*described, *results, *more], manifest, settings, folder, len(images))


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
    agreements: dict[str, list[Agreement]] = {}
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
            rule = parity_of(task)
            each = rule.agreement(result, others[task], made_of.get(task), manifest["precision"])
            agreements.setdefault(task, []).append(each)
    title = f"{len(same)} images at once"
    rows = [row for task, each in agreements.items() for row in of_results(task, each, manifest["precision"])]
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
