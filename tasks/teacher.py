"""Teachers for knowledge distillation: our own checkpoints, or torchvision's networks."""

from collections.abc import Sequence

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from backbones.base import IMAGENET_MEAN, IMAGENET_STD
from backbones.weights import read_checkpoint, torchvision_weights
from tasks.build import build
from tasks.checkpoint import load_state, open_checkpoint
from tasks.checks import check_targets
from tasks.classify.distill import Distillation, Normalised
from tasks.errors import UserError
from tasks.learner import Learner
from tasks.start import classes_of


class Classifier(nn.Module):
    """A trained learner as images to logits."""

    def __init__(self, learner: Learner) -> None:
        super().__init__()
        self.learner = learner

    def forward(self, images: Tensor) -> Tensor:
        return self.learner(images)["classify"]


def make_distillation(config: DictConfig, classes: Sequence[str]) -> Distillation:
    """The loss of the `distill` settings for a student of these classes.

    Raises:
        UserError: for a teacher that cannot be read, or that knows other classes.
    """
    settings = config.distill
    name = str(settings.teacher)
    teacher = ours(name, classes) if name.endswith(".ckpt") else torchvisions(name, settings.weights, len(classes))
    try:
        return Distillation(teacher, weight=settings.weight, temperature=settings.temperature)
    except ValueError as error:
        raise UserError(str(error)) from error


def ours(path: str, classes: Sequence[str]) -> nn.Module:
    """The network of a checkpoint of tasks.classify."""
    checkpoint = open_checkpoint(path, "classify")
    card = checkpoint["mobilevision"]
    known = classes_of(card)
    if list(known["label"]) != list(classes):
        raise UserError(f"distill.teacher={path} knows other classes ({', '.join(known['label'][:5])}, …)")
    config = OmegaConf.create(card["config"])
    check_targets(config)
    learner = build(config, known)
    load_state(learner, checkpoint, path)
    return Classifier(learner)


def torchvisions(name: str, weights: str | None, classes: int) -> nn.Module:
    """A torchvision classification network by name, with weights by name (downloaded) or from a file."""
    from torchvision import models

    if name not in models.list_models(module=models):  # that is, of classification
        raise UserError(f"distill.teacher={name} is neither a .ckpt file nor a torchvision network (resnet50, …)")
    if weights is None:
        raise UserError(f"distill.teacher={name} needs distill.weights=<torchvision's name of the weights, or a file>")
    network = models.get_model(name, weights=None)
    try:
        file = str(weights).endswith((".pth", ".pt"))
        network.load_state_dict(dict(read_checkpoint(weights) if file else torchvision_weights(weights)))
    except (ValueError, RuntimeError) as error:
        raise UserError(f"distill.weights={weights}: {' '.join(str(error).split())}") from error
    network = Normalised(network, list(IMAGENET_MEAN), list(IMAGENET_STD)).eval()
    with torch.no_grad():
        found = network(torch.zeros(1, 3, 224, 224, dtype=torch.uint8)).shape[1]
    if found != classes:
        raise UserError(f"distill.teacher={name} has {found} classes, the data set {classes}")
    return network
