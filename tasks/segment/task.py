"""Semantic segmentation as a task."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from backbones.base import Feature
from heads.base import Head
from heads.classification import ClassificationHead
from heads.labels import labels_from_logits
from tasks.gallery import EvenlySpread
from tasks.segment.draw import Pixels, draw, overlay
from tasks.segment.loss import PixelCrossEntropy
from tasks.segment.miou import MeanIoU
from tasks.task import Task


class SegmentTask(Task):
    """A class for every pixel.

    Args:
        features: what the backbone announces.
        head: builds the head: `head(features, num_classes)`, giving logits (N, classes, h, w).
        loss: `loss(logits, labels)` with labels (N, H, W), 255 for void.
        classes: (name, label id, colour) in the order of the train ids.
    """

    name, target, score = "segment", "mask", "mIoU"

    def __init__(
        self,
        features: Mapping[str, Feature],
        head: Callable[[Mapping[str, Feature], int], Head],
        loss: PixelCrossEntropy,
        classes: Sequence[Any],
    ) -> None:
        super().__init__()
        self.classes = [(str(name), int(label_id), tuple(colour)) for name, label_id, colour in classes]
        self.class_names = [name for name, _, _ in self.classes]
        self.colours = [colour for _, _, colour in self.classes]
        self.head = head(features, len(classes))
        if isinstance(self.head, ClassificationHead):
            raise ValueError(
                "ClassificationHead gives no logits for each pixel; use head=lraspp or another of that kind"
            )
        self.criterion = loss

    def prepare(self, samples: Any) -> None:
        """Count the training pixels of each class where the loss weighs classes."""
        if self.criterion.balance:
            self.criterion.weigh(torch.from_numpy(samples.class_pixels(len(self.classes))))

    def loss(self, outputs: Tensor, batch: Mapping[str, Any]) -> Tensor:
        return self.criterion(outputs, batch[self.target])

    def predict(self, outputs: Tensor, size: tuple[int, int]) -> Tensor:
        """Train ids (N, H, W), uint8, at the wanted size."""
        return labels_from_logits(outputs.contiguous(), size)

    def metric(self) -> MeanIoU:
        return MeanIoU(self.class_names)

    def gallery(self, count: int, images: int) -> EvenlySpread:
        return EvenlySpread(count, images, self.target, self.picture)

    def picture(self, image: Tensor, prediction: Tensor, truth: Tensor | None) -> Image.Image:
        """Image (3, H, W) uint8, prediction, and truth and errors where there is a truth."""
        return draw(
            image.permute(1, 2, 0).cpu().numpy(),
            prediction.cpu().numpy(),
            None if truth is None else truth.cpu().numpy(),
            self.class_names,
            self.colours,
        )

    def write(self, image: Pixels, prediction: Tensor, folder: Path, name: Path) -> dict[str, Any]:
        """A label map (ids as in the data set's files) and an overlay; returns their paths."""
        labels = prediction[0].cpu().numpy()
        ids = np.array([label_id for _, label_id, _ in self.classes], np.uint8)
        paths = {kind: folder / kind / f"{name}.png" for kind in ("labels", "overlays")}
        for path in paths.values():
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(ids[labels]).save(paths["labels"])
        overlay(image, labels, self.colours).save(paths["overlays"])
        return {kind: str(path) for kind, path in paths.items()}

    def card(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "classes": [[name, label_id, list(colour)] for name, label_id, colour in self.classes],
        }
