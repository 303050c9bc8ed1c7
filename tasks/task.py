"""What a task is: a head on shared features, its loss, its prediction, its metric, its pictures."""

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn
from torchmetrics import Metric

from heads.base import Head
from heads.boxes import Places
from tasks.gallery import Gallery


class Task(nn.Module):
    """One thing to learn from shared feature maps. It knows no trainer and no data set.

    Attributes:
        name: in front of the task's metrics where several tasks are trained.
        target: the key of its labels in a batch.
        score: the metric that says which checkpoint is best; larger is better.
        mirror: whether an image is scored and predicted as itself and as its mirror image, the raw outputs averaged;
            for tasks whose outputs have no left and right. It costs a second pass.
        head: maps to raw outputs, the same in training and in inference; `head.maps` names the maps it reads.
    """

    name: ClassVar[str]
    target: ClassVar[str]
    score: ClassVar[str]
    mirror: bool = False
    head: Head

    def prepare(self, samples: Any) -> None:
        """Look at the training samples before training, for what the loss must know of them."""

    @abstractmethod
    def loss(self, outputs: Any, batch: Mapping[str, Any]) -> Tensor:
        """A scalar from the head's outputs and the batch's labels."""

    @abstractmethod
    def predict(self, outputs: Any, size: tuple[int, int]) -> Any:
        """What a user wants, for images of this (height, width)."""

    def restore(self, prediction: Any, _places: Places) -> Any:
        """A prediction in the pixels of the images' files, where the network saw them resized or padded."""
        return prediction

    def truth(self, batch: Mapping[str, Any]) -> Any:
        """What a scored batch's predictions are compared with."""
        return batch[self.target]

    @abstractmethod
    def metric(self) -> Metric:
        """A fresh metric whose compute() gives the entries of metrics.json, `images` among them."""

    @abstractmethod
    def gallery(self, count: int, images: int) -> Gallery:
        """What collects about `count` of the `images` scored and draws them."""

    def results(self, _metric: Metric, _folder: Path) -> list[str]:
        """Files that a scoring leaves beside metrics.json, from its metric after compute(); what to say of them."""
        return []

    @abstractmethod
    def write(self, image: NDArray[np.uint8], prediction: Any, folder: Path, name: Path) -> dict[str, Any]:
        """Files for one predicted image (H, W, 3), a batch of one; returns what the index says of them."""

    def summary(self, _prediction: Any) -> str:
        """A line on one predicted image for the terminal, where one line can say it."""
        return ""

    def mix(self, batch: Mapping[str, Any], _done: float) -> Mapping[str, Any]:
        """A training batch whose images are blended with each other; called where there is no other task.

        Args:
            _done: share of the training's steps.
        """
        return batch

    @abstractmethod
    def card(self) -> dict[str, Any]:
        """What a checkpoint must say so that the task can be built again (`classes`): plain lists and strings."""
