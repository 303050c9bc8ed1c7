"""What a multi-label classification produces: files, captions, JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tasks.common.labels import Pixels
from tasks.common.legend import shortened
from tasks.common.output import Found, Layer, Output


class MultiLabelOutput(Output):
    """Writes and draws the classes whose probability reaches the threshold, by `logits` (C) or `probabilities` (C).

    Args:
        classes: names in the order of the labels.
        threshold: of the probability.
    """

    layer: ClassVar[Layer] = Layer.CAPTION

    def __init__(self, classes: Sequence[str], threshold: float) -> None:
        self.names, self.threshold = list(classes), threshold

    @classmethod
    def of_model_json(cls, entry: Mapping[str, Any]) -> Self:
        return cls(entry["classes"], entry["threshold"])

    def result(self, found: Found) -> dict[str, Any]:
        """`probabilities` (C) in class order; `labels` (K) and `names` (K) of the classes found, likeliest first.

        Independent of each other, the probabilities do not sum to 1.
        """
        kept = self.kept(found)
        return {
            "probabilities": probabilities(found),
            "labels": np.array([number for number, _, _ in kept], np.int64),
            "names": [name for _, name, _ in kept],
        }

    def write(self, found: Found, folder: Path, name: Path) -> dict[str, Any]:
        """Write the probabilities of all classes as JSON; returns the names found, their probabilities and the path."""
        path = folder / "labels" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        values = {each: round(float(value), 6) for each, value in zip(self.names, probabilities(found), strict=True)}
        kept = self.kept(found)
        path.write_text(
            json.dumps({"labels": [each for _, each, _ in kept], "probabilities": values}) + "\n", encoding="utf-8"
        )
        return {
            "labels": "|".join(each for _, each, _ in kept),
            "probabilities": "|".join(f"{value:.6f}" for _, _, value in kept),
            "json": str(path),
        }

    def overlay(self, image: Pixels, found: Found, _covered: bool) -> Pixels:
        """The image below a strip with the classes found."""
        font = ImageFont.load_default(max(12, min(32, round(max(image.shape[:2]) / 40))))
        strip = Image.new("RGB", (image.shape[1], int(font.getbbox("Ag")[3] * 1.4)), "white")
        text = shortened(self.summary(found), font, image.shape[1] - 8)
        ImageDraw.Draw(strip).text((4, strip.height // 2), text, "black", font, "lm")
        return np.concatenate((np.asarray(strip), image))

    def summary(self, found: Found) -> str:
        return ", ".join(f"{name} {value:.3f}" for _, name, value in self.kept(found)) or "nothing"

    def with_threshold(self, threshold: float) -> "MultiLabelOutput":
        return MultiLabelOutput(self.names, threshold)

    def note(self) -> str:
        """The threshold and its key."""
        return f"labels    from a probability of {self.threshold:g} on (task.threshold)"

    def gist(self, found: Found) -> Any:
        """Numbers of the classes found."""
        return np.flatnonzero(probabilities(found) >= self.threshold)

    def image_classes(self, found: Found) -> list[tuple[int, str, float]]:
        return self.kept(found)

    def kept(self, found: Found) -> list[tuple[int, str, float]]:
        """Number, name and probability of the classes found, likeliest first; the lower number first if equal."""
        values = probabilities(found)
        order = np.argsort(-values, kind="stable").tolist()
        return [(place, self.names[place], float(values[place])) for place in order if values[place] >= self.threshold]


def probabilities(found: Mapping[str, NDArray[Any]]) -> NDArray[np.float64]:
    """(C) from `logits` or `probabilities`."""
    ((role, values),) = found.items()
    values = values.astype(np.float64)
    return 0.5 * (1 + np.tanh(values / 2)) if role == "logits" else values  # the sigmoid, without overflow
