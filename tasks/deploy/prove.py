"""The gate put together: a file against the checkpoint on validation images, in batches, and over the data set."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from tasks.data.datamodule import DataModule
from tasks.data.resize import antialiased
from tasks.deploy.decode import prepare
from tasks.deploy.gate import LIMITS, Difference, Limits, Pixels, compare, of_checkpoint, of_file, relative, worst
from tasks.deploy.runtimes import Runner
from tasks.deploy.samples import pixels
from tasks.deploy.shipped import Shipped
from tasks.errors import UserError
from tasks.learner import Learner
from tasks.report import report
from tasks.training import scored

SAME_SCORE = 5e-4  # equal to three decimals
NOTHING_SCORED = "the validation images have no labels by which file and checkpoint could be scored"


def prove(
    learner: Learner, config: DictConfig, data: DataModule, manifest: dict[str, Any], runner: Runner, folder: Path
) -> None:
    """Compare the file with the checkpoint, print the table and write it as gate.json.

    Raises:
        UserError: if the file differs by more than is allowed.
    """
    limits = LIMITS[manifest["precision"]]
    if config.export.tolerance is not None:
        limits = limits._replace(tensors=float(config.export.tolerance))
    names = {name: entry["outputs"] for name, entry in manifest["tasks"].items()}
    images = pixels(data.val, config.export.images)
    if manifest["input"]["height"] is None:  # half of them at other sizes
        images[1::2] = [antialiased(image, *(side * 3 // 4 for side in image.shape[:2])) for image in images[1::2]]
    expected = of_checkpoint(learner, data.fit, manifest["outputs"], names)
    table = compare(expected, of_file(runner, manifest), images, limits, manifest["outputs"])
    if manifest["input"]["batch"] != 1:
        table.append(of_batch(runner, manifest, images[::2], limits))
    if config.export.metric or manifest["precision"] == "int8":
        table += of_metric(learner, config, data, manifest, runner, folder)
    show(table, f"{manifest['file']} against the checkpoint on {len(images)} images")
    (folder / "gate.json").write_text(
        json.dumps([row._asdict() | {"holds": row.holds} for row in table], indent=2) + "\n"
    )
    failed = [row for row in table if not row.holds]
    if failed:
        first = failed[0]
        advice = ""
        if manifest["precision"] == "int8" and first.what.startswith("loss of"):
            advice = "; export.mixed=true keeps the most sensitive layers in float"
            if config.export.mixed:
                advice = "; all layers that may stay in float do: raise export.budget, or take fp32"
        raise UserError(
            f"{manifest['file']} does not do what the checkpoint does: {first.what} is {first.worst:.4g}, allowed "
            f"{'from' if first.at_least else 'up to'} {first.limit:g} ({folder / 'gate.json'})" + advice
        )


def of_batch(runner: Runner, manifest: dict[str, Any], images: Sequence[Pixels], limits: Limits) -> Difference:
    """Whether several images at once give what each gives alone."""
    seen = [prepare(image, manifest)[0] for image in images]
    seen = [image for image in seen if image.shape == seen[0].shape][: manifest["input"]["batch"] or 3]
    together = runner.run(np.concatenate(seen))
    alone = [runner.run(image) for image in seen]
    apart = {name: np.concatenate([one[name] for one in alone]) for name in together}
    return Difference(
        f"{len(seen)} images at once",
        worst([relative(apart[name].astype(np.float32), together[name].astype(np.float32)) for name in together]),
        limits.tensors,
        at_least=False,
    )


def of_metric(
    learner: Learner, config: DictConfig, data: DataModule, manifest: dict[str, Any], runner: Runner, folder: Path
) -> list[Difference]:
    """How much the file loses of each task's score over the data set; its scores are written as metrics.json."""
    before = scored(config, learner, data)
    after = scored(config, Shipped(learner, runner, manifest), data)
    (folder / "metrics.json").write_text(json.dumps(after, indent=2) + "\n")
    exact = manifest["precision"] == "fp32"
    rows = []
    for key in learner.score_keys:
        if before.get(key) is None or after.get(key) is None:
            continue
        report(
            f"{key}: checkpoint {before[key]:.4f}, file {after[key]:.4f}, difference {after[key] - before[key]:+.4f}"
        )
        lost = abs(after[key] - before[key]) if exact else before[key] - after[key]
        rows.append(Difference(f"loss of {key}", lost, SAME_SCORE if exact else config.export.budget, at_least=False))
    if not rows:
        raise UserError(NOTHING_SCORED)
    return rows


def show(table: Sequence[Difference], title: str) -> None:
    """The table on the terminal."""
    shown = Table(box=None, title=title, title_justify="left")
    for column, side in (("compared", "left"), ("worst", "right"), ("allowed", "right"), ("", "left")):
        shown.add_column(column, justify=side)  # type: ignore[arg-type]
    for row in table:
        allowed = "–" if row.limit is None else f"{'≥' if row.at_least else '≤'} {row.limit:g}"
        shown.add_row(row.what, f"{row.worst:.4g}", allowed, "ok" if row.holds else "DIFFERS")
    Console().print(shown)
