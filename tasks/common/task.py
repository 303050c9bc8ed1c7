"""What a task is: a head on shared features, its loss, its prediction, its metric, its pictures."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn
from torchmetrics import Metric

from heads.base import Head
from heads.boxes import Places
from tasks.common.distillation import Distillation
from tasks.common.gallery import Gallery
from tasks.common.output import Found, Output
from tasks.common.task_info import TaskInfo


class Task(nn.Module, ABC):
    """One thing to learn from shared feature maps. It knows no trainer and no data set.

    Attributes:
        info: what is known of it without PyTorch: its name, kind of label, scores, …
        output: writes and draws what found() gives.
        mirror: whether an image is scored and predicted as itself and as its mirror image, the raw outputs averaged;
            for tasks whose outputs have no left and right. It costs a second pass.
        class_names: in the order of the class numbers.
        distillation: a teacher to learn from beside the labels; None for none.
        head: maps to raw outputs, the same in training and in inference; `head.maps` names the maps it reads.
    """

    info: ClassVar[TaskInfo]
    output: Output
    mirror: bool = False
    class_names: list[str]
    distillation: Distillation | None = None
    head: Head

    @property
    def name(self) -> str:
        """In front of the task's metrics where several tasks are trained."""
        return self.info.name

    @property
    def target(self) -> str:
        """The key of its labels in a batch."""
        return self.info.target

    @property
    def score(self) -> str:
        """The metric that says which checkpoint is best; larger is better."""
        return self.info.score

    def prepare(self, samples: Any) -> None:
        """Look at the training samples before training, for what the loss must know of them."""

    @abstractmethod
    def loss(self, outputs: Any, batch: Mapping[str, Any]) -> Tensor:
        """A scalar from the head's outputs and the batch's labels."""

    @abstractmethod
    def distance(self, outputs: Any, wanted: Any, temperature: float) -> Tensor:
        """A scalar: how far the head's outputs are from those that a teacher gives for the same images.

        Args:
            temperature: divides the logits of both sides where distributions are compared.
        """

    def check_teacher(self, teacher: "Task") -> None:
        """Raises a ValueError for a teacher whose outputs mean something else."""
        if teacher.class_names != self.class_names:
            raise ValueError(f"knows other classes ({', '.join(teacher.class_names[:5])}, …)")

    def loss_parts(self, outputs: Any, batch: Mapping[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss against the labels, and by name the terms that it is the sum of; none where it is one term."""
        return self.loss(outputs, batch), {}

    def training_loss(self, outputs: Any, batch: Mapping[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss against the labels, together with the distance to a teacher's outputs where there is a teacher.

        Returns:
            The scalar to learn from, and its terms by name, each as it counts there: `labels` and `teacher` where there
            is a teacher, and those of loss_parts().
        """
        loss, parts = self.loss_parts(outputs, batch)
        if self.distillation is None:
            return loss, parts
        wanted = self.distillation.wanted(batch["image"])
        distance, weight = self.distance(outputs, wanted, self.distillation.temperature), self.distillation.weight
        terms = {"labels": loss, **parts}
        taught = {name: (1 - weight) * term for name, term in terms.items()} | {"teacher": weight * distance}
        return self.distillation.together(loss, distance), taught

    @abstractmethod
    def predict(self, outputs: Any, size: tuple[int, int], places: Places | None = None) -> Any:
        """What a user wants, in the pixels of the images' files.

        Args:
            size: (height, width) of the images that the network saw.
            places: how the files' images lie in them; None where they are the files' images.
        """

    @abstractmethod
    def tensors(self, outputs: Any, size: tuple[int, int], form: str) -> dict[str, Tensor]:
        """What an exported file gives for the head's outputs, by name.

        Args:
            size: (height, width) of the images that the network sees.
            form: "raw" outputs; "decoded": what they mean, at the images' size; "final": what is kept of it.
        """

    @abstractmethod
    def from_tensors(
        self, tensors: Mapping[str, Tensor], form: str, size: tuple[int, int], places: Places | None = None
    ) -> Any:
        """What predict() gives, from what an exported file gives."""

    def made_of(self, _outputs: Any, _size: tuple[int, int], _places: Places | None, _map_size: tuple[int, int]) -> Any:
        """What found() was chosen from, for the task's parity rule (tasks/common/parity.py); None if it needs nothing.

        Args:
            size: (height, width) of the image that the network saw; a batch of one.
            places: of the photo in it.
            map_size: (height, width) at which a label map is made.
        """
        return None

    @abstractmethod
    def recipe(self, size: tuple[int, int]) -> dict[str, Any]:
        """What another program must know to make predictions of an exported file's tensors, as model.json has it.

        Args:
            size: (height, width) of the images that the network sees.
        """

    def truth(self, batch: Mapping[str, Any]) -> Any:
        """What a scored batch's predictions are compared with."""
        return batch[self.target]

    @abstractmethod
    def metric(self) -> Metric:
        """A fresh metric whose compute() gives the entries of metrics.json, `images` among them."""

    def calibrate(self, _metric: Metric) -> None:
        """Take from a metric after compute() what predictions are drawn by."""

    def recall(self, _card: Mapping[str, Any]) -> None:
        """Take from a checkpoint's card() what predictions are drawn by."""

    @abstractmethod
    def gallery(self, count: int, images: Sequence[int]) -> Gallery:
        """What collects about `count` of the images scored, whose numbers in the data set these are, and draws them."""

    def advice(self, _data: Any) -> str:
        """A line said before training of what the data makes hard; nothing where nothing does.

        Args:
            data: `object_sides()` gives the sides of all objects, `input_size()` the size of the images.
        """
        return ""

    @property
    def blends(self) -> bool:
        """Whether mix() changes images, which other heads' labels cannot follow."""
        return False

    def results(self, _metric: Metric, _folder: Path) -> list[str]:
        """Files that a scoring leaves beside metrics.json, from its metric after compute(); what to say of them."""
        return []

    @abstractmethod
    def found(self, prediction: Any) -> Found:
        """The prediction of one image, a batch of one, as arrays."""

    def mix(self, batch: Mapping[str, Any], _done: float) -> Mapping[str, Any]:
        """A training batch whose images are blended with each other; called where there is no other task.

        Args:
            _done: share of the training's steps.
        """
        return batch

    @abstractmethod
    def card(self) -> dict[str, Any]:
        """What a checkpoint must say so that the task can be built again (`classes`): plain lists and strings."""
