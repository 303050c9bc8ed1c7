"""Object detection as a task."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from backbones.base import Feature
from heads.base import Head
from heads.boxes import Detections, Places
from heads.select import Select
from heads.ssdlite import RawBoxes, SSDLite
from tasks.annotations import HOLE
from tasks.detect.draw import draw_boxes
from tasks.detect.gallery import BestMedianWorst
from tasks.detect.metric import CocoMAP
from tasks.detect.multibox import MultiBox
from tasks.detect.publish import publish
from tasks.detect.quality import SHOWN
from tasks.task import Layer, Pixels, Task

EVALUATORS = ("mobilevision", "pycocotools")


class DetectTask(Task):
    """A box and a class for every object.

    Args:
        features: what the backbone announces.
        head: builds the head: `head(features, num_classes)`.
        loss: of its outputs, and what its logits mean as scores.
        select: which boxes are kept.
        evaluator: "mobilevision", or "pycocotools" for the official code; their numbers are the same.
        classes: (name, category id in the data set's files) in the order of the class numbers.
    """

    name, target, score, layer = "detect", "boxes", "mAP", Layer.OUTLINES

    def __init__(
        self,
        features: Mapping[str, Feature],
        head: Callable[[Mapping[str, Feature], int], Head],
        loss: MultiBox,
        select: Select,
        evaluator: str,
        classes: Sequence[Any],
    ) -> None:
        super().__init__()
        self.classes = [(str(name), int(category)) for name, category in classes]
        self.class_names = [name for name, _ in self.classes]
        built = head(features, len(self.classes))
        if not isinstance(built, SSDLite):
            raise ValueError(f"{type(built).__name__} gives no boxes; use head=ssdlite or another of that kind")
        self.head: SSDLite = built
        if evaluator not in EVALUATORS:
            raise ValueError(f"task.evaluator={evaluator} is not one of {', '.join(EVALUATORS)}")
        if not isinstance(select, Select):
            raise ValueError(f"task.select={select} selects no boxes")
        self.criterion, self.select, self.evaluator = loss, select, evaluator
        real = torch.tensor([float(name != HOLE) for name in self.class_names])
        self.real: Tensor | None
        self.register_buffer("real", None if real.all() else real, persistent=False)

    def loss(self, outputs: RawBoxes, batch: Mapping[str, Any]) -> Tensor:
        anchors = self.anchors(outputs, tuple(batch["image"].shape[-2:]))
        return self.criterion(outputs, anchors, batch[self.target])

    def anchors(self, outputs: RawBoxes, size: tuple[int, int]) -> Tensor:
        """(A, 4) absolute xyxy in images of this (height, width)."""
        return self.head.anchors.boxes(outputs.cells, size, outputs.logits.device)

    def predict(self, outputs: RawBoxes, size: tuple[int, int], places: Places | None = None) -> Detections:
        """The boxes found, in the files' pixels."""
        logits, offsets = outputs.logits.float(), outputs.offsets.float()
        found = self.select(logits, self.scores, offsets, self.anchors(outputs, size), size)
        return found if places is None else found._replace(boxes=places.to_files(found.boxes))

    def scores(self, logits: Tensor) -> Tensor:
        """What logits (A, C + 1) mean: scores (A, C), zero for classes that only fill a gap between category ids."""
        scores = self.criterion.scores(logits)
        return scores if self.real is None else scores * self.real

    def truth(self, batch: Mapping[str, Any]) -> Any:
        return batch["annotations"]

    def metric(self) -> CocoMAP:
        return CocoMAP(self.classes, official=self.evaluator == "pycocotools")

    def gallery(self, count: int, images: Sequence[int]) -> BestMedianWorst:
        return BestMedianWorst(count, images, self.class_names)

    def results(self, metric: Metric, folder: Path) -> list[str]:
        """Writes predictions.json, precision-recall curves and the table of errors."""
        assert isinstance(metric, CocoMAP)
        return publish(metric, folder)

    def write(self, prediction: Detections, folder: Path, name: Path) -> dict[str, Any]:
        """All boxes as JSON (COCO's results, without an image id); returns how many are sure, and the path."""
        boxes, scores, labels = (value.cpu().numpy() for value in prediction.of(0))
        path = folder / "boxes" / f"{name}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        entries = [
            {
                "category_id": self.classes[label][1],
                "category": self.class_names[label],
                "score": round(float(score), 6),
                "bbox": [round(float(value), 2) for value in (left, top, right - left, bottom - top)],
            }
            for (left, top, right, bottom), score, label in zip(boxes, scores, labels, strict=True)
        ]
        path.write_text(json.dumps(entries) + "\n")
        return {"found": int((scores >= SHOWN).sum()), "boxes": str(path)}

    def overlay(self, image: Pixels, prediction: Detections, covered: bool) -> Pixels:
        """The image with the boxes that are sure."""
        boxes, scores, labels = (value.cpu().numpy() for value in prediction.of(0))
        sure = scores >= SHOWN
        drawn = draw_boxes(image, boxes[sure], labels[sure], scores[sure], self.class_names, framed=covered)
        return np.asarray(drawn)

    def summary(self, prediction: Detections) -> str:
        _, scores, labels = prediction.of(0)
        counts = Counter(self.class_names[label] for label in labels[scores >= SHOWN].tolist())
        return ", ".join(f"{count} {name}" for name, count in counts.most_common()) or "nothing"

    def card(self) -> dict[str, Any]:
        return {"target": self.target, "classes": [list(entry) for entry in self.classes]}
