"""Knowledge distillation (Hinton, Vinyals and Dean, 2015): a teacher's soft answers beside the labels."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Distillation:
    """The loss against a teacher. It is no module: the teacher is neither trained nor saved with the student.

    Args:
        teacher: images (N, 3, H, W) uint8 to logits (N, classes); it is frozen here.
        weight: of this loss; the labels' weighs the rest.
        temperature: divides both sides' logits; the loss is multiplied by its square, as in the paper.

    Raises:
        ValueError: for a weight outside 0-1 or a temperature that is not positive.
    """

    def __init__(self, teacher: nn.Module, *, weight: float, temperature: float) -> None:
        if not 0 <= weight <= 1:
            raise ValueError(f"distill.weight={weight} must lie between 0 and 1")
        if temperature <= 0:
            raise ValueError(f"distill.temperature={temperature} must be above 0")
        self.teacher = teacher.eval().requires_grad_(False)
        self.weight, self.temperature = weight, temperature

    def __call__(self, outputs: Tensor, images: Tensor, labels_loss: Tensor) -> Tensor:
        """Both losses together: outputs (N, classes), the images that gave them, and the loss against the labels."""
        self.teacher.to(images.device)
        with torch.no_grad():
            wanted = F.log_softmax(self.teacher(images).float() / self.temperature, 1)
        given = F.log_softmax(outputs.float() / self.temperature, 1)
        soft = F.kl_div(given, wanted, reduction="batchmean", log_target=True) * self.temperature**2
        return (1 - self.weight) * labels_loss + self.weight * soft


class Normalised(nn.Module):
    """A network that wants normalised floats, given uint8 images.

    Args:
        mean, std: of RGB in 0-1.
    """

    def __init__(self, network: Callable[[Tensor], Tensor], mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.network = network
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", 255 * torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        return self.network((images.float() - self.mean) / self.std)
