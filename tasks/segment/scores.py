"""Scores of segmentation with those of contours."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from tasks.common.gathering import gather, joined
from tasks.segment.boundaries import boundary_f1
from tasks.segment.miou import MeanIoU


class WithBoundaries(MeanIoU):
    """MeanIoU, and boundary F1: of each class the mean over the images in which it has a contour, and their mean.

    Unlike IoU it is not a score of the whole data set's pixels but a mean over images, as in the paper; sums are exact,
    so that the order of the images and the number of processes do not matter.

    Args:
        class_names: in the order of the class numbers.
        tolerance: of contours, as a share of an image's diagonal; 0.0075 in the paper.
    """

    boundaries: list[Tensor]  # (N, C) float64, NaN for classes without a contour in an image

    def __init__(self, class_names: Sequence[str], tolerance: float) -> None:
        super().__init__(class_names)
        self.dist_sync_fn = gather
        self.tolerance = tolerance
        self.add_state("boundaries", [], dist_reduce_fx="cat")

    def update(self, labels: Tensor, truth: Tensor) -> None:
        super().update(labels, truth)
        found, true = (each.to(torch.uint8).cpu().numpy() for each in (labels, truth))
        count = len(self.class_names)
        scores = [boundary_f1(*pair, classes=count, tolerance=self.tolerance) for pair in zip(found, true, strict=True)]
        self.boundaries.append(torch.from_numpy(np.array(scores).reshape(-1, len(self.class_names))))

    def compute(self) -> dict[str, float | int | None]:
        """As MeanIoU; and `boundary_F1` and `boundary_F1/<class>`, None for classes without a contour."""
        scores = super().compute()
        images = scores.pop("images")
        table = joined(self.boundaries, len(self.class_names))
        means: list[float | None] = []
        for column in table.T:
            seen = column[~np.isnan(column)].tolist()
            means.append(math.fsum(seen) / len(seen) if seen else None)
        known = [value for value in means if value is not None]
        scores["boundary_F1"] = math.fsum(known) / len(known) if known else None
        scores |= {f"boundary_F1/{name}": value for name, value in zip(self.class_names, means, strict=True)}
        return scores | {"images": images}
