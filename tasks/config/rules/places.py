"""What may stand where: an optimiser is no backbone, a transform of albumentations does not make images of files."""

import re

from omegaconf import DictConfig

from tasks.common.errors import UserError
from tasks.config.rules.nodes import HEADS, OURS, built

PLACES = {  # what is built at a key, and the modules that have it
    "trainer": ("lightning.Trainer", "lightning.pytorch.Trainer"),
    "logger": ("lightning.pytorch.loggers.",),
    "backbone": ("backbones.",),
    "head": ("heads.",),
    "head.anchors": ("heads.anchors.",),
    "task": tuple(f"tasks.{name}.task." for name in HEADS),
    "task.loss": ("torch.nn.CrossEntropyLoss", "tasks.classify.loss.", "tasks.segment.loss.", "tasks.detect.multibox."),
    "task.mix": ("tasks.classify.mix.",),
    "task.select": ("heads.select.",),
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


def check_places(config: DictConfig) -> None:
    """Refuse a class of ours, or of the libraries, at a place that is for others. A user's own class may be anywhere.

    Raises:
        UserError: for one, with what the place is for.
    """
    for path, node in built(config):
        target = str(node._target_)
        place = re.sub(rf"^({'|'.join(HEADS)})\.(?=head|task)", "", path)
        allowed = TRANSFORMS if re.match(r"data\.(own_)?augment\.", path) else PLACES.get(place)
        if allowed and target.startswith(OURS) and not target.startswith(allowed):
            raise UserError(f"{path}: {target} does not belong there; {' or '.join(allowed)}{'…' * ends(allowed)} does")


def ends(allowed: tuple[str, ...]) -> bool:
    """Whether the last one is a module, of which any class will do."""
    return allowed[-1].endswith(".")
