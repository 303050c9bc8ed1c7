"""Writes and draws the boxes found in an image."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from tasks.common.labels import Pixels
from tasks.common.legend import Entry
from tasks.common.output import Found, Layer, Output
from tasks.detect.draw import colour_of, draw_boxes
from tasks.detect.quality import SHOWN


class DetectOutput(Output):
    """Writes and draws `boxes` (K, 4) with `scores` (K) and `labels` (K), best first.

    Args:
        classes: (name, category id in the data set's files) in the order of the class numbers.
        threshold: score from which boxes are drawn and counted: the best F1's in validation; None if unknown.
    """

    layer: ClassVar[Layer] = Layer.OUTLINES

    def __init__(self, classes: Sequence[tuple[str, int]], threshold: float | None = None) -> None:
        self.classes, self.names = list(classes), [name for name, _ in classes]
        self.threshold = threshold

    @classmethod
    def of_model_json(cls, entry: Mapping[str, Any]) -> Self:
        return cls([(each["name"], each["id"]) for each in entry["classes"]], entry.get("threshold"))

    @property
    def shown(self) -> float:
        """The score from which boxes are drawn and counted."""
        return SHOWN if self.threshold is None else self.threshold

    def result(self, found: Found) -> dict[str, Any]:
        """`boxes` (K, 4) absolute xyxy, `scores` (K), `labels` (K) class numbers, `names` (K); best first."""
        return {**found, "names": [self.names[label] for label in found["labels"]]}

    def write(self, found: Found, folder: Path, name: Path) -> dict[str, Any]:
        """Write all boxes as JSON (COCO's results, no image id); returns the number of confident ones and the path."""
        path = folder / "boxes" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        entries = [
            {
                "category_id": self.classes[label][1],
                "category": self.names[label],
                "score": round(float(score), 6),
                "bbox": [round(float(value), 2) for value in (left, top, right - left, bottom - top)],
            }
            for (left, top, right, bottom), score, label in zip(
                found["boxes"], found["scores"], found["labels"], strict=True
            )
        ]
        path.write_text(json.dumps(entries) + "\n", encoding="utf-8")
        return {"found": int((found["scores"] >= self.shown).sum()), "boxes": str(path)}

    def overlay(self, image: Pixels, found: Found, covered: bool) -> Pixels:
        """The image with its confident boxes; a small one is enlarged."""
        return self.drawn(image, found, covered, enlarge=True)

    def on_frame(self, image: Pixels, found: Found, covered: bool) -> Pixels:
        """The frame with its confident boxes, in its own size."""
        return self.drawn(image, found, covered, enlarge=False)

    def drawn(self, image: Pixels, found: Found, covered: bool, *, enlarge: bool) -> Pixels:
        """See overlay() and on_frame()."""
        sure = found["scores"] >= self.shown
        boxes, scores, labels = (found[key][sure] for key in ("boxes", "scores", "labels"))
        return np.asarray(
            draw_boxes(image, boxes, labels, scores, self.names, framed=covered, legend=False, enlarge=enlarge)
        )

    def with_threshold(self, threshold: float) -> "DetectOutput":
        return DetectOutput(self.classes, threshold)

    def above(self, found: Found, threshold: float) -> Found:
        sure = found["scores"] >= threshold
        return {key: values[sure] for key, values in found.items()}

    def resized(self, found: Found, _size: tuple[int, int], scale: float) -> Found:
        return {**found, "boxes": found["boxes"] * scale}

    def legend(self, found: Found) -> list[Entry]:
        """The classes of the drawn boxes with their counts, most frequent first."""
        counts = Counter(found["labels"][found["scores"] >= self.shown].tolist())
        return [(colour_of(label), f"{self.names[label]}: {count}") for label, count in counts.most_common()]

    def note(self) -> str:
        """The score threshold for drawing boxes, and its origin."""
        why = "where F1 was best in validation"
        if self.threshold is None:
            why = "a default: no validation has said where F1 is best"
        return f"boxes     drawn and counted from a score of {self.shown:.3g} on, {why}"

    def summary(self, found: Found) -> str:
        """Number of confident boxes of each class."""
        counts = Counter(self.names[label] for label in found["labels"][found["scores"] >= self.shown].tolist())
        return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing"
