"""A network with its heads and losses for one's own training loop: a configuration, without its data and trainer."""

from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from numbers import Integral
from typing import TYPE_CHECKING, Any

from hydra import compose
from hydra.errors import HydraException
from omegaconf import open_dict
from omegaconf.errors import OmegaConfBaseException

from tasks.app.boundary import short_traceback
from tasks.app.cli import prepared
from tasks.app.interpolations import conf_folder
from tasks.app.messages import explain
from tasks.app.own_networks import drop_foreign
from tasks.app.program import words_of
from tasks.app.resolve import resolve
from tasks.common.entries import short
from tasks.common.errors import UserError
from tasks.common.plugins import take_from
from tasks.common.task_info import infos

if TYPE_CHECKING:
    from tasks.engine.learner import Learner

MOST = 100_000  # classes: ImageNet-21k has a fifth of it


@short_traceback
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
        UserError: in one line, for an option or key that does not exist, for choices that do not fit together, and for
            classes that are neither a number nor a list of different names.
    """
    words = words_of(overrides, keys)
    take_from(words)
    described = infos()
    if not isinstance(task, str) or task not in described:
        raise UserError(
            f"{short(task) or repr(task)} is no task with a head of its own; there are {', '.join(described)}"
        )
    from tasks.engine import build as engine
    from tasks.engine.weights import start

    words = prepared(task, words, list)
    try:
        with conf_folder():
            config = compose(task, words, return_hydra_config=True)
            drop_foreign(task, words, config)
            with open_dict(config):
                del config["hydra"]
            run = resolve(task, config).run
    except (HydraException, OmegaConfBaseException) as error:
        raise UserError(explain(error, words)) from None
    info = described[task]
    entries = entries_of(classes, info.classes.nameless)
    learner = engine.build(run.learner, {info.target: entries})
    start(run, learner)
    return learner


def entries_of(classes: Any, nameless: Callable[[int], list[Any]]) -> list[Any]:
    """Entries of a list of classes: with the names given, and the ids and colours of classes without names.

    Raises:
        UserError: for anything but a number of classes or a list of different names.
    """
    if isinstance(classes, Integral) and not isinstance(classes, bool):
        if not 1 <= int(classes) <= MOST:
            raise UserError(f"classes={classes}: a number of classes is from 1 to {MOST:,}")
        return nameless(int(classes))
    listed = isinstance(classes, Iterable) and not isinstance(classes, str | bytes | Mapping | Set)
    names = list(classes) if listed else []
    if not names or not all(isinstance(name, str) for name in names):
        given = names or classes
        raise UserError(f'classes={short(repr(given))}: a number of classes, or a list of their names: ["road", "sky"]')
    names = [str(name) for name in names]  # of NumPy's texts
    for place, name in enumerate(names):
        if not name.strip() or not name.isprintable():
            raise UserError(f"classes: the name {short(repr(name))} is empty or cannot be printed")
        if name in names[:place]:
            raise UserError(f"classes: the name {short(repr(name))} is there twice")
    return [
        name if isinstance(entry, str) else [name, *entry[1:]]
        for name, entry in zip(names, nameless(len(names)), strict=True)
    ]
