"""Teachers for knowledge distillation: our own checkpoints, or torchvision's image classifiers."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from backbones.base import IMAGENET_MEAN, IMAGENET_STD
from backbones.errors import ImageSizeError
from backbones.sources import torchvision_weights
from backbones.torch_file import check_sound, read_checkpoint
from backbones.weight_files import OURS, WEIGHTS
from tasks.checkpoint.checkpoint import open_checkpoint
from tasks.common.distillation import Distillation
from tasks.common.errors import UserError, is_out_of_memory
from tasks.common.task import Task
from tasks.engine.learner import Learner
from tasks.engine.settings import DistillationSettings
from tasks.engine.trained import load_trained


class TeacherOutputs(nn.Module):
    """Wraps a trained single-task learner: maps images to the task's raw outputs."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, images: Tensor) -> Any:
        (outputs,) = self.learner(images).values()
        return outputs


class Normalised(nn.Module):
    """Feeds uint8 images to a network that expects normalised floats.

    Args:
        mean, std: of the RGB channels, in 0-1.
    """

    def __init__(self, network: Callable[[Tensor], Tensor], mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.network = network
        self.mean: Tensor
        self.std: Tensor
        self.register_buffer("mean", 255 * torch.tensor(mean).view(3, 1, 1))
        self.register_buffer("std", 255 * torch.tensor(std).view(3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        try:
            return self.network((images.float() - self.mean) / self.std)
        except (RuntimeError, AssertionError) as error:
            if is_out_of_memory(error):
                raise
            height, width = images.shape[-2:]
            raise ImageSizeError(f"distill.teacher refuses images of {height}×{width}: {error}") from error


def make_distillation(settings: DistillationSettings, task: Task) -> Distillation:
    """Build the configured teacher for a student's task.

    Raises:
        UserError: if the teacher cannot be read, or its outputs do not match the student's.
    """
    name = settings.teacher
    if name.endswith(OURS):
        teacher = ours(name, task)
    elif task.target == "label":
        teacher = torchvisions(name, settings.weights, len(task.class_names))
    else:
        raise UserError(f"distill.teacher={name} is not a .ckpt file of tasks.{task.name}, the only supported teacher")
    try:
        return Distillation(teacher, weight=settings.weight, temperature=settings.temperature)
    except ValueError as error:
        raise UserError(str(error)) from error


def ours(path: str, task: Task) -> nn.Module:
    """Load a teacher from one of our checkpoints of the same task."""
    learner, _ = load_trained(open_checkpoint(path, task.name), path)
    try:
        task.check_teacher(learner.task(task.name))
    except ValueError as error:
        raise UserError(f"distill.teacher={path} {error}") from error
    return TeacherOutputs(learner)


def torchvisions(name: str, weights: str | None, classes: int) -> nn.Module:
    """Load a torchvision classifier by name, with weights by name (downloaded) or from a file."""
    from torchvision import models

    if name not in models.list_models(module=models):  # classification models only
        raise UserError(f"distill.teacher={name} is neither a .ckpt file nor a torchvision network (resnet50, …)")
    if weights is None:
        raise UserError(f"distill.teacher={name} needs distill.weights=<torchvision's name of the weights, or a file>")
    network = models.get_model(name, weights=None)
    try:
        file = str(weights).endswith(WEIGHTS)
        network.load_state_dict(dict(read_checkpoint(weights) if file else torchvision_weights(weights)))
        check_sound(network.state_dict(), weights)
    except (ValueError, RuntimeError) as error:
        raise UserError(f"distill.weights={weights}: {' '.join(str(error).split())}") from error
    network = Normalised(network, list(IMAGENET_MEAN), list(IMAGENET_STD)).eval()
    with torch.no_grad():
        found = network(torch.zeros(1, 3, 224, 224, dtype=torch.uint8)).shape[1]
    if found != classes:
        raise UserError(f"distill.teacher={name} has {found} classes, the data set {classes}")
    return network
