"""Knowledge distillation (Hinton, Vinyals and Dean, 2015): learning from a teacher's outputs as well as from labels."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Distillation:
    """A teacher and its weight. Not a module: the teacher is neither trained nor saved with the student.

    Args:
        teacher: maps images (N, 3, H, W) uint8 to the raw outputs of the student's task; it is frozen here.
        weight: of the distance to the teacher; the label loss weighs the rest.
        temperature: divides the logits of both sides when distributions are compared.

    Raises:
        ValueError: if the weight is outside 0-1 or the temperature is not positive.
    """

    def __init__(self, teacher: nn.Module, *, weight: float, temperature: float) -> None:
        if not 0 <= weight <= 1:
            raise ValueError(f"distill.weight={weight} must lie between 0 and 1")
        if temperature <= 0:
            raise ValueError(f"distill.temperature={temperature} must be above 0")
        self.teacher = teacher.eval().requires_grad_(False)
        self.weight, self.temperature = weight, temperature

    def __deepcopy__(self, _memo: dict[int, Any]) -> "Distillation":
        """Copies of a student share its teacher, because it never changes."""
        return self

    def teacher_outputs(self, images: Tensor) -> Any:
        """The teacher's outputs for (N, 3, H, W) uint8 images."""
        self.teacher.to(images.device)
        with torch.no_grad():
            return self.teacher(images)

    def together(self, labels_loss: Tensor, distance: Tensor) -> Tensor:
        """Weighted sum of both losses."""
        return (1 - self.weight) * labels_loss + self.weight * distance


def divergence(student: Tensor, teacher: Tensor, temperature: float, dim: int) -> Tensor:
    """Kullback-Leibler divergence of softened distributions over classes, summed over the class dimension `dim`.

    It is multiplied by the squared temperature, as in the paper, so that the gradients keep their magnitude.

    Args:
        student, teacher: logits.
    """
    student, teacher = ((logits.float() / temperature).log_softmax(dim) for logits in (student, teacher))
    return F.kl_div(student, teacher, reduction="none", log_target=True).sum(dim) * temperature**2


def binary_divergence(student: Tensor, teacher: Tensor, temperature: float, dim: int) -> Tensor:
    """The same for independent binary classes, summed over the classes."""
    student, teacher = (logits.float() / temperature for logits in (student, teacher))
    sure = teacher.sigmoid()
    there = sure * (F.logsigmoid(teacher) - F.logsigmoid(student))
    absent = (1 - sure) * (F.logsigmoid(-teacher) - F.logsigmoid(-student))
    return (there + absent).sum(dim) * temperature**2
