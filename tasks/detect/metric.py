"""COCO's mAP as a metric: collects detections and truths batch by batch, and across processes."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric

from heads.boxes import Detections
from tasks.common.annotations import HOLE, Annotations
from tasks.common.gathering import gather, joined
from tasks.detect.arrange import Found, Integers, Truths
from tasks.detect.coco_map import Result, evaluate
from tasks.detect.error_kinds import Judged, judge


class CocoMAP(Metric):
    """COCO's twelve numbers and each class's AP, over all images.

    Until the next compute(), `image_ids`, `result`, `truths` and `found` stay available to later steps, with the ids of
    the data set's files, by ascending image id; the result's categories also ascend by id. reset() keeps them: it runs
    before pictures and files are made.

    Args:
        classes: (name, category id in the data set's files) in the order of the class numbers.
        official: compute with pycocotools.
    """

    full_state_update = False
    higher_is_better = True

    # On the CPU, wherever the network is: MPS has no float64. Integers separately: ids may exceed a float's precision.
    images: list[Tensor]  # (N) int64 ids
    found_ids: list[Tensor]  # (D, 2) int64 image id, class number
    found_values: list[Tensor]  # (D, 5) float64 x, y, width, height, score
    truth_ids: list[Tensor]  # (G, 3) int64 image id, class number, crowd
    truth_values: list[Tensor]  # (G, 5) float64 x, y, width, height, area

    image_ids: Integers
    result: Result
    truths: Truths
    found: Found
    known: Judged | None = None  # of these

    def __init__(self, classes: Sequence[tuple[str, int]], official: bool = False) -> None:
        super().__init__(dist_sync_fn=gather)
        self.evaluated = {name: category for name, category in classes if name != HOLE}
        self.categories = np.array([category for _, category in classes], np.int64)
        self.official = official
        for state in ("images", "found_ids", "found_values", "truth_ids", "truth_values"):
            self.add_state(state, [], dist_reduce_fx="cat")

    def update(self, detections: Detections, annotations: Sequence[Annotations]) -> None:
        """Add images' detections, in their files' pixels, and annotations."""
        images = torch.tensor([each.image_id for each in annotations])
        boxes, scores, labels = (values.detach().cpu() for values in detections)
        row, place = torch.nonzero(labels >= 0, as_tuple=True)
        boxes = boxes[row, place].double()
        boxes[:, 2:] -= boxes[:, :2]
        self.images.append(images)
        self.found_ids.append(torch.stack((images[row], labels[row, place]), 1))
        self.found_values.append(torch.cat((boxes, scores[row, place].double()[:, None]), 1))

        counts = torch.tensor([len(each.labels) for each in annotations])
        labels, crowd, areas, boxes = (
            torch.from_numpy(np.concatenate([getattr(each, name) for each in annotations]))
            for name in ("labels", "crowd", "areas", "boxes")
        )
        self.truth_ids.append(torch.stack((images.repeat_interleave(counts), labels, crowd.long()), 1))
        self.truth_values.append(torch.cat((boxes, areas[:, None]), 1))

    def compute(self) -> dict[str, Any]:
        """The twelve numbers by name and `AP/<class>` as fractions, None without truth; `images`.

        Raises:
            ValueError: for an image that was added twice.
        """
        images, counts = np.unique(joined(self.images, 1), return_counts=True)
        for image in images[counts > 1][:1]:
            raise ValueError(f"image {image} was scored {counts[images == image][0]} times")
        self.image_ids, self.truths, self.found = images, self.all_truths(), self.all_found()
        self.known = None
        categories = np.array(list(self.evaluated.values()), np.int64)
        if self.official:
            from tasks.detect.official import evaluate_officially

            self.result = evaluate_officially(self.truths, self.found, images, categories)
        else:
            self.result = evaluate(self.truths, self.found, images, categories)
        precisions = self.result.average_precision()
        each = {f"AP/{name}": precisions[category] for name, category in self.evaluated.items()}
        return {**self.result.numbers, **each, "images": len(images)}

    def judged(self) -> Judged:
        """After compute(): the detections matched at IoU 0.5, once for all who ask."""
        if self.known is None:
            self.known = judge(self.truths, self.found, self.image_ids, self.result.categories)
        return self.known

    def all_truths(self) -> Truths:
        """By image id, so that the distribution of images over processes does not matter."""
        ids, values = joined(self.truth_ids, 3), joined(self.truth_values, 5)
        order = np.argsort(ids[:, 0], kind="stable")
        image, label, crowd = ids[order].T
        return Truths(image, self.categories[label], values[order, :4], values[order, 4], crowd.astype(np.bool_))

    def all_found(self) -> Found:
        """Also by image id; within an image best first, as added."""
        ids, values = joined(self.found_ids, 2), joined(self.found_values, 5)
        order = np.argsort(ids[:, 0], kind="stable")
        image, label = ids[order].T
        return Found(image, self.categories[label], values[order, :4], values[order, 4])
