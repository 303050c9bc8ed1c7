"""Which classes may be used where: an optimiser is not a backbone, a transform of albumentations cannot read files."""

import re

from tasks.common.errors import UserError
from tasks.common.task_info import infos
from tasks.config.rules.nodes import OURS, built
from tasks.config.tree import Tree

PLACES = {  # key to the modules or classes that may be built there
    "trainer": ("lightning.Trainer", "lightning.pytorch.Trainer"),
    "logger": ("lightning.pytorch.loggers.", "tasks.engine.loggers."),
    "backbone": ("backbones.",),
    "head": ("heads.",),
    "head.anchors": ("heads.anchors.",),
    "balance": ("tasks.engine.loss_weights.",),
    "optimizer": ("torch.optim.", "tasks.engine.optimizers."),
    "scheduler": ("tasks.engine.schedules.",),
    "dataset": ("tasks.data.",),
    "data.crop": ("tasks.data.transforms.crop.RandomResizedCrop",),
    "data.fit": (
        "tasks.data.transforms.resize.ResizeCentreCrop",
        "tasks.data.transforms.letterbox.Stretch",
        "tasks.data.transforms.letterbox.Letterbox",
    ),
}
TRANSFORMS = ("albumentations.", "tasks.data.")


def check_places(tree: Tree) -> None:
    """Refuse a class of ours or of a library at a key meant for others. The user's own classes are allowed anywhere.

    Raises:
        UserError: for the first such class, with what the key is meant for.
    """
    places = PLACES | of_tasks()
    for path, node in built(tree):
        target = str(node["_target_"])
        place = re.sub(rf"^({'|'.join(infos())})\.(?=head|task)", "", path)
        allowed = TRANSFORMS if re.match(r"data\.(own_)?augment\.", path) else places.get(place)
        if allowed and target.startswith(OURS) and not target.startswith(allowed):
            raise UserError(f"{path}: {target} does not belong there; {' or '.join(allowed)}{'…' * ends(allowed)} does")


def of_tasks() -> dict[str, tuple[str, ...]]:
    """Classes that may be built at `task` and below it, by key."""
    places: dict[str, tuple[str, ...]] = {}
    for info in infos().values():
        for key, targets in info.builds.items():
            place = f"task.{key}".rstrip(".")
            places[place] = (*places.get(place, ()), *targets)
    return places


def ends(allowed: tuple[str, ...]) -> bool:
    """Whether the last entry is a module, so that any of its classes is allowed."""
    return allowed[-1].endswith(".")
