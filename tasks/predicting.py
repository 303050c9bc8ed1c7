"""Prediction on any images: label maps, overlays and an index of what was done."""

import csv
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig
from PIL import Image
from rich.progress import track

from tasks.build import build, told_to_the_user
from tasks.checkpoint import open_checkpoint
from tasks.data.images import Pixels, read_rgb
from tasks.errors import UserError
from tasks.learner import Learner
from tasks.report import report
from tasks.start import classes_of, complete, sources_of, with_checkpoint
from tasks.task import Layer, Task


def predict(task: str, config: DictConfig, overrides: Sequence[str], images: Sequence[Path], folder: Path) -> None:
    """Predict every image with the checkpoint's network and write what each task makes of it.

    Files that are no images, or are damaged, are named, skipped and counted in the end.

    Raises:
        UserError: for a checkpoint that does not fit, or if not one image could be read.
    """
    config, _ = with_checkpoint(task, config, overrides)
    if config.checkpoint is not None:
        card = open_checkpoint(config.checkpoint, task)["mobilevision"]
        classes, sources = classes_of(card), sources_of(card)
    else:
        classes, sources = instantiate(config.dataset).classes, {}
    learner = build(config, classes, sources)
    complete(task, config, learner)
    learner.eval().to(best_device(config.trainer.accelerator))
    fit = instantiate(config.data.fit)
    names = unique_names(images)
    rows, skipped = [], 0
    for path, name, image in track(
        decoded(images, names, upright=config.upright), "predicting", len(images), transient=True
    ):
        if isinstance(image, UserError):
            report(f"skipped: {image}")
            rows.append({"image": str(path), "status": "skipped", "reason": str(image)})
            skipped += 1
            continue
        row = {"image": str(path), "status": "ok", "height": image.shape[0], "width": image.shape[1]}
        with told_to_the_user():  # a network may refuse the image's size
            results, line = predict_one(learner, image, fit, folder, name)
        if line:
            report(f"{path}: {line}")
        rows.append(row | results)
    write_index(folder / "index.csv", rows)
    report(f"{len(images) - skipped} images predicted, {skipped} skipped: {folder / 'index.csv'}")
    if skipped == len(images):
        raise UserError(f"none of the {skipped} files could be read as an image")


@torch.inference_mode()
def predict_one(learner: Learner, image: Pixels, fit: Any, folder: Path, name: Path) -> tuple[dict[str, Any], str]:
    """Write what all tasks make of an image (H, W, 3).

    Args:
        fit: makes the image what the network sees; None for nothing.

    Returns:
        What the index says of the image, and a line for the terminal.
    """
    seen = image if fit is None else fit(image)
    batch = torch.from_numpy(seen.copy()).permute(2, 0, 1)[None].to(learner.device)
    places = place_of(image, fit, learner.device)
    predictions, tasks = learner.predictions(batch, places), dict(learner.each_task())
    row: dict[str, Any] = {}
    for key, task in tasks.items():
        row |= task.write(predictions[key], folder, name)
    row |= write_overlay(tasks, seen if places is None else image, predictions, folder / "overlays", name)
    return row, summary(tasks, predictions)


def write_overlay(
    tasks: Mapping[str, Task], image: Pixels, predictions: Mapping[str, Any], folder: Path, name: Path
) -> dict[str, str]:
    """One picture of what all tasks make of an image (H, W, 3), unless a caption is all; returns its path."""
    layers = sorted(tasks, key=lambda key: tasks[key].layer)
    if tasks[layers[0]].layer == Layer.CAPTION:
        return {}
    for key in layers:
        image = tasks[key].overlay(image, predictions[key], key != layers[0])
    path = folder / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return {"overlays": str(path)}


def summary(tasks: Mapping[str, Task], predictions: Mapping[str, Any]) -> str:
    """A line of what the tasks make of an image, the tasks' names in front where there are several."""
    lines = {key: task.summary(predictions[key]) for key, task in tasks.items()}
    return "; ".join(f"{key}: {line}" if len(tasks) > 1 else line for key, line in lines.items() if line)


def place_of(image: Pixels, fit: Any, device: torch.device) -> tuple[torch.Tensor, torch.Tensor] | None:
    """heads.boxes.Places of a batch of one, where it is known how the image lies in what the network sees."""
    if not hasattr(fit, "place"):
        return None
    height, width = image.shape[:2]
    return (
        torch.tensor([fit.place(height, width)], dtype=torch.float32, device=device),
        torch.tensor([[height, width]], dtype=torch.float32, device=device),
    )


def best_device(accelerator: str) -> torch.device:
    """The accelerator, if there is one and it is wanted (`trainer.accelerator`)."""
    if accelerator == "cpu":
        return torch.device("cpu")
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def decoded(
    images: Sequence[Path], names: Sequence[Path], *, upright: bool
) -> Iterator[tuple[Path, Path, Pixels | UserError]]:
    """Images decoded a few ahead of the network; an error stands in for what could not be read.

    Args:
        upright: turned as their EXIF orientation says.
    """

    def read(path: Path) -> Pixels | UserError:
        try:
            return read_rgb(path, upright=upright)
        except UserError as error:
            return error

    with ThreadPoolExecutor(2) as pool:
        ahead = 4
        waiting = [pool.submit(read, path) for path in images[:ahead]]
        for number, (path, name) in enumerate(zip(images, names, strict=True)):
            if number + ahead < len(images):
                waiting.append(pool.submit(read, images[number + ahead]))
            yield path, name, waiting.pop(0).result()


def unique_names(images: Sequence[Path]) -> list[Path]:
    """Where each image's results go: its path below the folder that all images share, without suffix if unambiguous."""
    shared = Path(os.path.commonpath([path.absolute().parent for path in images]))
    below = [path.absolute().relative_to(shared) for path in images]
    count = Counter(path.with_suffix("") for path in below)
    short = [path.with_suffix("") if count[path.with_suffix("")] == 1 else path for path in below]
    return short if len(set(short)) == len(short) else below


def write_index(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """One line per file: what it was, what became of it, where the results lie."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
