"""Our own checkpoints: what a run leaves behind, and what the next one takes from it."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from backbones.norms import merged, spread
from backbones.weights import read_checkpoint
from tasks.checks import check_targets
from tasks.errors import UserError
from tasks.parts import BACKBONE, HEADS, of_one_head, of_several

FORMAT = 1
BALANCE = "balance."  # of a learner's tensors: how losses are weighed, not part of the network
OF_THIS_COMMAND = ("mode", "checkpoint", "resume", "weights", "input", "stop_after", "logger", "cpu", "upright")
SETTLED = ("backbone", "head", "task", *HEADS, "heads", "balance", "batchnorm", "distill", "optimizer", "scheduler",
           "ema", "seed", "data.batch_size", "data.repeat", "data.augment", "data.own_augment", "data.draw",
           "data.crop", "data.progressive", "data.max_broken", "trainer.accumulate_grad_batches", "trainer.precision",
           "trainer.gradient_clip_val")  # fmt: skip
GLOBAL_GROUPS = {
    "experiment": ("dataset", "datasets", "data", "trainer"),
    "recipe": ("data", "trainer"),
    "loss": ("task.loss",),
}


def make_card(task: str, config: DictConfig, tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """What a checkpoint says of itself, as plain dicts, lists and strings: format, task, configuration, classes."""
    cards = {name: dict(card) for name, card in tasks.items()}
    return {"format": FORMAT, "task": task, "config": plain(config), "tasks": cards}


def plain(config: DictConfig) -> Any:
    """A configuration as dicts and lists; `${oc.env:DATA_ROOT}` stays what it is, to be read where it is used."""
    return OmegaConf.to_container(config, resolve=False)


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` on `below`: keys that only a newer version knows stay, whatever is built (`_target_`) is taken whole."""
    merged = dict(below)
    for key, value in above.items():
        settings = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        whole = not settings or "_target_" in value or key == "augment"
        merged[key] = value if whole else overlaid(merged[key], value)
    return merged


def open_checkpoint(path: str | Path, task: str) -> dict[str, Any]:
    """Read a checkpoint of this project, as one of this task: one head of several may be taken, or one for several.

    Raises:
        UserError: if the file cannot be read, is not ours, is newer than this code, or of another task.
    """
    try:
        checkpoint = read_checkpoint(path)
    except ValueError as error:
        raise UserError(str(error)) from error
    card = checkpoint.get("mobilevision")
    if not isinstance(card, dict) or "state_dict" not in checkpoint:
        raise UserError(f"{path} is no checkpoint of mobilevision; for torchvision's weights use weights={path}")
    missing = {"format", "task", "config", "tasks"} - card.keys()
    if missing:
        raise UserError(f"{path} is damaged: its description lacks {', '.join(sorted(missing))}")
    if card["format"] > FORMAT:
        raise UserError(f"{path} has checkpoint format {card['format']}; this version reads up to {FORMAT}")
    return checkpoint if card["task"] == task else converted(checkpoint, path, task)


def converted(checkpoint: Mapping[str, Any], path: str | Path, task: str) -> dict[str, Any]:
    """One head of a multitask checkpoint as its own command would have left it, or a single task's for multitask.

    Raises:
        UserError: for a checkpoint without that head.
    """
    card, state = checkpoint["mobilevision"], checkpoint["state_dict"]
    if task == "multitask":
        return {**checkpoint, "mobilevision": {**of_several(card), "converted": True}}
    if card["task"] != "multitask" or task not in card["tasks"]:
        has = f" with {', '.join(card['tasks'])}" if card["task"] == "multitask" else ""
        raise UserError(f"{path} was trained by tasks.{card['task']}{has}, not tasks.{task}")
    if card["config"]["batchnorm"] == "separate":
        state = merged(state, list(card["config"]["datasets"]).index(card["tasks"][task]["datasets"][0]))
    return {**checkpoint, "mobilevision": {**of_one_head(card, task), "converted": True}, "state_dict": state}


def with_typed(card: Mapping[str, Any], config: DictConfig, overrides: Iterable[str]) -> DictConfig:
    """The checkpoint's configuration with what was typed on the command line on top.

    Args:
        config: the configuration composed by this command.
        overrides: what was typed: `key=value` or `group=option`.

    Raises:
        UserError: if a resumed run should go on with another network, optimiser or order of data; if the
            configuration in the checkpoint would build something that is not meant to be built.
    """
    together = OmegaConf.create(overlaid(plain(config), card["config"]))
    begun_with = settled(together) if config.resume is not None else {}
    typed = {*OF_THIS_COMMAND, *typed_keys(overrides)}
    for key in sorted(typed):
        OmegaConf.update(together, key, OmegaConf.select(config, key), merge=False, force_add=True)
    goes_on_with = settled(together) if config.resume is not None else {}
    for key, before in begun_with.items():
        if goes_on_with.get(key) != before:
            raise UserError(
                f"{key}: resume=… goes on with what the run was begun with ({before}), not {goes_on_with.get(key)}; "
                f"to start anew from its weights use checkpoint={config.resume}"
            )
    check_targets(together)
    return together


