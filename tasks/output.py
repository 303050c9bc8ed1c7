"""What is left of a prediction: files, a picture, a line; of exported files, too, and so without PyTorch."""

from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Found = dict[str, NDArray[Any]]  # of one image, as tasks.deploy.decode.decode gives it


class Layer(IntEnum):
    """What a task adds to a predicted image: the lower lies below the higher."""

    AREAS = 0
    OUTLINES = 1
    CAPTION = 2  # beside the image; alone it needs no picture


class Output(Protocol):
    """Writes and draws what one task finds in an image.

    Attributes:
        layer: what its overlay is.
    """

    layer: ClassVar[Layer]

    def write(self, found: Any, folder: Path, name: Path, /) -> dict[str, Any]:
        """Files below a folder; returns what the index says of them."""

    def overlay(self, image: Pixels, found: Any, covered: bool, /) -> Pixels:
        """The image (H, W, 3) with what was found drawn on it; it may come out larger.

        Args:
            covered: whether another task has drawn on the image.
        """

    def summary(self, found: Any, /) -> str:
        """A line for the terminal, where one line can say it."""


def write_overlay(
    outputs: Mapping[str, Output], image: Pixels, found: Mapping[str, Any], folder: Path, name: Path
) -> dict[str, str]:
    """One picture of what all tasks make of an image (H, W, 3), unless a caption is all; returns its path."""
    layers = sorted(outputs, key=lambda key: outputs[key].layer)
    if outputs[layers[0]].layer == Layer.CAPTION:
        return {}
    for key in layers:
        image = outputs[key].overlay(image, found[key], key != layers[0])
    path = folder / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return {"overlays": str(path)}


def summary(outputs: Mapping[str, Output], found: Mapping[str, Any]) -> str:
    """A line of what the tasks make of an image, the tasks' names in front where there are several."""
    lines = {key: output.summary(found[key]) for key, output in outputs.items()}
    return "; ".join(f"{key}: {line}" if len(outputs) > 1 else line for key, line in lines.items() if line)
