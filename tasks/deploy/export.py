"""mode=export: a checkpoint as a file that runs without it, left in place only if it does the same."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from rich.console import Console
from rich.table import Table

from tasks.data.datamodule import DataModule
from tasks.data.resize import antialiased
from tasks.data.splits import Splits
from tasks.deploy import decode
from tasks.deploy.decode import prepare
from tasks.deploy.describe import describe
from tasks.deploy.gate import (
    LIMITS,
    Difference,
    Limits,
    Outcome,
    Pixels,
    compare,
    of_checkpoint,
    of_file,
    relative,
    worst,
)
from tasks.deploy.int8 import quantise
from tasks.deploy.manifest import write_manifest
from tasks.deploy.network import trace
from tasks.deploy.runtimes import Runner, open_runner
from tasks.deploy.samples import pixels
from tasks.deploy.shipped import Shipped
from tasks.deploy.writers import WRITERS
from tasks.errors import UserError
from tasks.learner import Learner
from tasks.parts import parts
from tasks.report import report
from tasks.start import complete
from tasks.training import ready, scored

GOLDEN = 3  # images for a self-test on a device
SAME_SCORE = 5e-4  # equal to three decimals
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
FITTED = "tasks.data.letterbox.Stretch"


def export(task: str, config: DictConfig, splits: Splits, folder: Path) -> None:
    """Write the file, prove it, and leave with it what is needed to use it: model.json, decode.py, golden/.

    Raises:
        UserError: for what cannot be exported, and for a file that does not do what the checkpoint does.
    """
    size, any_size = size_of(config, splits)
    learner, data = ready(task, config, splits)
    complete(task, config, learner)
    learner.eval()
    unproved = folder / "unproved"
    shutil.rmtree(unproved, ignore_errors=True)
    unproved.mkdir()
    try:
        manifest, runner = write(learner, config, data, size, any_size, unproved)
        prove(learner, config, data, manifest, runner, folder)
        leave_golden(manifest, runner, pixels(data.val, GOLDEN), unproved / "golden")
        shutil.rmtree(folder / "golden", ignore_errors=True)
        for path in unproved.iterdir():
            path.replace(folder / path.name)
    finally:
        shutil.rmtree(unproved, ignore_errors=True)
    report(f"exported  {folder / manifest['file']}")


def size_of(config: DictConfig, splits: Splits) -> tuple[tuple[int, int] | None, bool]:
    """(height, width) that `export.size` asks for, if it does, and whether the file takes any; may set `data.fit`.

    Raises:
        UserError: for a size that contradicts how the network sees images.
    """
    wanted = config.export.size
    if wanted == "dynamic":
        if "boxes" in config.targets:
            raise UserError("export.size=dynamic: boxes need one size, to which their anchors belong")
        for name, part in parts(config).items():
            key = f"{name}.head.pool_kernel".lstrip(".")
            if (kernel := part.head.get("pool_kernel")) is not None:
                raise UserError(
                    f"export.size=dynamic: {key}={kernel} is a window that a file cannot fit to its images; for images "
                    f"of up to {16 * kernel} pixels a side {key}=null computes the same"
                )
        return None, True
    if wanted is None and config.data.fit is None:
        sizes = {splits.val.size(index) for index in range(len(splits.val))}
        if len(sizes) > 1:
            some = " and ".join(f"{height}×{width}" for height, width in sorted(sizes)[:2])
            raise UserError(
                f"the images have several sizes ({some}): export.size=[height,width] stretches them to one, "
                "export.size=dynamic leaves it open"
            )
        wanted = next(iter(sizes))
    if wanted is None:
        return None, False
    if config.data.fit is None:
        config.data.fit = {"_target_": FITTED, "size": list(wanted)}
    elif list(OmegaConf.select(config, "data.fit.size") or ()) != list(wanted):
        raise UserError(f"export.size={wanted} is not what data.fit makes of images: change data.fit, or leave it out")
    return (int(wanted[0]), int(wanted[1])), False


def write(
    learner: Learner, config: DictConfig, data: DataModule, size: tuple[int, int] | None, any_size: bool, folder: Path
) -> tuple[dict[str, Any], Runner]:
    """The file, its description and its decoder in a folder; returns the description and the file, opened.

    Args:
        size: (height, width) of the images that the network sees; None for the data's.
        any_size: whether the file takes others as well.
    """
    settings = config.export
    size = size or data.input_size()
    traced = trace(
        learner,
        batch=None if settings.batch == "dynamic" else settings.batch,
        size=size,
        any_size=any_size,
        form=settings.outputs,
        dtype=DTYPES.get(settings.precision, torch.float32) if settings.format != "openvino" else torch.float32,
    )
    learner.card["config"]["data"]["fit"] = OmegaConf.to_container(config, resolve=True)["data"]["fit"]  # type: ignore[index,call-overload]
    manifest = describe(learner, config, traced, size, data.fit, config.checkpoint)
    path = folder / manifest["file"]
    files = WRITERS[settings.format].write(traced, path, manifest, settings.precision)
    if settings.precision == "int8":
        quantise(learner, config, data, manifest, path)
    write_manifest(folder, manifest, files)
    shutil.copyfile(decode.__file__, folder / "decode.py")
    if traced.unfolded:
        report(f"{traced.unfolded} normalisations stay: no layer of weights stands in front of them")
    return manifest, open_runner(path, manifest)


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
        mixed = manifest["precision"] == "int8" and not config.export.mixed and first.what.startswith("loss of")
        raise UserError(
            f"{manifest['file']} does not do what the checkpoint does: {first.what} is {first.worst:.4g}, allowed "
            f"{'from' if first.at_least else 'up to'} {first.limit:g} ({folder / 'gate.json'})"
            + ("; export.mixed=true keeps the most sensitive layers in float" if mixed else "")
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
    for name, task in learner.each_task():
        key = f"{name}/{task.score}" if len(learner.tasks) > 1 else task.score
        if before.get(key) is None or after.get(key) is None:
            continue
        report(
            f"{key}: checkpoint {before[key]:.4f}, file {after[key]:.4f}, difference {after[key] - before[key]:+.4f}"
        )
        lost = abs(after[key] - before[key]) if exact else before[key] - after[key]
        rows.append(Difference(f"loss of {key}", lost, SAME_SCORE if exact else config.export.budget, at_least=False))
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


def leave_golden(manifest: dict[str, Any], runner: Runner, images: Sequence[Pixels], folder: Path) -> None:
    """For each image: what the file was given and gave here, and the results, to be repeated on a device."""
    run = of_file(runner, manifest)
    for number, image in enumerate(images):
        place = folder / f"{number:03}"
        place.mkdir(parents=True)
        leave_one(run(image), image, place)


def leave_one(outcome: Outcome, image: Pixels, folder: Path) -> None:
    """The files of one golden image."""
    Image.fromarray(image).save(folder / "image.png")
    np.save(folder / "input.npy", outcome.seen)
    for name, tensor in outcome.tensors.items():
        np.save(folder / f"{name}.npy", tensor)
    expected: dict[str, Any] = {}
    for task, result in outcome.results.items():
        if "labels" in result and result["labels"].ndim == 2:
            Image.fromarray(result["labels"]).save(folder / "labels.png")
        else:
            expected[task] = {key: value.tolist() for key, value in result.items()}
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")
