"""Our own checkpoints: what a run leaves behind, and what the next one takes from it."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from backbones.weights import read_checkpoint
from tasks.checks import check_targets
from tasks.errors import UserError

FORMAT = 1
OF_THIS_COMMAND = ("mode", "checkpoint", "resume", "weights", "input", "stop_after", "logger", "cpu", "upright")
SETTLED = ("backbone", "head", "task", "distill", "optimizer", "scheduler", "ema", "seed", "data.batch_size",
           "data.repeat", "data.augment", "data.crop", "data.progressive", "data.max_broken",
           "trainer.accumulate_grad_batches", "trainer.precision", "trainer.gradient_clip_val")  # fmt: skip
GLOBAL_GROUPS = {"experiment": ("dataset", "data", "trainer"), "recipe": ("data", "trainer"), "loss": ("task.loss",)}


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
    """Read a checkpoint of this project and check that it is one for this task.

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
    if card["task"] != task:
        raise UserError(f"{path} was trained by tasks.{card['task']}, not tasks.{task}")
    return checkpoint


def with_typed(card: Mapping[str, Any], config: DictConfig, overrides: Iterable[str]) -> DictConfig:
    """The checkpoint's configuration with what was typed on the command line on top.

    Args:
        config: the configuration composed by this command.
        overrides: what was typed: `key=value` or `group=option`.

    Raises:
        UserError: if a resumed run should go on with another network, optimiser or order of data; if the
            configuration in the checkpoint would build something that is not meant to be built.
    """
    merged = OmegaConf.create(overlaid(plain(config), card["config"]))
    begun_with = settled(merged) if config.resume is not None else {}
    typed = set(OF_THIS_COMMAND)
    for override in overrides:
        key = override.split("=", 1)[0].lstrip("+~").split("@")[0].replace("/", ".")
        if not key.startswith("hydra"):
            typed.update(GLOBAL_GROUPS.get(key, (key,)))
    for key in sorted(typed):
        OmegaConf.update(merged, key, OmegaConf.select(config, key), merge=False, force_add=True)
    goes_on_with = settled(merged) if config.resume is not None else {}
    for key, before in begun_with.items():
        if goes_on_with.get(key) != before:
            raise UserError(
                f"{key}: resume=… goes on with what the run was begun with ({before}), not {goes_on_with.get(key)}; "
                f"to start anew from its weights use checkpoint={config.resume}"
            )
    check_targets(merged)
    return merged


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
    """All weights of a checkpoint, strictly.

    Raises:
        UserError: at the first difference, with both shapes and the name.
    """
    check_fit(learner.state_dict(), checkpoint["state_dict"], path)
    learner.load_state_dict(checkpoint["state_dict"])


def start_from(
    learner: nn.Module, checkpoint: Mapping[str, Any], path: str | Path, anew: Iterable[str] = ()
) -> list[str]:
    """Weights to start a training from; last layers (`classify…`) of other classes stay new.

    Args:
        anew: names of the tasks whose classes differ; of the others, layers of another shape are made anew as well.

    Returns:
        Names of the tensors that stayed new.

    Raises:
        UserError: if anything else differs.
    """
    ours, theirs = learner.state_dict(), dict(checkpoint["state_dict"])
    new = [
        name
        for name, tensor in ours.items()
        if ".classify" in name
        and name in theirs
        and (theirs[name].shape != tensor.shape or name.startswith(tuple(f"tasks.{task}." for task in anew)))
    ]
    theirs.update((name, ours[name]) for name in new)
    check_fit(ours, theirs, path)
    learner.load_state_dict(theirs)
    return new


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
