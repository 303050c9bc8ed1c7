"""Multi-label classification as a task."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from backbones.base import Feature
from heads.base import Head
from heads.boxes import Places
from heads.classification import ClassificationHead
from tasks.common.distillation import binary_divergence
from tasks.common.output import Found
from tasks.common.records import Record
from tasks.common.task import Task
from tasks.multilabel.draw import Labelled
from tasks.multilabel.info import INFO
from tasks.multilabel.loss import BinaryCrossEntropy
from tasks.multilabel.metric import MultiLabelScores
from tasks.multilabel.output import MultiLabelOutput
from tasks.multilabel.page import curves, sheet


class MultiLabelTask(Task):
    """Any number of classes for every image.

    Args:
        features: what the backbone announces.
        head: builds the head: `head(features, num_classes)`, giving logits (N, classes).
        loss: `loss(logits, labels)` with labels (N, classes), 0 or 1.
        classes: names in the order of the labels.
        threshold: probability from which a class counts as found: in F1, predictions and pictures.
        mirror: whether to average the logits of an image and its mirror image, when scoring and predicting.
    """

    info = INFO

    def __init__(
        self,
        features: Mapping[str, Feature],
        head: Callable[[Mapping[str, Feature], int], Head],
        loss: nn.Module,
        classes: Sequence[str],
        threshold: float = 0.5,
        mirror: bool = False,
    ) -> None:
        super().__init__()
        if not 0 < threshold < 1:
            raise ValueError(f"task.threshold={threshold} must lie between 0 and 1")
        self.threshold, self.mirror = threshold, mirror
        self.class_names = [str(name) for name in classes]
        self.output = MultiLabelOutput(self.class_names, threshold)
        self.head = head(features, len(self.class_names))
        if not isinstance(self.head, ClassificationHead):
            raise ValueError(f"{type(self.head).__name__} gives no logits for a whole image; use head=classification")
        if isinstance(loss, BinaryCrossEntropy):
            loss.check_classes(len(self.class_names))
        self.criterion = loss

    def prepare(self, samples: Any) -> None:
        """Count the training images that have each class if the loss weighs them."""
        if isinstance(self.criterion, BinaryCrossEntropy) and self.criterion.balance:
            labels = torch.from_numpy(samples.label_matrix())
            self.criterion.weigh(labels.sum(0), len(labels))

    def loss(self, outputs: Tensor, batch: Mapping[str, Any]) -> Tensor:
        result: Tensor = self.criterion(outputs, batch[self.target])
        return result

    def distance(self, outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """The divergence of the softened classes, averaged over images and classes as the loss is."""
        return binary_divergence(outputs, teacher, temperature, dim=1).mean() / outputs.shape[1]

    def predict(self, outputs: Tensor, _size: tuple[int, int], _places: Places | None = None) -> Tensor:
        """The logits (N, classes): probabilities would lose their order if they round to equal values."""
        return outputs.float()

    def tensors(self, outputs: Tensor, _size: tuple[int, int], form: str) -> dict[str, Tensor]:
        """`logits` (N, classes), or decoded to `probabilities` (N, classes)."""
        return {"logits": outputs} if form == "raw" else {"probabilities": outputs.sigmoid()}

    def from_tensors(
        self, tensors: Mapping[str, Tensor], form: str, _size: tuple[int, int], _places: Places | None = None
    ) -> Tensor:
        """The logits, computed back from probabilities."""
        if form == "raw":
            return tensors["logits"].float()
        odds = tensors["probabilities"].double().clamp(torch.finfo(torch.float32).tiny, 1 - 2**-25)
        return odds.logit().float()

    def recipe(self, _size: tuple[int, int]) -> dict[str, Any]:
        return {"classes": self.class_names, "threshold": self.threshold}

    def metric(self) -> MultiLabelScores:
        return MultiLabelScores(self.class_names, self.threshold)

    def gallery(self, count: int, images: Sequence[int]) -> Labelled:
        return Labelled(count, images, self.class_names, self.target, self.threshold)

    def results(self, metric: Metric, folder: Path, _pictures: Path | None) -> list[str]:
        """Write classes.csv: each class's images, AP, F1 and AUROC, the worst first."""
        assert isinstance(metric, MultiLabelScores)
        path = folder / "classes.csv"
        order = sorted(metric.classes, key=lambda each: (each.precision is None, each.precision, each.name))
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(["class", "images", "AP", "F1", "right", "wrong", "missed", "AUROC", "AUROC_SE"])
            for each in order:
                table.writerow(["" if value is None else value for value in each])
        return [f"classes   {path} (AP, F1 and AUROC of each, the worst first)"]

    def curves(self, metric: Metric) -> dict[str, Any]:
        assert isinstance(metric, MultiLabelScores)
        return curves(*metric.ranking, self.class_names)

    def sheet(self, images: Tensor, target: Any, names: Sequence[str]) -> Record | None:
        return sheet(images, target, names, self.class_names)

    def found(self, prediction: Tensor) -> Found:
        return {"logits": prediction[0].cpu().numpy()}

    def metadata(self) -> dict[str, Any]:
        return {"target": self.target, "classes": self.class_names}
