"""Prediction with a checkpoint's network: photos, and the frames of videos."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tasks.checkpoint.checkpoint import open_checkpoint
from tasks.common.entries import short
from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.common.output import size_to_see
from tasks.data.transforms.letterbox import Stretch
from tasks.engine.build import build
from tasks.engine.instantiate import make
from tasks.engine.learner import Learner
from tasks.engine.settings import Run
from tasks.engine.weights import classes_of, load_for_inference, sources_of
from tasks.predict.all import predict_all
from tasks.predict.prediction import Prediction, write_photo
from tasks.predict.settings import Frames
from tasks.predict.sources import Source


def predict(run: Run, sources: Sequence[Source], folder: Path, *, upright: bool, which: Frames) -> None:
    """Predict every photo and video with the checkpoint's network, and write the output of each task.

    Files that are damaged or not images are reported and skipped; their number is printed at the end.

    Args:
        upright: whether photos are rotated according to their EXIF orientation.
        which: frames of videos.

    Raises:
        UserError: for a checkpoint that does not fit, or if no image could be read.
    """
    if run.source.checkpoint is not None:
        metadata = open_checkpoint(run.source.checkpoint, run.task)["mobilevision"]
        classes, sets = classes_of(metadata), sources_of(metadata)
    else:
        classes, sets = make(run.data.dataset, "dataset").classes, {}
    learner = build(run.learner, classes, sets)
    load_for_inference(run, learner)
    learner.eval().to(best_device(run.trainer.accelerator))
    fit = make(run.data.fit, "data.fit")

    outputs = {key: task.output for key, task in learner.each_task()}
    find_in = partial(find, learner, fit=fit)
    predict_all(sources, find_in, outputs, folder, upright=upright, white=run.data.white, which=which)


def predict_one(learner: Learner, image: Pixels, fit: Any, folder: Path, name: Path) -> tuple[dict[str, Any], str]:
    """Predict an image (H, W, 3) with all tasks and write their outputs.

    Args:
        fit: resizes the image to the network's input; None leaves it, unless it is very large (`LARGEST`).

    Returns:
        The image's row of the index, and a line for the terminal.
    """
    outputs = {key: task.output for key, task in learner.each_task()}
    return write_photo(outputs, find(learner, image, fit), folder, name)


@torch.inference_mode()
def find(learner: Learner, image: Pixels, fit: Any) -> Prediction:
    """Predict an image (H, W, 3) with all tasks.

    Args:
        fit: see predict_one.
    """
    row: dict[str, Any] = {}
    if fit is None and (size := size_to_see(*image.shape[:2])) is not None:
        fit, row["seen_height"], row["seen_width"] = Stretch(size), *size
    batch, places = preprocess(learner, image, fit)
    predictions = learner.predictions(batch, places)
    found = {key: task.found(predictions[key]) for key, task in learner.each_task()}
    return Prediction(found, batch[0].permute(1, 2, 0).cpu().numpy() if places is None else image, row)


def preprocess(
    learner: Learner, image: Pixels, fit: Any
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor] | None]:
    """Network input for an image (H, W, 3): (1, 3, h, w) on its device, and the image's place in it (place_of)."""
    seen = image if fit is None else fit(image)
    batch = torch.from_numpy(seen.copy()).permute(2, 0, 1)[None].to(learner.device)
    return batch, place_of(image, fit, learner.device)


def place_of(image: Pixels, fit: Any, device: torch.device) -> tuple[torch.Tensor, torch.Tensor] | None:
    """heads.boxes.Places of a batch of one; None if `fit` does not report the image's place in the input."""
    if not hasattr(fit, "place"):
        return None
    height, width = image.shape[:2]
    return (
        torch.tensor([fit.place(height, width)], dtype=torch.float32, device=device),
        torch.tensor([[height, width]], dtype=torch.float32, device=device),
    )


def best_device(accelerator: str) -> torch.device:
    """The accelerator, if there is one and `trainer.accelerator` is not cpu; else the CPU."""
    if accelerator == "cpu":
        return torch.device("cpu")
    return torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")


def named_device(device: Any) -> torch.device:
    """A device by its name in PyTorch.

    Raises:
        UserError: if PyTorch does not know it, or this machine does not have it.
    """
    try:
        found: torch.device = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, TypeError, AssertionError, ValueError, NotImplementedError) as error:
        raise UserError(f"device={short(device)}: {' '.join(str(error).split())}") from None
    if found.type == "meta":
        raise UserError("device=meta has no values to compute with")
    return found