def typed_keys(overrides: Iterable[str]) -> set[str]:
    """Keys of the configuration that overrides on the command line decide, be it through a group's choice."""
    keys: set[str] = set()
    for override in overrides:
        group, _, package = override.split("=", 1)[0].lstrip("+~").partition("@")
        key = package or group.replace("/", ".")
        if not key.startswith("hydra"):
            keys.update(GLOBAL_GROUPS.get(key, (key,)))
    return keys


def grown(card: Mapping[str, Any], config: DictConfig, overrides: Iterable[str]) -> DictConfig:
    """The configuration to train a multitask checkpoint's network with: its backbone and heads, and what was typed.

    Whatever else the configuration says is this command's own: data, optimiser, which parts are frozen.
    """
    together = OmegaConf.create(plain(config))
    taken = [*BACKBONE, *(name for name in card["tasks"] if name in card["config"])]
    for key in taken:
        keep = {"frozen": config[key].frozen} if "frozen" in config[key] else {}
        OmegaConf.update(together, key, overlaid(plain(config[key]), card["config"][key]) | keep, merge=False)
    for key in sorted(typed_keys(overrides)):
        if key.split(".")[0] in taken:
            OmegaConf.update(together, key, OmegaConf.select(config, key), merge=False, force_add=True)
    return together


def settled(config: DictConfig) -> dict[str, Any]:
    """What a resumed run must share with its beginning, value by value, as it resolves (`${wants.output_stride}`).

    The schedule alone is taken as it is written: it may follow a length that changes.
    """
    found: dict[str, Any] = {}
    for key in SETTLED:
        value = OmegaConf.select(config, key)
        if isinstance(value, DictConfig):
            found.update(leaves(OmegaConf.to_container(value, resolve=key != "scheduler"), key))
        else:
            found[key] = value
    return found


def leaves(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """The values of nested dicts by their dotted keys."""
    if not isinstance(node, dict):
        yield key, node
        return
    for name, value in node.items():
        yield from leaves(value, f"{key}.{name}")


def load_state(learner: nn.Module, checkpoint: Mapping[str, Any], path: str | Path) -> None:
    """All weights of a checkpoint, strictly; of one with more heads, those that are wanted.

    Raises:
        UserError: at the first difference, with both shapes and the name.
    """
    ours = learner.state_dict()
    theirs = without_other_heads(ours, checkpoint)
    theirs |= {name: tensor for name, tensor in ours.items() if name.startswith(BALANCE)}  # nothing to predict with
    check_fit(ours, theirs, path)
    learner.load_state_dict(theirs)


def without_other_heads(ours: Mapping[str, Tensor], checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """The tensors of a checkpoint without its balance, the heads that are not ours, and the layers only they read."""
    heads = [f"tasks.{name}." for name in checkpoint["mobilevision"]["tasks"]]
    others = tuple(head for head in heads if not any(name.startswith(head) for name in ours))
    beyond = ("backbone.",) if others else ()
    return {
        name: tensor
        for name, tensor in checkpoint["state_dict"].items()
        if not name.startswith((*others, BALANCE)) and not (name.startswith(beyond) and name not in ours)
    }


def start_from(
    learner: nn.Module, checkpoint: Mapping[str, Any], path: str | Path, anew: Iterable[str] = ()
) -> list[str]:
    """Weights to start a training from; last layers (`classify…`) of other classes stay new.

    So do heads that the checkpoint lacks, with the layers of the backbone that only they read.

    Args:
        anew: names of the tasks whose classes differ; of the others, layers of another shape are made anew as well.

    Returns:
        Names of the tensors that stayed new.

    Raises:
        UserError: if anything else differs.
    """
    ours = learner.state_dict()
    theirs = without_other_heads(ours, checkpoint)
    theirs = spread(theirs, ours)
    has = tuple(f"tasks.{name}." for name in checkpoint["mobilevision"]["tasks"])
    grown = any(name.startswith("tasks.") and not name.startswith(has) for name in ours)
    new = [
        name
        for name in ours
        if grown and name not in theirs and (name.startswith("backbone.") or not name.startswith(has))
    ]
    new += [
        name
        for name, tensor in ours.items()
        if ".classify" in name
        and name in theirs
        and (theirs[name].shape != tensor.shape or name.startswith(tuple(f"tasks.{task}." for task in anew)))
    ]
    theirs.update((name, ours[name]) for name in new)
    theirs.update((name, tensor) for name, tensor in ours.items() if name.startswith(BALANCE))
    check_fit(ours, theirs, path)
    learner.load_state_dict(theirs)
    return [name for name in new if not name.startswith(BALANCE)]


def check_fit(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], path: str | Path) -> None:
    """Names and shapes must be the same.

    Raises:
        UserError: at the first difference.
    """
    for name, tensor in ours.items():
        if name not in theirs:
            raise UserError(f"{path} is of another network: it has no {name} {tuple(tensor.shape)}")
        if theirs[name].shape != tensor.shape:
            raise UserError(
                f"{path} is of another network: its {name} is {tuple(theirs[name].shape)}, here {tuple(tensor.shape)}"
            )
    extra = [name for name in theirs if name not in ours]
    if extra:
        raise UserError(
            f"{path} is of another network: nothing here takes its {extra[0]} {tuple(theirs[extra[0]].shape)}"
        )
