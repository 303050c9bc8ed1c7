"""Groups of parameters that learn alike: learning rates by block, and when each block starts to learn.

Layer-wise decay as in ELECTRA (Clark et al., 2020, appendix A) and BEiT (Bao et al., 2021, appendix): with factor d, a
block's learning rate is d times that of the block after it. Here the last block has the backbone's full share.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from backbones.base import Backbone
from tasks.engine.finetune import Finetune


class ParameterGroup(NamedTuple):
    """What parameters have in common, beside their weight decay.

    Attributes:
        lr_scale: factor of the learning rate.
        thaw_at: share of all steps before which they are not trained.
        towards_start: strength of their decay towards their start instead of 0; see towards_start.TowardsStart.
    """

    lr_scale: float = 1.0
    thaw_at: float = 0.0
    towards_start: float = 0.0

    @classmethod
    def of(cls, group: Mapping[str, Any]) -> "ParameterGroup":
        """Read from an optimiser's group."""
        return cls(*(group.get(key, usual) for key, usual in zip(STORED, ORDINARY, strict=True)))

    def stored(self) -> dict[str, float]:
        """Entries of an optimiser's group; none for an ordinary one."""
        return {} if self == ORDINARY else dict(zip(STORED, self, strict=True))


STORED = ("share", "thaw", "start")  # the fields' keys in an optimiser's groups, as in saved optimiser states
ORDINARY = ParameterGroup()


def blocks_of(backbone: Backbone) -> list[nn.Module]:
    """The blocks of a backbone from the image on; the backbone itself if it has none, as timm's."""
    return list(backbone.blocks) or [backbone]


def block_groups(backbone: Backbone, finetune: Finetune) -> list[ParameterGroup]:
    """The group of each block, from the image on. The moments of thawing are evenly spaced over the trained blocks."""
    count, begin = len(blocks_of(backbone)), frozen_blocks(backbone, finetune.frozen_until)
    first, last = finetune.thaw
    groups = []
    for number in range(count):
        blocks_after = count - 1 - number
        progress = min(1.0, blocks_after / max(1, count - 1 - begin))
        lr_scale = finetune.backbone * finetune.layer_decay**blocks_after
        groups.append(ParameterGroup(lr_scale, first + progress * (last - first)))
    return groups


def frozen_blocks(backbone: Backbone, until: str | None) -> int:
    """Number of leading blocks up to a map that leaves after a block; a block that a map leaves within is not counted.

    Raises:
        ValueError: for a map that the backbone does not have, or that nothing precedes.
    """
    if until is None:
        return 0
    if until not in backbone.all_taps or not len(backbone.blocks):
        names = ", ".join(backbone.all_taps) if len(backbone.blocks) else "none, as it is not made of blocks"
        raise ValueError(f"finetune.frozen_until={until} is not a map of this backbone; it has {names}")
    block, place = backbone.all_taps[until]
    count = block + (place == "out")
    if count == 0:
        raise ValueError(f"finetune.frozen_until={until}: this map leaves within the first block; take a later one")
    return min(count, len(backbone.blocks))


def of_blocks(backbone: Backbone, finetune: Finetune, *, typed: bool) -> Finetune:
    """The settings without a layer_decay that a backbone of one block has no use for.

    Args:
        typed: whether optimizer.layer_decay is, and not of an option such as finetune=gentle.

    Raises:
        ValueError: for one that is typed, or a map that the backbone does not have.
    """
    frozen_blocks(backbone, finetune.frozen_until)
    if finetune.layer_decay == 1 or len(blocks_of(backbone)) > 1:
        return finetune
    if typed:
        raise ValueError(
            f"optimizer.layer_decay={finetune.layer_decay}: this backbone is a single block, whose learning rate "
            "optimizer.backbone=… sets; optimizer.layer_decay=1"
        )
    return replace(finetune, layer_decay=1.0)


def groups_of(
    network: nn.Module, backbone: Backbone, finetune: Finetune, new: Collection[str]
) -> dict[nn.Parameter, ParameterGroup]:
    """The group of each parameter that does not learn like a new head's.

    Args:
        network: with `backbone` as its attribute of that name.
        new: names of the network's tensors that were not loaded; they learn like a head, from wherever they start.
    """
    blocks = block_groups(backbone, finetune)
    found: dict[nn.Parameter, ParameterGroup] = {}
    for name, parameter in network.named_parameters():
        if name in new:
            continue
        of_backbone = name.startswith("backbone.")
        group = blocks[block_number(name.removeprefix("backbone."), len(blocks))] if of_backbone else ORDINARY
        found[parameter] = group._replace(towards_start=finetune.towards_start)
    return {parameter: group for parameter, group in found.items() if group != ORDINARY}


def block_number(name: str, count: int) -> int:
    """Number of the block that a backbone's tensor belongs to; the last one for tensors outside of the blocks."""
    words = name.split(".")
    return int(words[1]) if words[0] == "blocks" and count > 1 else count - 1


def first_step(share: float, steps: int) -> int:
    """The first optimiser step, counted from 0, in which what thaws at this share of all steps is trained.

    With a share above 0 at least one step is before it, and at least one is left, as far as there are two.
    """
    return max(0, min(max(1, round(share * steps)), steps - 1)) if share else 0


def scale_rates(optimizer: Optimizer, factor: float) -> None:
    """Multiply the learning rate of each group by the factor and by its own; unchanged where both are 1."""
    for group in optimizer.param_groups:
        scale = factor * ParameterGroup.of(group).lr_scale
        if scale != 1:
            group["lr"] = group["lr"] * scale


def with_thaw(scheduler: LRScheduler, steps: int, warmup: float) -> LRScheduler:
    """Let the rate of each group that thaws be 0 before, then rise linearly to the schedule's.

    Args:
        steps: of the whole training.
        warmup: share of them in which a rate rises. With r such steps, step k = 0, 1, … after the thaw has
            (k + 1) / (r + 1) of the schedule's rate.
    """
    rise = round(warmup * steps)
    for number, group in enumerate(scheduler.optimizer.param_groups):
        thaw_at = ParameterGroup.of(group).thaw_at
        if not thaw_at:
            continue
        assert isinstance(scheduler, LambdaLR)
        scheduler.lr_lambdas[number] = risen(scheduler.lr_lambdas[number], first_step(thaw_at, steps), rise)
        group["lr"] = scheduler.base_lrs[number] * scheduler.lr_lambdas[number](scheduler.last_epoch)
        scheduler._last_lr[number] = group["lr"]
    return scheduler


def risen(factor: Callable[[int], float], begin: int, rise: int) -> Callable[[int], float]:
    """A schedule's factor by step, 0 before step `begin`, and with a linear rise after it."""
    return lambda step: 0.0 if step < begin else factor(step) * min(1.0, (step - begin + 1) / (rise + 1))
