"""Image classification as a task."""

import csv
import math
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
from tasks.classify.draw import RightAndWrong
from tasks.classify.info import INFO
from tasks.classify.loss import ImageCrossEntropy
from tasks.classify.mix import Mix
from tasks.classify.output import ClassifyOutput
from tasks.classify.page import curves, sheet
from tasks.classify.scores import ClassifyScores
from tasks.common.distillation import divergence
from tasks.common.errors import UserError
from tasks.common.labels import is_number
from tasks.common.output import Found
from tasks.common.records import Record
from tasks.common.task import Task


class ClassifyTask(Task):
    """A class for every image.

    Args:
        features: what the backbone announces.
        head: builds the head: `head(features, num_classes)`, giving logits (N, classes).
        loss: `loss(logits, target)` with class numbers (N) or shares of each class (N, classes).
        mix: blends training images; None for none.
        mirror: whether to average the logits of an image and its mirror image, when scoring and predicting. Papers'
            scores are without.
        calibrate: whether each validation finds a temperature for the logits (tasks/common/calibration.py). A
            checkpoint stores that of its weights; predictions and exported files then apply it.
        classes: names in the order of the labels.
    """

    info = INFO

    def __init__(
        self,
        features: Mapping[str, Feature],
        head: Callable[[Mapping[str, Feature], int], Head],
        loss: nn.Module,
        mix: Mix | None,
        classes: Sequence[str],
        mirror: bool = False,
        calibrate: bool = False,
    ) -> None:
        super().__init__()
        self.mirror, self.calibrates = mirror, calibrate
        self.temperature: float | None = None  # of the weights that were last validated, for their checkpoint
        self.class_names = [str(name) for name in classes]
        self.output: ClassifyOutput = ClassifyOutput(self.class_names)
        self.head = head(features, len(self.class_names))
        if not isinstance(self.head, ClassificationHead):
            raise ValueError(f"{type(self.head).__name__} gives no logits for a whole image; use head=classification")
        if isinstance(loss, ImageCrossEntropy):
            loss.check_classes(len(self.class_names))
        self.criterion, self.mixer = loss, mix

    def prepare(self, samples: Any) -> None:
        """Count the training images of each class if the loss weighs classes."""
        if isinstance(self.criterion, ImageCrossEntropy) and self.criterion.balance:
            numbers = torch.from_numpy(samples.class_labels())
            self.criterion.weigh(torch.bincount(numbers, minlength=len(self.class_names)))

    @property
    def blends(self) -> bool:
        return self.mixer is not None and bool(self.mixer.kinds)

    def mix(self, batch: Mapping[str, Any], done: float) -> Mapping[str, Any]:
        """Apply mixup or CutMix as the task's settings say."""
        if self.mixer is None or done >= self.mixer.until:
            return batch
        images, target = self.mixer(batch["image"], batch[self.target], len(self.class_names))
        return {**batch, "image": images, self.target: target}

    def loss(self, outputs: Tensor, batch: Mapping[str, Any]) -> Tensor:
        result: Tensor = self.criterion(outputs, batch[self.target])
        return result

    def distance(self, outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """The divergence of the softened classes, averaged over the images."""
        return divergence(outputs, teacher, temperature, dim=1).mean()

    def predict(self, outputs: Tensor, _size: tuple[int, int], _places: Places | None = None) -> Tensor:
        """The logits (N, classes): probabilities would lose their order if they underflow or round to equal values."""
        return outputs.float()

    def tensors(self, outputs: Tensor, _size: tuple[int, int], form: str) -> dict[str, Tensor]:
        """`logits` (N, classes), or decoded to `probabilities` (N, classes)."""
        if form == "raw":
            return {"logits": outputs}
        temperature = self.output.temperature
        return {"probabilities": (outputs if temperature is None else outputs / temperature).softmax(1)}

    def from_tensors(
        self, tensors: Mapping[str, Tensor], form: str, _size: tuple[int, int], _places: Places | None = None
    ) -> Tensor:
        """The logits, or from probabilities the same up to a constant of each image."""
        if form == "raw":
            return tensors["logits"].float()
        logits = tensors["probabilities"].clamp(min=torch.finfo(torch.float32).tiny).log()
        return logits if self.output.temperature is None else logits * self.output.temperature

    def recipe(self, _size: tuple[int, int]) -> dict[str, Any]:
        temperature = self.output.temperature
        return {"classes": self.class_names} | ({} if temperature is None else {"temperature": temperature})

    def metric(self) -> ClassifyScores:
        return ClassifyScores(self.output, self.calibrates)

    def calibrate(self, metric: Metric) -> None:
        """Keep the temperature of the validated weights for their checkpoint."""
        assert isinstance(metric, ClassifyScores)
        self.temperature = metric.temperature

    def recall(self, metadata: Mapping[str, Any]) -> None:
        """Apply a checkpoint's temperature from here on, unless the configuration says not to.

        Raises:
            UserError: for a temperature that is no finite number above 0.
        """
        value = metadata.get("temperature")
        if value is not None and not (is_number(value) and 0 < value < math.inf):
            raise UserError(f"the checkpoint's temperature {value!r} is no number above 0: the file was changed")
        self.temperature = self.output.temperature = float(value) if self.calibrates and value is not None else None

    def gallery(self, count: int, images: Sequence[int]) -> RightAndWrong:
        return RightAndWrong(count, images, self.class_names, self.target, self.output.temperature or 1.0)

    def results(self, metric: Metric, folder: Path, _pictures: Path | None) -> list[str]:
        """Write classes.csv: precision, recall, F1 and AUROC of each class, the lowest F1 first."""
        assert isinstance(metric, ClassifyScores)
        path = folder / "classes.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(
                ["class", "images", "precision", "recall", "F1", "AUROC", "AUROC_SE", "right", "wrong", "missed"]
            )
            for each in sorted(metric.classes, key=lambda each: (each.f1 is None, each.f1, each.name)):
                table.writerow(["" if value is None else value for value in each])
        return [f"classes   {path} (precision, recall, F1 and AUROC of each, the lowest F1 first)"]

    def curves(self, metric: Metric) -> dict[str, Any]:
        assert isinstance(metric, ClassifyScores)
        return {} if metric.ranking is None else curves(metric.ranking, self.class_names, self.output.temperature)

    def sheet(self, images: Tensor, target: Any, names: Sequence[str]) -> Record | None:
        return sheet(images, target, names, self.class_names)

    def found(self, prediction: Tensor) -> Found:
        return {"logits": prediction[0].cpu().numpy()}

    def metadata(self) -> dict[str, Any]:
        known = {} if self.temperature is None else {"temperature": self.temperature}
        return {"target": self.target, "classes": self.class_names} | known
