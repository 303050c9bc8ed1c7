"""What a prediction produces: files, a picture, a line. Works without PyTorch, because exported files use it too."""

import io
import math
import zlib
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

Found = dict[str, NDArray[Any]]  # for one image, as returned by tasks.deploy.decode.decode
LARGEST = 25_000_000  # pixels of a network's input: MobileNetV3 takes 83 bytes of memory for each
PNG_LEVEL = 4  # of drawings' compression: the default, 6, takes 2.5 times as long to save 2 to 8 %
LONGEST = 4096  # pixels of the longer side of an overlay


class Layer(IntEnum):
    """What a task draws on a predicted image; lower layers are drawn first."""

    AREAS = 0
    OUTLINES = 1
    CAPTION = 2  # beside the image; a caption without other layers needs no picture


class Output(ABC):
    """Writes and draws what one task finds in an image.

    Attributes:
        layer: of its overlay.
    """

    layer: ClassVar[Layer]

    @classmethod
    @abstractmethod
    def of_model_json(cls, entry: Mapping[str, Any]) -> Self:
        """Build the output of an exported file from the task's entry in model.json (written by Task.recipe())."""

    @abstractmethod
    def result(self, found: Any, /) -> dict[str, Any]:
        """What load(…).predict() returns for it."""

    @abstractmethod
    def write(self, found: Any, folder: Path, name: Path, /) -> dict[str, Any]:
        """Write files below a folder; returns their entries for the index."""

    @abstractmethod
    def overlay(self, image: Pixels, found: Any, covered: bool, /) -> Pixels:
        """Draw what was found on the image (H, W, 3); the result may be larger.

        Args:
            covered: whether another task has already drawn on the image.
        """

    def on_frame(self, image: Pixels, found: Any, covered: bool, /) -> Pixels:
        """Draw on a frame of a video, as overlay() does; a result of another size is resized to the frame."""
        return self.overlay(image, found, covered)

    def image_classes(self, _found: Any, /) -> list[tuple[int, str, float]]:
        """Number, name and probability of the classes that the image as a whole is said to have; [] for other tasks."""
        return []

    def legend(self, _found: Any, /) -> list[Entry]:
        """The colours of the overlay and their meanings; empty if it has no colours."""
        return []

    def summary(self, _found: Any, /) -> str:
        """A line for the terminal, or '' if one line is not enough."""
        return ""

    def note(self) -> str:
        """A line for the terminal about all overlays, or ''."""
        return ""

    def with_threshold(self, _threshold: float, /) -> "Output":
        """The same output, which draws, counts and names what scores at least this; itself if it has no threshold."""
        return self

    def above(self, found: Any, _threshold: float, /) -> Any:
        """The part of a prediction that scores at least this; all of it if its parts have no scores."""
        return found

    def resized(self, found: Any, _size: tuple[int, int], _scale: float, /) -> Any:
        """Rescale what was found for a picture of this (height, width), `_scale` times as large as the image."""
        return found

    def gist(self, found: Any, /) -> Any:
        """The part of a prediction that mode=benchmark times, in its last stage; for example the likeliest classes."""
        return found


def output_of(name: str, entry: Mapping[str, Any]) -> Output:
    """The output of a task of an exported file, from its entry in model.json."""
    output: Output = named(infos()[name].output).of_model_json(entry)
    return output


def write_overlay(
    outputs: Mapping[str, Output], image: Pixels, found: Mapping[str, Found], folder: Path, name: Path
) -> dict[str, Any]:
    """Write one picture of what all tasks find in an image (H, W, 3), unless there are only captions.

    Returns:
        Entries for the index: the picture's path, and its scale if the image is very large.
    """
    if min(output.layer for output in outputs.values()) == Layer.CAPTION:
        return {}
    scale = LONGEST / max(image.shape[:2])
    told: dict[str, Any] = {"overlay_scale": round(scale, 4)} if scale < 1 else {}
    return {"overlays": save_png(overlay_of(outputs, image, found), folder / f"{name}.png")} | told


def overlay_of(outputs: Mapping[str, Output], image: Pixels, found: Mapping[str, Found]) -> Pixels:
    """The picture of what all tasks find in an image (H, W, 3), with a legend; at most LONGEST pixels long."""
    layers = sorted(outputs, key=lambda key: outputs[key].layer)
    if (scale := LONGEST / max(image.shape[:2])) < 1:
        image = shrunk(image, scale)
        found = {key: outputs[key].resized(values, image.shape[:2], scale) for key, values in found.items()}
    for key in layers:
        image = outputs[key].overlay(image, found[key], key != layers[0])
    legend = [entry for key in layers for entry in outputs[key].legend(found[key])]
    return np.asarray(with_legend(Image.fromarray(image), legend))


def save_png(pixels: Pixels, path: Path) -> str:
    """Encode an image first, then write it in one go, so that a signal leaves no partial file; returns the path.

    Only runs of equal bytes are looked for: photos with an overlay take 0.6 of the time of PNG_LEVEL, at the same size
    within 6 %, and label maps get an eighth smaller. Drawings with text would grow by half.
    """
    encoded = io.BytesIO()
    Image.fromarray(pixels).save(encoded, "PNG", compress_type=zlib.Z_RLE)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.getbuffer())
    return str(path)


def shrunk(image: Pixels, scale: float) -> Pixels:
    """An image (H, W, 3), reduced by `scale`."""
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0))


def size_to_see(height: int, width: int) -> tuple[int, int] | None:
    """The input (height, width) for a photo that would otherwise take too much memory; None if the photo is fine."""
    if height * width <= LARGEST:
        return None
    scale = math.sqrt(LARGEST / (height * width))
    return tuple(max(32, int(side * scale) // 32 * 32) for side in (height, width))  # type: ignore[return-value]


def notes(outputs: Mapping[str, Output]) -> list[str]:
    """Lines for the terminal about all overlays."""
    return [note for output in outputs.values() if (note := output.note())]


def summary(outputs: Mapping[str, Output], found: Mapping[str, Any]) -> str:
    """A line with what the tasks find in an image, prefixed by the tasks' names if there are several."""
    lines = {key: output.summary(found[key]) for key, output in outputs.items()}
    return "; ".join(f"{key}: {line}" if len(outputs) > 1 else line for key, line in lines.items() if line)
