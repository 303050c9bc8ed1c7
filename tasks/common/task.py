"""A task: a head on shared features with its loss, prediction, metric and pictures."""

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
from tasks.common.records import Record
from tasks.common.task_info import TaskInfo
from tasks.common.views import MIRRORED, PLAIN, View


class Task(nn.Module, ABC):
    """One thing to learn from shared feature maps. Independent of trainer and data set.

    Attributes:
        info: what is known without PyTorch: its name, kind of label, scores, …
        output: writes and draws what found() returns.
        mirror: horizontal-flip TTA: scoring and prediction average the raw outputs of an image and its mirror image;
            for tasks whose outputs have no left and right. It costs a second pass.
        class_names: in the order of the class numbers.
        distillation: a teacher to learn from in addition to the labels; None for none.
        head: from feature maps to raw outputs, the same in training and inference; `head.maps` names the maps it reads.
    """

    info: ClassVar[TaskInfo]
    output: Output
    mirror: bool = False
    class_names: list[str]
    distillation: Distillation | None = None
    head: Head

    @property
    def name(self) -> str:
        """Prefix of the task's metrics if several tasks are trained."""
        return self.info.name

    @property
    def target(self) -> str:
        """Key of its labels in a batch."""
        return self.info.target

    @property
    def score(self) -> str:
        """Metric that selects the best checkpoint; larger is better."""
        return self.info.score

    def prepare(self, samples: Any) -> None:
        """Called with the training samples before training, so that the loss can take statistics from them."""

    @property
    def views(self) -> Sequence[View]:
        """The views of an image that scoring and prediction run the network on."""
        return (PLAIN, MIRRORED) if self.mirror else (PLAIN,)

    def merge(self, outputs: Mapping[View, Any]) -> Any:
        """What predict() takes, from the head's outputs of each view: their mean."""
        if len(outputs) == 1:
            (only,) = outputs.values()
            return only
        return (outputs[PLAIN] + outputs[MIRRORED]) / 2

    def use_one_view(self) -> None:
        """Score and predict from the plain image alone from here on."""
        self.mirror = False

    def prepare_export(self) -> str:
        """Turn off what an exported file does not do; returns a line about it, or ''."""
        return ""

    @abstractmethod
    def loss(self, outputs: Any, batch: Mapping[str, Any]) -> Tensor:
        """A scalar loss from the head's outputs and the batch's labels."""

    @abstractmethod
    def distance(self, outputs: Any, teacher: Any, temperature: float) -> Tensor:
        """A scalar: the distance of the head's outputs from a teacher's for the same images.

        Args:
            temperature: divides the logits of both sides when distributions are compared.
        """

    def check_teacher(self, teacher: "Task") -> None:
        """Raise ValueError if the teacher's outputs mean something else."""
        if teacher.class_names != self.class_names:
            raise ValueError(f"knows other classes ({', '.join(teacher.class_names[:5])}, …)")

    def loss_parts(self, outputs: Any, batch: Mapping[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss against the labels, and the named terms that sum to it; empty if it is a single term."""
        return self.loss(outputs, batch), {}

    def training_loss(self, outputs: Any, batch: Mapping[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss against the labels, combined with the distance to the teacher's outputs if there is a teacher.

        Returns:
            The scalar to minimise, and its weighted terms by name: those of loss_parts(), and with a teacher also
            `labels` and `teacher`.
        """
        loss, parts = self.loss_parts(outputs, batch)
        if self.distillation is None:
            return loss, parts
        teacher = self.distillation.teacher_outputs(batch["image"])
        distance, weight = self.distance(outputs, teacher, self.distillation.temperature), self.distillation.weight
        terms = {"labels": loss, **parts}
        taught = {name: (1 - weight) * term for name, term in terms.items()} | {"teacher": weight * distance}
        return self.distillation.together(loss, distance), taught

    @abstractmethod
    def predict(self, outputs: Any, size: tuple[int, int], places: Places | None = None) -> Any:
        """Final predictions, in the pixels of the image files.

        Args:
            size: (height, width) of the network's input.
            places: position of the files' images in the input; None if they are the same.
        """

    @abstractmethod
    def tensors(self, outputs: Any, size: tuple[int, int], form: str) -> dict[str, Tensor]:
        """The tensors that an exported file returns for the head's outputs, by name.

        Args:
            size: (height, width) of the network's input.
            form: "raw" outputs; "decoded": their meaning, at input size; "final": the part that is kept.
        """

    @abstractmethod
    def from_tensors(
        self, tensors: Mapping[str, Tensor], form: str, size: tuple[int, int], places: Places | None = None
    ) -> Any:
        """What predict() returns, from the tensors of an exported file."""

    def made_of(self, _outputs: Any, _size: tuple[int, int], _places: Places | None, _map_size: tuple[int, int]) -> Any:
        """What found() was chosen from, for the task's parity rule (tasks/common/parity.py); None if it needs nothing.

        Args:
            size: (height, width) of the network's input; a batch of one.
            places: of the photo in it.
            map_size: (height, width) of the label map.
        """
        return None

    @abstractmethod
    def recipe(self, size: tuple[int, int]) -> dict[str, Any]:
        """What another program needs to turn an exported file's tensors into predictions, as stored in model.json.

        Args:
            size: (height, width) of the network's input.
        """

    def truth(self, batch: Mapping[str, Any]) -> Any:
        """The ground truth for the predictions of a batch."""
        return batch[self.target]

    @abstractmethod
    def metric(self) -> Metric:
        """A new metric whose compute() returns the entries of metrics.json, including `images`."""

    def calibrate(self, _metric: Metric) -> None:
        """Take the settings for drawing predictions from a metric, after compute()."""

    def recall(self, _metadata: Mapping[str, Any]) -> None:
        """Take the settings for drawing predictions from a checkpoint's metadata()."""

    @abstractmethod
    def gallery(self, count: int, images: Sequence[int]) -> Gallery:
        """A gallery that collects and draws about `count` of the scored images, given by their data-set indices."""

    def advice(self, _data: Any) -> str:
        """A line shown before training about difficulties in the data, or ''.

        Args:
            data: `object_sides()` returns the sides of all objects, `input_size()` the size of the images.
        """
        return ""

    @property
    def blends(self) -> bool:
        """Whether mix() changes images; the labels of other heads cannot follow such changes."""
        return False

    def results(self, _metric: Metric, _folder: Path, _pictures: Path | None) -> list[str]:
        """Write further result files, from the metric after compute(); returns lines about them.

        Args:
            folder: the run's; of several heads, one of this head's own within it.
            pictures: folder of this head's pictures; None if none are drawn.
        """
        return []

    def curves(self, _metric: Metric) -> dict[str, Any]:
        """What the run's page draws, from the metric after compute(): see threshold_charts() and confusion() of
        tasks/common/curves.py; {} for nothing.
        """
        return {}

    def sheet(self, _images: Tensor, _target: Any, _names: Sequence[str]) -> Record | None:
        """Training images (N, 3, H, W) uint8 with their labels as data for the run's page; None for nothing."""
        return None

    @abstractmethod
    def found(self, prediction: Any) -> Found:
        """The prediction for one image (a batch of one) as arrays."""

    def mix(self, batch: Mapping[str, Any], _done: float) -> Mapping[str, Any]:
        """A training batch whose images are blended with each other; called only if there is no other task.

        Args:
            _done: completed share of the training steps.
        """
        return batch

    @abstractmethod
    def metadata(self) -> dict[str, Any]:
        """What a checkpoint must store to rebuild the task (`classes`): plain lists and strings."""
