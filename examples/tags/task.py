"""The task: head, loss, prediction, score and pictures."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn
from torchmetrics import Metric

from backbones.base import Feature
from examples.tags.info import INFO
from examples.tags.output import TagsOutput
from heads.base import Head
from heads.boxes import Places
from tasks.common.distillation import binary_divergence
from tasks.common.gallery import EvenlySpread
from tasks.common.task import Found, Task


class TagsTask(Task):
    """Predicts any number of classes per image.

    Args:
        features: of the backbone.
        head: builds the head: `head(features, num_classes)`, which returns logits (N, classes).
        loss: `loss(logits, tags)` with tags (N, classes), 0 or 1.
        classes: names.
    """

    info = INFO

    def __init__(
        self,
        features: Mapping[str, Feature],
        head: Callable[[Mapping[str, Feature], int], Head],
        loss: nn.Module,
        classes: Sequence[str],
    ) -> None:
        super().__init__()
        self.class_names = [str(name) for name in classes]
        self.output = TagsOutput(self.class_names)
        self.head = head(features, len(self.class_names))
        self.criterion = loss

    def loss(self, outputs: Tensor, batch: Mapping[str, Any]) -> Tensor:
        return self.criterion(outputs, batch[self.target])

    def distance(self, outputs: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        return binary_divergence(outputs, teacher, temperature, dim=1).mean()

    def predict(self, outputs: Tensor, _size: tuple[int, int], _places: Places | None = None) -> Tensor:
        """The logits (N, classes)."""
        return outputs.float()

    def tensors(self, outputs: Tensor, _size: tuple[int, int], form: str) -> dict[str, Tensor]:
        return {"logits": outputs} if form == "raw" else {"probabilities": outputs.sigmoid()}

    def from_tensors(
        self, tensors: Mapping[str, Tensor], form: str, _size: tuple[int, int], _places: Places | None = None
    ) -> Tensor:
        return tensors["logits"].float() if form == "raw" else tensors["probabilities"].logit(1e-6)

    def recipe(self, _size: tuple[int, int]) -> dict[str, Any]:
        return {"classes": self.class_names}

    def metric(self) -> Metric:
        return Exact()

    def gallery(self, count: int, images: Sequence[int]) -> EvenlySpread:
        return EvenlySpread(count, images, self.target, lambda image, *_: picture(image))

    def found(self, prediction: Tensor) -> Found:
        return {"logits": prediction[0].cpu().numpy()}

    def metadata(self) -> dict[str, Any]:
        return {"target": self.target, "classes": self.class_names}


def picture(image: Tensor) -> Image.Image:
    """Convert an image (3, H, W) uint8."""
    return Image.fromarray(image.permute(1, 2, 0).cpu().numpy())


class Exact(Metric):
    """`exact`: the share of images with all tags right."""

    right: Tensor  # () int64
    images: Tensor  # () int64

    def __init__(self) -> None:
        super().__init__()
        for state in ("right", "images"):
            self.add_state(state, torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, logits: Tensor, tags: Tensor) -> None:
        self.right += ((logits > 0) == (tags > 0)).all(1).sum()
        self.images += len(tags)

    def compute(self) -> dict[str, Any]:
        images = int(self.images)
        return {"exact": int(self.right) / images if images else None, "images": images}
