"""What is left of the boxes found in an image."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tasks.detect.draw import draw_boxes
from tasks.detect.quality import SHOWN
from tasks.output import Found, Layer, Pixels


class DetectOutput:
    """Writes and draws `boxes` (K, 4) with `scores` (K) and `labels` (K), best first.

    Args:
        classes: (name, category id in the data set's files) in the order of the class numbers.
    """

    layer: ClassVar[Layer] = Layer.OUTLINES

    def __init__(self, classes: Sequence[tuple[str, int]]) -> None:
        self.classes, self.names = list(classes), [name for name, _ in classes]

    def write(self, found: Found, folder: Path, name: Path) -> dict[str, Any]:
        """All boxes as JSON (COCO's results, without an image id); returns how many are sure, and the path."""
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
        path.write_text(json.dumps(entries) + "\n")
        return {"found": int((found["scores"] >= SHOWN).sum()), "boxes": str(path)}

    def overlay(self, image: Pixels, found: Found, covered: bool) -> Pixels:
        """The image with the boxes that are sure."""
        sure = found["scores"] >= SHOWN
        boxes, scores, labels = (found[key][sure] for key in ("boxes", "scores", "labels"))
        return np.asarray(draw_boxes(image, boxes, labels, scores, self.names, framed=covered))

    def summary(self, found: Found) -> str:
        """How many boxes of each class are sure."""
        counts = Counter(self.names[label] for label in found["labels"][found["scores"] >= SHOWN].tolist())
        return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing"
