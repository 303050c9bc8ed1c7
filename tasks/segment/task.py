"""Semantic segmentation as a task."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchmetrics import Metric

from backbones.base import Feature
from heads.base import Head
from heads.boxes import Places
from heads.classification import ClassificationHead
from heads.labels import labels_from_logits
from tasks.common.curves import confusion
from tasks.common.distillation import divergence
from tasks.common.errors import UserError
from tasks.common.labels import nearest
from tasks.common.output import Found
from tasks.common.records import Record
from tasks.common.task import Task
from tasks.common.views import PLAIN, View
from tasks.segment.draw import draw, resized
from tasks.segment.gallery import BestMedianWorst, about, labelled
from tasks.segment.info import INFO
from tasks.segment.loss import PixelCrossEntropy
from tasks.segment.miou import MeanIoU
from tasks.segment.output import SegmentOutput
from tasks.segment.parity import Logits
from tasks.segment.scores import WithBoundaries
from tasks.segment.views import labels_from_views

LARGEST = 4.0  # scale of a view


class SegmentTask(Task):
    """A class for every pixel.

    Args:
        features: what the backbone announces.
        head: builds the head: `head(features, num_classes)`, giving logits (N, classes, h, w).
        loss: `loss(logits, labels)` with labels (N, H, W), 255 for void.
        classes: (name, label id, colour) in the order of the train ids.
        mirror: whether scoring and prediction also see the mirror image of each view.
        scales: of the views; the probabilities of all views are averaged at the size of the files (labels_from_views).
        boundary: tolerance of boundary F1 as a share of an image's diagonal, 0.0075 in its paper; 0 for no such score.

    Raises:
        ValueError: for a scale that is not positive, above 4 or there twice.
    """

    info = INFO

    def __init__(
        self,
        features: Mapping[str, Feature],
        head: Callable[[Mapping[str, Feature], int], Head],
        loss: PixelCrossEntropy,
        classes: Sequence[Any],
        mirror: bool = False,
        scales: Sequence[float] = (1.0,),
        boundary: float = 0.0,
    ) -> None:
        super().__init__()
        self.mirror, self.scales, self.boundary = mirror, tuple(map(float, scales)), boundary
        if (
            not self.scales
            or len({*self.scales}) < len(self.scales)
            or not 0 < min(self.scales) <= max(self.scales) <= LARGEST
        ):
            raise ValueError(f"task.scales={[*scales]} must be different numbers above 0 and up to {LARGEST:g}")
        self.classes = [(str(name), int(label_id), tuple(colour)) for name, label_id, colour in classes]
        self.class_names = [name for name, _, _ in self.classes]
        self.colours = [colour for _, _, colour in self.classes]
        self.output = SegmentOutput(self.classes)
        self.head = head(features, len(classes))
        if isinstance(self.head, ClassificationHead):
            raise ValueError(
                "ClassificationHead gives no logits for each pixel; use head=lraspp or another of that kind"
            )
        self.criterion = loss

    @property
    def views(self) -> tuple[View, ...]:
        sides = (False, True) if self.mirror else (False,)
        return tuple(View(scale, mirrored) for scale in self.scales for mirrored in sides)

    def merge(self, outputs: Mapping[View, Tensor]) -> Tensor | list[Tensor]:
        """The logits of the only view, or of each view, mirrored ones turned back."""
        upright = [logits.flip(-1) if view.mirrored else logits for view, logits in outputs.items()]
        return upright if len(upright) > 1 else upright[0]

    def use_one_view(self) -> None:
        self.mirror, self.scales = False, (1.0,)

    def prepare_export(self) -> str:
        count = len(self.views)
        if self.views == (PLAIN,):
            return ""
        self.use_one_view()
        return (
            f"{self.name} in the file sees the plain image alone: task.scales and task.mirror ({count} views) are of "
            "mode=evaluate and mode=predict with the checkpoint"
        )

    def check_teacher(self, teacher: Task) -> None:
        super().check_teacher(teacher)
        teacher.use_one_view()  # its logits are compared, not its label maps

    def prepare(self, samples: Any) -> None:
        """Count the training pixels of each class if the loss weighs classes."""
        if self.criterion.balance:
            self.criterion.weigh(torch.from_numpy(samples.class_pixels(len(self.classes))))

    def loss(self, outputs: Tensor, batch: Mapping[str, Any]) -> Tensor:
        return self.loss_parts(outputs, batch)[0]

    def loss_parts(self, outputs: Tensor, batch: Mapping[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss and its terms, if it has several: `cross_entropy`, `dice`, `lovasz`."""
        terms = self.criterion.terms(outputs, batch[self.target])
        if len(terms) == 1:
            return next(iter(terms.values())), {}
        return torch.stack([*terms.values()]).sum(), terms

    def distance(self, outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        """The divergence of the softened classes, averaged over the logits' pixels, void ones included."""
        if teacher.shape[-2:] != outputs.shape[-2:]:
            teacher = F.interpolate(teacher, outputs.shape[-2:], mode="bilinear", align_corners=False)
        return divergence(outputs, teacher, temperature, dim=1).mean()

    def predict(self, outputs: Tensor | list[Tensor], size: tuple[int, int], places: Places | None = None) -> Tensor:
        """Train ids (N, H, W), uint8, at the size of the images, or straight from the logits at that of their files.

        Args:
            outputs: logits (N, C, h, w), or those of each view, see merge().

        Raises:
            ValueError: for files of several sizes, or images that do not fill the network's input.
        """
        size = size if places is None else size_of_files(places, size)
        if isinstance(outputs, list):
            return labels_from_views(outputs, size)
        return labels_from_logits(outputs.contiguous(), size)

    def tensors(self, outputs: Tensor, size: tuple[int, int], form: str) -> dict[str, Tensor]:
        """`logits` (N, C, h, w), or decoded to `labels` (N, H, W), train ids, uint8."""
        if form == "raw":
            return {"logits": outputs}
        resized = F.interpolate(outputs, size, mode="bilinear", align_corners=False)
        return {"labels": resized.argmax(1).to(torch.uint8)}

    def from_tensors(
        self, tensors: Mapping[str, Tensor], form: str, size: tuple[int, int], places: Places | None = None
    ) -> Tensor:
        if form == "raw":
            return self.predict(tensors["logits"], size, places)
        height, width = size if places is None else size_of_files(places, size)
        labels = tensors["labels"]  # (N, h, w)
        rows, columns = (
            torch.from_numpy(nearest(old, new)) for old, new in zip(labels.shape[1:], (height, width), strict=True)
        )
        return labels[:, rows][:, :, columns]

    def made_of(
        self, outputs: Tensor, _size: tuple[int, int], _places: Places | None, map_size: tuple[int, int]
    ) -> Logits:
        return Logits(outputs[0].float().cpu().numpy(), map_size)

    def recipe(self, _size: tuple[int, int]) -> dict[str, Any]:
        return {"classes": [{"name": name, "id": number, "colour": [*colour]} for name, number, colour in self.classes]}

    def metric(self) -> MeanIoU:
        return WithBoundaries(self.class_names, self.boundary) if self.boundary else MeanIoU(self.class_names)

    def gallery(self, count: int, images: Sequence[int]) -> BestMedianWorst:
        return BestMedianWorst(count, images, self.target, self.picture, self.colour_table())

    def colour_table(self) -> list[dict[str, Any]]:
        """Name and colour of each class, for the page."""
        return [{"name": name, "colour": list(colour)} for name, _, colour in self.classes]

    def picture(self, image: Tensor, prediction: Tensor, truth: Tensor | None) -> Image.Image:
        """Draw image (3, H, W) uint8 at the size of prediction (H, W), with truth and errors if there is a truth."""
        labels = prediction.cpu().numpy()
        return draw(
            resized(image.permute(1, 2, 0).cpu().numpy(), labels.shape),
            labels,
            None if truth is None else truth.cpu().numpy(),
            self.class_names,
            self.colours,
        )

    def curves(self, metric: Metric) -> dict[str, Any]:
        assert isinstance(metric, MeanIoU)
        counts = metric.matrix.cpu().numpy()
        return {
            "confusion": confusion(self.class_names, self.class_names, counts, "Pixels of all images, without void.")
        }

    def sheet(self, images: Tensor, target: Any, names: Sequence[str]) -> Record | None:
        rows = zip(images, target.cpu().numpy().astype("uint8"), names, strict=True)
        return Record(about(self.colour_table()), [labelled(image, labels, name) for image, labels, name in rows])

    def found(self, prediction: Tensor) -> Found:
        return {"labels": prediction[0].cpu().numpy()}

    def metadata(self) -> dict[str, Any]:
        return {
            "target": self.target,
            "classes": [[name, label_id, list(colour)] for name, label_id, colour in self.classes],
        }


def size_of_files(places: Places, size: tuple[int, int]) -> tuple[int, int]:
    """Common (height, width) of a batch's files, whose images must fill the input of this (height, width).

    Raises:
        UserError: if the sizes differ, or the images do not fill the input.
    """
    height, width = size
    if any(place != [0, 0, width, height] for place in places.boxes.tolist()):
        raise UserError("label maps need images that fill the network's input: use data.fit=Stretch, or none")
    sizes = sorted({(int(high), int(wide)) for high, wide in places.sizes.tolist()})
    if len(sizes) > 1:
        told = ", ".join(f"{high}×{wide}" for high, wide in sizes)
        raise UserError(f"label maps of one batch have one size, the files have several: {told}")
    return sizes[0]
