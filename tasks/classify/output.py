"""What a classification produces: files, captions, JSON."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tasks.common.labels import Pixels
from tasks.common.legend import shortened
from tasks.common.output import Found, Layer, Output

SHOWN = 5


class ClassifyOutput(Output):
    """Writes and draws the likeliest classes by `logits` (C) or `probabilities` (C).

    Args:
        classes: names in the order of the labels.
        temperature: divides logits before they become probabilities; None for none.
    """

    layer: ClassVar[Layer] = Layer.CAPTION

    def __init__(self, classes: Sequence[str], temperature: float | None = None) -> None:
        self.names, self.temperature = list(classes), temperature

    @classmethod
    def of_model_json(cls, entry: Mapping[str, Any]) -> Self:
        return cls(entry["classes"], entry.get("temperature"))

    def result(self, found: Found) -> dict[str, Any]:
        """`probabilities` (C), `labels` (C) class numbers, `names` (C); likeliest first."""
        numbers, names, probabilities = zip(*self.ranked(found), strict=True)
        return {"probabilities": np.array(probabilities), "labels": np.array(numbers), "names": list(names)}

    def write(self, found: Found, _folder: Path, _name: Path) -> dict[str, Any]:
        """The five likeliest classes: number, name, probability."""
        row: dict[str, Any] = {}
        for place, (number, name, probability) in enumerate(self.likeliest(found), 1):
            row |= {f"class{place}": number, f"name{place}": name, f"probability{place}": f"{probability:.6f}"}
        return row

    def overlay(self, image: Pixels, found: Found, _covered: bool) -> Pixels:
        """The likeliest class and its probability above the image."""
        _, name, probability = self.likeliest(found)[0]
        return captioned(image, name, f"{probability:.2f}")

    def summary(self, found: Found) -> str:
        return ", ".join(f"{name} {probability:.3f}" for _, name, probability in self.likeliest(found))

    def gist(self, found: Found) -> Any:
        """Numbers of the likeliest classes, best first."""
        ((_, values),) = found.items()
        return np.argsort(-values, kind="stable")[:SHOWN]

    def image_classes(self, found: Found) -> list[tuple[int, str, float]]:
        return self.ranked(found)

    def likeliest(self, found: Found) -> list[tuple[int, str, float]]:
        """Number, name and probability of the likeliest classes; see ranked()."""
        return self.ranked(found)[:SHOWN]

    def ranked(self, found: Found) -> list[tuple[int, str, float]]:
        """Number, name and probability of all classes, likeliest first; the lower number first if equal."""
        ((role, values),) = found.items()
        values = values.astype(np.float64)
        order = np.argsort(-values, kind="stable").tolist()
        if role == "logits":
            values = values / (self.temperature or 1.0)
            shares = np.exp(values - values.max())
            values = shares / shares.sum()
        return [(number, self.names[number], float(values[number])) for number in order]


def captioned(image: Pixels, name: str, probability: str) -> Pixels:
    """The image (H, W, 3) below a strip with class and probability; long names are shortened."""
    font = ImageFont.load_default(max(12, min(32, round(max(image.shape[:2]) / 40))))
    margin, high = 4, math.ceil(font.getbbox("Ag")[3] * 1.4)
    room = image.shape[1] - 2 * margin - font.getlength(f" {probability}")
    strip = Image.new("RGB", (image.shape[1], high), "white")
    ImageDraw.Draw(strip).text((margin, high // 2), f"{shortened(name, font, room)} {probability}", "black", font, "lm")
    return np.concatenate((np.asarray(strip), image))
