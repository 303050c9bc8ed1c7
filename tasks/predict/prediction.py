"""What one network says about one image, from a checkpoint or from an exported file. No torch."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tasks.common.labels import Pixels
from tasks.common.output import Found, Output, summary, write_overlay


class Prediction(NamedTuple):
    """Predictions for an image.

    Attributes:
        found: by task.
        image: the pixels (H, W, 3) that `found` refers to.
        row: columns of the index for a very large image.
    """

    found: dict[str, Found]
    image: Pixels
    row: dict[str, Any]


Find = Callable[[Pixels], Prediction]


def write_files(outputs: Mapping[str, Output], prediction: Prediction, folder: Path, name: Path) -> dict[str, Any]:
    """Write each task's files; returns the row of the index without the picture."""
    row = dict(prediction.row)
    for key, output in outputs.items():
        row |= output.write(prediction.found[key], folder, name)
    return row


def write_photo(
    outputs: Mapping[str, Output], prediction: Prediction, folder: Path, name: Path
) -> tuple[dict[str, Any], str]:
    """Write each task's files and the picture of a photo; returns its row of the index and a line for the terminal."""
    row = write_files(outputs, prediction, folder, name)
    row |= write_overlay(outputs, prediction.image, prediction.found, folder / "overlays", name)
    return row, summary(outputs, prediction.found)
