"""What a predicted label map produces: files, overlays, legends."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from tasks.common.errors import UserError
from tasks.common.labels import VOID, Pixels
from tasks.common.legend import Colour, Entry
from tasks.common.output import Found, Layer, Output, save_png
from tasks.segment.draw import overlay


class SegmentOutput(Output):
    """Writes and draws `labels` (H, W), train ids.

    Args:
        classes: (name, label id, colour) in the order of the train ids.

    Raises:
        UserError: for no class, or more than a label map can hold.
    """

    layer: ClassVar[Layer] = Layer.AREAS

    def __init__(self, classes: Sequence[tuple[str, int, Sequence[int]]]) -> None:
        if not 1 <= len(classes) <= VOID:
            raise UserError(f"{len(classes)} classes: a label is one of 1 to {VOID}, beside void, {VOID}")
        self.ids = np.array([label_id for _, label_id, _ in classes], np.uint8)
        self.names = [name for name, _, _ in classes]
        self.colours: list[Colour] = [(red, green, blue) for _, _, (red, green, blue) in classes]

    @classmethod
    def of_model_json(cls, entry: Mapping[str, Any]) -> Self:
        return cls([(each["name"], each["id"], each["colour"]) for each in entry["classes"]])

    def result(self, found: Found) -> dict[str, Any]:
        """`labels` (H, W) uint8, class numbers; `names` of all classes."""
        return {"labels": found["labels"], "names": self.names}

    def write(self, found: Found, folder: Path, name: Path) -> dict[str, Any]:
        """Write a label map with ids as in the data set's files; returns its path."""
        return {"labels": save_png(self.ids[found["labels"]], folder / "labels" / f"{name}.png")}

    def overlay(self, image: Pixels, found: Found, _covered: bool) -> Pixels:
        """The classes' colours over the image."""
        return overlay(image, found["labels"], self.colours)

    def resized(self, found: Found, size: tuple[int, int], _scale: float) -> Found:
        labels = found["labels"]
        rows, columns = (np.arange(new) * old // new for new, old in zip(size, labels.shape, strict=True))
        return {**found, "labels": labels[rows][:, columns]}

    def legend(self, found: Found) -> list[Entry]:
        """The visible classes, largest area first, with their shares of the image."""
        areas = np.bincount(found["labels"].ravel(), minlength=len(self.names))[: len(self.names)]
        shares = areas / found["labels"].size
        return [
            (
                self.colours[label],
                f"{self.names[label]} {shares[label]:.0%}" if shares[label] >= 0.005 else self.names[label],
            )
            for label in np.argsort(-areas, kind="stable").tolist()
            if areas[label]
        ]
