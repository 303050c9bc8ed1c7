"""Object detection as a task."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from backbones.base import Feature
from heads.base import Head
from heads.boxes import LARGEST, WEIGHTS, Detections, Places, clip, decode
from heads.select import Select
from heads.ssdlite import RawBoxes, SSDLite
from heads.suppress import select_fixed
from tasks.common.annotations import HOLE
from tasks.common.errors import not_one_of
from tasks.common.output import Found
from tasks.common.records import Record
from tasks.common.task import Task
from tasks.detect.gallery import BestMedianWorst
from tasks.detect.info import INFO
from tasks.detect.metric import CocoMAP
from tasks.detect.multibox import MultiBox
from tasks.detect.output import DetectOutput
from tasks.detect.page import curves
from tasks.detect.publish import publish
from tasks.detect.records import classes, labelled
from tasks.detect.selection import Candidates

EVALUATORS = ("mobilevision", "pycocotools")


class DetectTask(Task):
    """Predicts a box and a class for every object.

    Args:
        features: of the backbone.
        head: builds the head: `head(features, num_classes)`.
        loss: of the head's outputs; also defines how logits become scores.
        select: selects the boxes to keep.
        evaluator: "mobilevision", or "pycocotools" for the official code; their numbers are the same.
        classes: (name, category id in the data set's files) in the order of the class numbers.
    """

    info = INFO

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
        self.output: DetectOutput = DetectOutput(self.classes)
        built = head(features, len(self.classes))
        if not isinstance(built, SSDLite):
            raise ValueError(f"{type(built).__name__} gives no boxes; use head=ssdlite or another of that kind")
        self.head: SSDLite = built
        if evaluator not in EVALUATORS:
            raise ValueError(f"task.evaluator={evaluator} {not_one_of(evaluator, EVALUATORS)}")
        if not isinstance(select, Select):
            raise ValueError(f"task.select={select} selects no boxes")
        self.criterion, self.select, self.evaluator = loss, select, evaluator
        real = [float(name != HOLE) for name in self.class_names]
        self.real: Tensor | None
        self.register_buffer("real", None if all(real) else torch.tensor(real), persistent=False)

    def loss(self, outputs: RawBoxes, batch: Mapping[str, Any]) -> Tensor:
        return self.loss_parts(outputs, batch)[0]

    def loss_parts(self, outputs: RawBoxes, batch: Mapping[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and its terms, for the `classes` and the `boxes`."""
        anchors = self.anchors(outputs, tuple(batch["image"].shape[-2:]))
        cells = (rows * columns for rows, columns in outputs.cells)
        maps = list(zip(cells, self.head.anchors.per_cell, strict=True))
        terms = self.criterion.terms(outputs, anchors, batch[self.target], maps)
        return terms["boxes"] + terms["classes"], terms

    def distance(self, outputs: RawBoxes, teacher: RawBoxes, temperature: float) -> Tensor:
        return self.criterion.distance(outputs, teacher, temperature)

    def check_teacher(self, teacher: Task) -> None:
        """Raises a ValueError for other classes, other anchors, or logits that become scores in another way."""
        super().check_teacher(teacher)
        assert isinstance(teacher, DetectTask)
        if (teacher.head.reductions, teacher.head.anchors.shapes) != (self.head.reductions, self.head.anchors.shapes):
            raise ValueError("has other anchors: take the same head.maps, head.extras and head.anchors")
        if teacher.criterion.activation != self.criterion.activation:
            raise ValueError(
                f"gives scores by {teacher.criterion.activation}, this network by {self.criterion.activation}: "
                "take the loss that it was trained with"
            )

    def anchors(self, outputs: RawBoxes, size: tuple[int, int]) -> Tensor:
        """(A, 4) absolute xyxy in images of this (height, width)."""
        return self.head.anchors.boxes(outputs.cells, size, outputs.logits.device)

    def advice(self, data: Any) -> str:
        return self.too_small(data.object_sides(), data.input_size())

    def too_small(self, sides: NDArray[np.float64], size: tuple[int, int]) -> str:
        """A line on objects that are too small for any anchor or that fall between the cells; '' if there are none.

        Args:
            sides: (K, 2) width and height of the objects in the pixels of the network's images.
            size: (height, width) of these.
        """
        shorter = min(size)
        width, height = min((w * shorter, h * shorter) for level in self.head.anchors.shapes for w, h in level)
        cell = min(max(size[0] / rows, size[1] / columns) for rows, columns in self.head.cells(size))
        anchor = (width * height) ** 0.5
        under_anchor = int((sides.prod(1) < width * height).sum())
        under_cell = int((sides.max(1, initial=0) < cell).sum())
        if not under_anchor and not under_cell:
            return ""
        smallest = float(np.sqrt(sides.prod(1)).min())
        return (
            f"objects   of {len(sides):,} at {size[0]}×{size[1]}, {under_anchor:,} are smaller than the smallest "
            f"anchor ({anchor:.0f} pixels a side), {under_cell:,} than a cell of the finest map ({cell:.0f}), the "
            f"smallest {smallest:.1f} pixels; to find them: a larger image_size, or smaller anchors "
            "(head.anchors.smallest) on a map with more cells (a c3 first in head.maps)"
        )

    def predict(self, outputs: RawBoxes, size: tuple[int, int], places: Places | None = None) -> Detections:
        """The boxes found, in the files' pixels."""
        logits, offsets = outputs.logits.float(), outputs.offsets.float()
        found = self.select(logits, self.scores, offsets, self.anchors(outputs, size), size)
        return found if places is None else found._replace(boxes=places.to_files(found.boxes))

    def tensors(self, outputs: RawBoxes, size: tuple[int, int], form: str) -> dict[str, Tensor]:
        """`logits` (N, A, C + 1) and `offsets` (N, A, 4), or decoded to `boxes` (N, A, 4), xyxy in the images' pixels,
        and `scores` (N, A, C), or the selected `boxes` (N, D, 4), `scores` and `labels` (N, D), labels -1 for padding.
        """
        if form == "raw":
            return {"logits": outputs.logits, "offsets": outputs.offsets}
        boxes = clip(decode(outputs.offsets, self.head.anchors.make(outputs.cells, size)), size)
        scores = self.scores(outputs.logits)
        if form == "decoded":
            return {"boxes": boxes, "scores": scores}
        return select_fixed(scores, boxes, self.select.rule)._asdict()

    def from_tensors(
        self, tensors: Mapping[str, Tensor], form: str, size: tuple[int, int], places: Places | None = None
    ) -> Detections:
        if form == "raw":
            return self.predict(RawBoxes(tensors["logits"], tensors["offsets"], self.head.cells(size)), size, places)
        if form == "decoded":
            found = self.select.of_boxes(tensors["scores"], tensors["boxes"], size)
        else:
            found = Detections(tensors["boxes"], tensors["scores"], tensors["labels"].long())
        return found if places is None else found._replace(boxes=places.to_files(found.boxes))

    def made_of(
        self, outputs: RawBoxes, size: tuple[int, int], places: Places | None, _map_size: tuple[int, int]
    ) -> Candidates:
        decoded = self.tensors(outputs, size, "decoded")
        boxes, scores = decoded["boxes"].float(), decoded["scores"].float()
        photo = boxes if places is None else places.to_files(boxes)
        kept = self.select.of_boxes(scores, boxes, size).of(0)
        across, down = (1.0, 1.0) if places is None else (places.sizes.flip(1) / places.boxes[:, 2:])[0].tolist()
        return Candidates(
            seen=boxes[0].cpu().numpy(),
            boxes=photo[0].cpu().numpy(),
            scores=scores[0].cpu().numpy(),
            overlap=self.select.overlap,
            detections=self.select.detections,
            kept=tuple(values.cpu().numpy() for values in kept),
            threshold=self.select.threshold,
            per_class=self.select.per_class,
            scale=(across, down),
        )

    def recipe(self, size: tuple[int, int]) -> dict[str, Any]:
        anchors = self.head.anchors
        return {
            "classes": [{"name": name, "id": category} for name, category in self.classes],
            "threshold": self.output.threshold,  # score with the best F1 in validation
            "holes": [number for number, name in enumerate(self.class_names) if name == HOLE],
            "score": self.criterion.activation,
            "anchors": {"cells": [[*cells] for cells in self.head.cells(size)], "shapes": anchors.shapes},
            "weights": [*WEIGHTS],
            "largest": LARGEST,
            "select": self.select.rule._asdict(),
        }

    def scores(self, logits: Tensor) -> Tensor:
        """Scores (A, C) from logits (A, C + 1), zero for classes that only fill a gap between category ids."""
        scores = self.criterion.scores(logits)
        return scores if self.real is None else scores * self.real

    def truth(self, batch: Mapping[str, Any]) -> Any:
        return batch["annotations"]

    def metric(self) -> CocoMAP:
        return CocoMAP(self.classes, official=self.evaluator == "pycocotools")

    def calibrate(self, metric: Metric) -> None:
        """Set the score threshold with the best F1, for overlays; unknown if nothing was found."""
        assert isinstance(metric, CocoMAP)
        self.output.threshold = metric.judged().best_threshold()

    def recall(self, metadata: Mapping[str, Any]) -> None:
        threshold = metadata.get("threshold")
        self.output.threshold = None
        if isinstance(threshold, int | float) and not isinstance(threshold, bool) and 0 <= threshold <= 1:
            self.output.threshold = float(threshold)

    def gallery(self, count: int, images: Sequence[int]) -> BestMedianWorst:
        return BestMedianWorst(count, images, self.class_names)

    def results(self, metric: Metric, folder: Path, pictures: Path | None) -> list[str]:
        """Write predictions.json, the table of errors and, among the pictures, precision-recall curves."""
        assert isinstance(metric, CocoMAP)
        return publish(metric, folder, pictures)

    def curves(self, metric: Metric) -> dict[str, Any]:
        assert isinstance(metric, CocoMAP)
        return curves(metric)

    def sheet(self, images: Tensor, target: Any, names: Sequence[str]) -> Record | None:
        rows = zip(images, target.cpu().numpy(), names, strict=True)
        pictures = [labelled(image, boxes, name) for image, boxes, name in rows]
        return Record({"type": "boxes", "classes": classes(self.class_names)}, pictures)

    def found(self, prediction: Detections) -> Found:
        boxes, scores, labels = (value.cpu().numpy() for value in prediction.of(0))
        return {"boxes": boxes, "scores": scores, "labels": labels}

    def metadata(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "classes": [list(entry) for entry in self.classes],
            "threshold": self.output.threshold,
        }
