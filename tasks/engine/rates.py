"""What learns, and how fast: the rates of heads and backbone, lines about them when training starts, and about keys
that change nothing here."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from tasks.engine.finetune import Finetune
from tasks.engine.freezing import loaded_norms
from tasks.engine.learner import Learner
from tasks.engine.parameter_groups import ParameterGroup, block_number, blocks_of, first_step

OF_TRAINED_BACKBONE = {
    *("finetune.thaw", "finetune.warmup", "finetune.frozen_until"),
    *("optimizer.backbone", "optimizer.layer_decay"),
}  # keys that nothing reads once the backbone is frozen
Group = Mapping[str, Any]  # of an optimiser
NORMS = {
    "train": "trained",
    "keep": "statistics as loaded",
    "adapt": "statistics adapt",
    "reestimate": "trained, statistics estimated again at the end",
}


def current_rates(groups: Sequence[Group]) -> dict[str, float]:
    """The heads' learning rate, as "train/lr", and the fastest of the backbone if its blocks have groups of their own.

    Without anything else to train, "train/lr" is the fastest of all.
    """
    used = [group for group in groups if group["params"]]
    slowed = [group for group in used if has_own_rate(group)]
    fast = [group for group in used if not has_own_rate(group)] or slowed
    found = {"train/lr": max(group["lr"] for group in fast)}
    return found | ({"train/lr/backbone": max(group["lr"] for group in slowed)} if slowed else {})


def has_own_rate(group: Group) -> bool:
    """Whether a group learns otherwise than a head does."""
    own = ParameterGroup.of(group)
    return own.lr_scale != 1 or own.thaw_at > 0


def learns(learner: Learner, groups: Sequence[Group]) -> str:
    """A line on what is trained at which rate before the schedule, and what is frozen; '' if all parts learn alike.

    Args:
        groups: of the optimiser of a learner that knows its steps.
    """
    frozen = [name for name, parameter in learner.named_parameters() if not parameter.requires_grad]
    norms = learner.finetune.norms
    if not frozen and norms == "train" and not any(map(has_own_rate, groups)):
        return ""
    names = {parameter: name for name, parameter in learner.named_parameters()}
    group_of = {names[parameter]: group for group in groups for parameter in group["params"]}
    entries = [heads(group_of), blocks(learner, group_of)]
    if "backbone" in learner.frozen:
        backbone = list(learner.backbone.parameters())
        fixed, every = (sum(p.numel() for p in each) for each in (backbone, learner.parameters()))
        entries.append(f"frozen: the backbone ({fixed / 1e6:.2f}M of {every / 1e6:.2f}M params), statistics as loaded")
    else:
        numbers = sorted({block_of(learner, name) for name in frozen if name.startswith("backbone.")})
        entries.append(f"frozen: blocks {span(numbers)}, statistics as loaded" if numbers else "")
        entries.append(f"batch norm: {NORMS[norms]}")
    if other := sorted(learner.frozen - {"backbone"}):
        entries.append(f"frozen: {', '.join(other)}")
    return "learns    " + "; ".join(filter(None, entries))


def without_effect(learner: Learner, asked: Finetune, typed: Collection[str]) -> Iterator[str]:
    """Lines on what was asked for and changes nothing with this network.

    Args:
        learner: after freezing.
        asked: the settings that it was built from.
        typed: keys on the command line.
    """
    frozen = "backbone" in learner.frozen
    if frozen and (idle := OF_TRAINED_BACKBONE.intersection(typed)):
        yield f"{', '.join(sorted(idle))}: nothing changes by it, as the backbone is frozen"
    if asked.layer_decay != learner.finetune.layer_decay:
        yield (
            f"optimizer.layer_decay=1, not {asked.layer_decay}: this backbone is a single block, which "
            "optimizer.backbone=… slows"
        )
    if asked.norms != "train" and not loaded_norms(learner):
        why = "the backbone is frozen, its statistics too" if frozen else "there is no such layer"
        yield f"finetune.norms={asked.norms} changes nothing: {why}"


def heads(group_of: Mapping[str, Group]) -> str:
    """The heads' entry: one rate if they share it, as they do unless one is frozen."""
    rates = {name.split(".")[1]: rate(group) for name, group in group_of.items() if name.startswith("tasks.")}
    if len(set(rates.values())) == 1:
        return f"{'heads' if len(rates) > 1 else 'head'} {ranged(rates.values())}"
    return ", ".join(f"{name} {value:.2g}" for name, value in rates.items())


def blocks(learner: Learner, group_of: Mapping[str, Group]) -> str:
    """The backbone's entry: its trained blocks with their rates, from the slowest, and when they start to learn."""
    own = {name: group for name, group in group_of.items() if name.startswith("backbone.")}
    loaded = {name: group for name, group in own.items() if name not in learner.reinitialized}
    entries = []
    if loaded:
        numbers = sorted({block_of(learner, name) for name in loaded})
        where = f" blocks {span(numbers)}" if len(blocks_of(learner.backbone)) > 1 else ""
        steps = sorted({first_step(ParameterGroup.of(group).thaw_at, learner.steps) for group in loaded.values()})
        since = f", from step {span([steps[0], steps[-1]], ' to ')}" if steps[-1] else ""
        entries.append(f"backbone{where} {ranged(map(rate, loaded.values()))}{since}")
    if new := [rate(group) for name, group in own.items() if name in learner.reinitialized]:
        entries.append(f"new layers of the backbone {ranged(new)}")
    return "; ".join(entries)


def block_of(learner: Learner, name: str) -> int:
    """Number of the backbone's block that a tensor of the learner belongs to."""
    return block_number(name.removeprefix("backbone."), len(blocks_of(learner.backbone)))


def rate(group: Group) -> float:
    """A group's learning rate before the schedule."""
    found: float = group.get("initial_lr", group["lr"])
    return found


def ranged(rates: Iterable[float]) -> str:
    """The least and the largest rate, or the only one."""
    found = sorted(set(rates))
    return " to ".join(f"{value:.2g}" for value in dict.fromkeys((found[0], found[-1])))


def span(numbers: Sequence[int], to: str = "–") -> str:
    """The first and the last number, or the only one."""
    return to.join(str(number) for number in dict.fromkeys((numbers[0], numbers[-1])))
