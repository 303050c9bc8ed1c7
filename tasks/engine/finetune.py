"""Settings of a training that starts from loaded weights: what learns when, and how fast. Without torch."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from tasks.common.errors import UserError
from tasks.common.task_info import infos
from tasks.config.heads import is_multitask
from tasks.config.rules.learning import FINETUNE
from tasks.config.tree import Tree, select

# Keys of `optimizer` that are not arguments of the optimiser.
OF_OPTIMIZER = ("backbone", "layer_decay", "towards_start")
# Keys about loaded weights. The others of FINETUNE also apply to a random start.
NEED_WEIGHTS = ("finetune.name", "finetune.thaw", "finetune.frozen_until", "finetune.norms", "finetune.warmup",
                "optimizer.towards_start")  # fmt: skip


@dataclass(frozen=True)
class Finetune:
    """How the parts of a network learn. The default trains everything alike.

    Attributes:
        backbone: learning rate of the backbone's last block, as a share of optimizer.lr.
        layer_decay: factor from each block's learning rate to that of the block before it.
        towards_start: decay of loaded weights towards their start, see towards_start.TowardsStart; 0: towards 0.
        lr: factor of optimizer.lr for everything.
        thaw: shares of all steps before which the backbone's last and first block are not trained.
        warmup: share of all steps in which the learning rate of a thawed block rises.
        frozen_until: name of a feature map; the blocks up to it are never trained.
        norms: batch normalisation of the loaded backbone: train | keep | adapt | reestimate, see freezing.py, norms.py.
    """

    backbone: float = FINETUNE["optimizer.backbone"]
    layer_decay: float = FINETUNE["optimizer.layer_decay"]
    towards_start: float = FINETUNE["optimizer.towards_start"]
    lr: float = FINETUNE["finetune.lr"]
    thaw: tuple[float, float] = (FINETUNE["finetune.thaw"], FINETUNE["finetune.thaw"])
    warmup: float = FINETUNE["finetune.warmup"]
    frozen_until: str | None = FINETUNE["finetune.frozen_until"]
    norms: str = FINETUNE["finetune.norms"]

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read from a complete configuration whose values hold to their rules; older ones lack the keys."""
        section: Mapping[str, Any] = tree.get("finetune") or {}
        optimizer = {key: tree["optimizer"][key] for key in OF_OPTIMIZER if key in tree["optimizer"]}
        thaw = section.get("thaw", FINETUNE["finetune.thaw"])
        first, last = thaw if isinstance(thaw, list | tuple) else (thaw, thaw)
        given = {key: section[key] for key in ("lr", "warmup", "frozen_until", "norms") if key in section}
        return cls(**optimizer, **given, thaw=(float(first), float(last)))


def check_finetune(tree: Tree) -> None:
    """Check that keys about loaded weights fit each other and the rest of a training.

    Raises:
        UserError: for a training that loads no weights, a warm-up after no thaw, or a temperature that would be found
            before the statistics that it is for.
    """
    if tree["mode"] != "train":
        return
    rise = select(tree, "finetune.warmup")
    if rise and not any(Finetune.of(tree).thaw):
        raise UserError(f"finetune.warmup={rise} is for blocks that thaw: finetune.thaw=0.1, or scheduler.warmup=…")
    if select(tree, "finetune.norms") == "reestimate":
        parts = [f"{name}." for name in tree["heads"] or infos()] if is_multitask(tree) else [""]
        for key in (f"{part}task.calibrate" for part in parts):
            if select(tree, key):
                raise UserError(
                    f"finetune.norms=reestimate changes the logits after {key}=true has found their temperature: "
                    "leave one out"
                )
    if loads_weights(tree):
        return
    for key in NEED_WEIGHTS:
        if (value := select(tree, key)) not in (None, FINETUNE[key]):
            raise UserError(
                f"{key.removesuffix('.name')}={value} without weights to start from: weights=<file or name> or "
                "checkpoint=<file.ckpt> brings them"
            )


def loads_weights(tree: Tree) -> bool:
    """Whether a training starts from weights, of whichever kind."""
    keys = ("checkpoint", "weights", "resume", "backbone.pretrained")
    return any(select(tree, key) not in (None, False) for key in keys)
