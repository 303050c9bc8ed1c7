"""What is left of a prediction: files, a picture, a line; of exported files, too, and so without PyTorch."""

import io
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import IntEnum
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.common.labels import Pixels
from tasks.common.legend import Entry, with_legend
from tasks.common.task_info import infos, named

Found = dict[str, NDArray[Any]]  # of one image, as tasks.deploy.decode.decode gives it
LARGEST = 25_000_000  # pixels that a network sees: 83 bytes of MobileNetV3's memory each
LONGEST = 4096  # pixels of an overlay's longer side


class Layer(IntEnum):
    """What a task adds to a predicted image: the lower lies below the higher."""

    AREAS = 0
    OUTLINES = 1
    CAPTION = 2  # beside the image; alone it needs no picture


class Output(ABC):
    """Writes and draws what one task finds in an image.

    Attributes:
        layer: what its overlay is.
    """

    layer: ClassVar[Layer]

    @classmethod
    @abstractmethod
    def of_model_json(cls, entry: Mapping[str, Any]) -> Self:
        """The output of an exported file, from the task's entry in model.json (what Task.recipe() gave)."""

    @abstractmethod
    def result(self, found: Any, /) -> dict[str, Any]:
        """What load(…).predict() returns of it."""

    @abstractmethod
    def write(self, found: Any, folder: Path, name: Path, /) -> dict[str, Any]:
        """Files below a folder; returns what the index says of them."""

    @abstractmethod
    def overlay(self, image: Pixels, found: Any, covered: bool, /) -> Pixels:
        """The image (H, W, 3) with what was found drawn on it; it may come out larger.

        Args:
            covered: whether another task has drawn on the image.
        """

    def legend(self, _found: Any, /) -> list[Entry]:
        """The colours of the overlay and what they stand for; none where it has no colours."""
        return []

    def summary(self, _found: Any, /) -> str:
        """A line for the terminal, where one line can say it."""
        return ""

    def note(self) -> str:
        """What the terminal says of all overlays, if anything."""
        return ""

    def resized(self, found: Any, _size: tuple[int, int], _scale: float, /) -> Any:
        """What was found, for a picture of this (height, width), which is so many times as large as the image."""
        return found

    def gist(self, found: Any, /) -> Any:
        """What a program keeps of a prediction: the last step that mode=benchmark times."""
        return found


def output_of(name: str, entry: Mapping[str, Any]) -> Output:
    """What writes and draws a task's results with an exported file, from its entry in model.json."""
    output: Output = named(infos()[name].output).of_model_json(entry)
    return output


def write_overlay(
    outputs: Mapping[str, Output], image: Pixels, found: Mapping[str, Found], folder: Path, name: Path
) -> dict[str, Any]:
    """One picture of what all tasks make of an image (H, W, 3), unless a caption is all.

    Returns:
        What the index says: its path, and the scale of the picture of a very large image.
    """
    layers = sorted(outputs, key=lambda key: outputs[key].layer)
    if outputs[layers[0]].layer == Layer.CAPTION:
        return {}
    told: dict[str, Any] = {}
    if (scale := LONGEST / max(image.shape[:2])) < 1:
        told["overlay_scale"] = round(scale, 4)
        image = shrunk(image, scale)
        found = {key: outputs[key].resized(values, image.shape[:2], scale) for key, values in found.items()}
    for key in layers:
        image = outputs[key].overlay(image, found[key], key != layers[0])
    legend = [entry for key in layers for entry in outputs[key].legend(found[key])]
    picture = np.asarray(with_legend(Image.fromarray(image), legend))
    return {"overlays": save_png(picture, folder / f"{name}.png")} | told


def save_png(pixels: Pixels, path: Path) -> str:
    """Write an image at once when it is encoded, so that a signal leaves no half of it; returns the path."""
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.getbuffer())
    return str(path)


def shrunk(image: Pixels, scale: float) -> Pixels:
    """An image (H, W, 3) for a picture of another scale."""
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0))


def size_to_see(height: int, width: int) -> tuple[int, int] | None:
    """The (height, width) at which a network sees a photo that would otherwise take too much memory; None if not."""
    if height * width <= LARGEST:
        return None
    scale = math.sqrt(LARGEST / (height * width))
    return tuple(max(32, int(side * scale) // 32 * 32) for side in (height, width))  # type: ignore[return-value]


def notes(outputs: Mapping[str, Output]) -> list[str]:
    """Lines for the terminal on all overlays."""
    return [note for output in outputs.values() if (note := output.note())]


def summary(outputs: Mapping[str, Output], found: Mapping[str, Any]) -> str:
    """A line of what the tasks make of an image, the tasks' names in front where there are several."""
    lines = {key: output.summary(found[key]) for key, output in outputs.items()}
    return "; ".join(f"{key}: {line}" if len(outputs) > 1 else line for key, line in lines.items() if line)
