"""A network with its heads and losses for one's own training loop: a configuration, without its data and trainer."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from hydra import compose
from hydra.errors import HydraException
from omegaconf import open_dict
from omegaconf.errors import OmegaConfBaseException

from tasks.app.cli import prepared
from tasks.app.interpolations import conf_folder
from tasks.app.messages import explain
from tasks.app.own_networks import without_foreign
from tasks.app.program import words_of
from tasks.app.resolve import resolve
from tasks.common.errors import UserError
from tasks.common.task_info import infos
from tasks.config.overrides import typed_keys

if TYPE_CHECKING:
    from tasks.engine.learner import Learner


def build(task: str, classes: int | Sequence[Any], *overrides: str, **keys: Any) -> "Learner":
    """Build a backbone with a task's head and loss: a module for any training loop in PyTorch.

        >>> import torch
        >>> from mobilevision import build
        >>> network = build("segment", ["road", "sky"], backbone="mobilenet_v3_small")
        >>> images = torch.zeros(2, 3, 64, 96, dtype=torch.uint8)
        >>> mask = torch.zeros(2, 64, 96, dtype=torch.uint8)  # class numbers; 255 is void
        >>> losses = network.losses({"image": images, "mask": mask})  # {"segment": a scalar}
        >>> losses["segment"].backward()
        >>> network.eval().predictions(images, None)["segment"].shape
        torch.Size([2, 64, 96])

    `network.backbone` maps uint8 images (N, 3, H, W) to named feature maps, `network.task("segment").head` those to raw
    outputs, and `network.task("segment").loss(outputs, batch)` these to a scalar. A batch holds `image` and the labels
    of its task: `mask` (N, H, W) uint8; `label` (N) int64; `multilabel` (N, C) float32 of 0 and 1; `boxes` (N, T, 5)
    float32, absolute xyxy and class number, -1 in rows of padding.

    Args:
        task: segment, detect, classify, multilabel, or one of a plug-in.
        classes: their names, or how many there are.
        overrides: as they are typed on the command line: "backbone.width=0.5".
        keys: the same as Python values: backbone="mobilenet_v2", head={"hidden": 64}, weights="….pth".

    Raises:
        UserError: in one line, for an option or key that does not exist, and for choices that do not fit together.
    """
    described = infos()
    if task not in described:
        raise UserError(f"{task} is no task with a head of its own; there are {', '.join(described)}")
    from tasks.engine import build as engine
    from tasks.engine.weights import start

    words = prepared(task, words_of(overrides, keys), list)
    try:
        with conf_folder():
            config = compose(task, words, return_hydra_config=True)
            choices = config.hydra.runtime.choices
            with open_dict(config):
                del config["hydra"]
            list(without_foreign(task, words, choices, config, typed_keys(words)))
            run = resolve(task, config).run
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error, words)) from None
    info = described[task]
    entries = info.classes.nameless(classes) if isinstance(classes, int) else named(info.classes.nameless, classes)
    learner = engine.build(run.learner, {info.target: entries})
    start(run, learner)
    return learner


def named(nameless: Any, names: Sequence[Any]) -> list[Any]:
    """Entries of a list of classes with these names; ids and colours are those of classes without names."""
    if not names or not all(isinstance(name, str) for name in names):
        raise UserError(f"classes={list(names)}: a number of classes, or a list of their names")
    entries = nameless(len(names))
    return [name if isinstance(entry, str) else [name, *entry[1:]] for name, entry in zip(names, entries, strict=True)]
