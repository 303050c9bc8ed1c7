"""Our own checkpoints: written by one run, loaded by the next."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from backbones.domain_norm import state_for_domains, state_of_domains
from backbones.torch_file import check_sound
from tasks.checkpoint.digest import check_digest
from tasks.checkpoint.metadata import FORMAT, check_metadata
from tasks.checkpoint.peek import check_task
from tasks.checkpoint.reading import read_file
from tasks.common.errors import UserError
from tasks.common.task_info import infos
from tasks.config.heads import of_one_head, of_several
from tasks.config.stored import checked_config

ROUNDING = "rounding."  # and of its rounding of int8 (tasks/engine/rounding), which a network in float does not have
BALANCE = "balance."  # prefix of a learner's loss-weighting tensors, which are not part of the network


def make_metadata(task: str, stored: Mapping[str, Any], tasks: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """A checkpoint's description as plain dicts, lists and strings: format, task, configuration, classes.

    Raises:
        UserError: for a class that no checkpoint may have: a name with characters that cannot be printed.
    """
    for name, metadata in tasks.items():
        wrong = [each for each in metadata.get("classes", ()) if not infos()[name].classes.in_metadata(each)]
        if wrong:
            named = wrong[0] if isinstance(wrong[0], str) else wrong[0][0]
            raise UserError(
                f"{name}: the class {named!r} has a name that is empty or cannot be printed: rename it in the data set"
            )
    entries = {name: dict(metadata) for name, metadata in tasks.items()}
    return {"format": FORMAT, "task": task, "config": copy.deepcopy(dict(stored)), "tasks": entries}


def source_of(metadata: Mapping[str, Any]) -> str | None:
    """The weights or the checkpoint that a training started from, also of one that was resumed; None without any.

    A resumed training's configuration has them no more: `started` does.
    """
    given = metadata.get("started"), *(metadata["config"].get(key) for key in ("weights", "checkpoint"))
    return next((str(source) for source in given if source), None)


def open_checkpoint(path: str | Path, task: str) -> dict[str, Any]:
    """Read a checkpoint of this project for a task, converting between multitask and single-task form if needed.

    Raises:
        UserError: as read_ours, and for a checkpoint of another task.
    """
    checkpoint = read_ours(path)
    return checkpoint if checkpoint["mobilevision"]["task"] == task else converted(checkpoint, path, task)


def read_ours(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint of this project, whatever its task; each file is read from disk once.

    Raises:
        UserError: if the file cannot be read, is not ours, is newer than this code, or has changed since it was saved;
            if checked_config refuses its configuration.
    """
    try:
        checkpoint = read_file(path)
        metadata, state = checkpoint.get("mobilevision"), checkpoint.get("state_dict")
        if not isinstance(metadata, dict) or "state_dict" not in checkpoint:
            raise UserError(f"{path} is no checkpoint of mobilevision; for torchvision's weights use weights={path}")
        check_metadata(metadata, path)
        metadata = {**metadata, "config": checked_config(metadata["config"], path)}
        if not isinstance(state, dict) or not all(isinstance(tensor, Tensor) for tensor in state.values()):
            raise UserError(f"{path} is damaged: its state_dict holds other things than tensors by name")
        check_digest(checkpoint, "weights", path)
        check_sound(state, path)
    except ValueError as error:
        raise UserError(str(error)) from error
    return {**checkpoint, "mobilevision": metadata}


def converted(checkpoint: Mapping[str, Any], path: str | Path, task: str) -> dict[str, Any]:
    """Convert one head of a multitask checkpoint to a checkpoint of its own task, or a single task's to multitask.

    Raises:
        UserError: if the checkpoint does not have that head.
    """
    metadata, state = checkpoint["mobilevision"], checkpoint["state_dict"]
    if task == "multitask":
        return {**checkpoint, "mobilevision": {**of_several(metadata), "converted": True}}
    check_task(path, task, metadata["task"], list(metadata["tasks"]))
    if metadata["config"].get("batchnorm") == "separate":
        sets = list(metadata["config"]["datasets"])
        state = state_of_domains(state, [sets.index(name) for name in metadata["tasks"][task]["datasets"]] or [0])
    return {**checkpoint, "mobilevision": {**of_one_head(metadata, task), "converted": True}, "state_dict": state}


def separate_statistics_of(metadata: Mapping[str, Any]) -> list[str]:
    """The data sets with separate batch-norm statistics in a checkpoint, in order; empty if all share one set."""
    return list(metadata["config"]["datasets"]) if metadata["config"].get("batchnorm") == "separate" else []


def for_data_sets(checkpoint: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """A checkpoint with separate statistics for these data sets; one that is missing gets those of the first.

    A checkpoint with shared statistics is unchanged.
    """
    has = separate_statistics_of(checkpoint["mobilevision"])
    if not has or has == list(names):
        return checkpoint
    numbers = [has.index(name) if name in has else 0 for name in names]
    return {**checkpoint, "state_dict": state_of_domains(checkpoint["state_dict"], numbers)}


def load_state(learner: nn.Module, checkpoint: Mapping[str, Any], path: str | Path) -> None:
    """Load all weights of a checkpoint strictly; heads that the learner does not have are ignored.

    Raises:
        UserError: at the first difference, with both shapes and the name.
    """
    ours = learner.state_dict()
    theirs = without_other_heads(ours, checkpoint)
    theirs |= {name: tensor for name, tensor in ours.items() if name.startswith(BALANCE)}  # not needed for prediction
    check_fit(ours, theirs, path)
    learner.load_state_dict(theirs)


def without_other_heads(ours: Mapping[str, Tensor], checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
    """A checkpoint's tensors without loss weighting, heads that we do not have, and layers that only they use.

    Where such a head is why a rounded result has one range, it is the range of each channel here.
    """
    heads = [f"tasks.{name}." for name in checkpoint["mobilevision"]["tasks"]]
    others = tuple(head for head in heads if not any(name.startswith(head) for name in ours))
    beyond = (ROUNDING, *(("backbone.",) if others else ()))
    kept = {
        name: tensor
        for name, tensor in checkpoint["state_dict"].items()
        if not name.startswith((*others, BALANCE)) and not (name.startswith(beyond) and name not in ours)
    }
    if others:
        kept |= {
            name: tensor.reshape(()).expand(ours[name].shape)
            for name, tensor in kept.items()
            if name.startswith(ROUNDING) and tensor.numel() == 1
        }
    return kept


def start_from(
    learner: nn.Module, checkpoint: Mapping[str, Any], path: str | Path, reinitialized: Iterable[str] = ()
) -> list[str]:
    """Load weights as the start of a training; last layers (`classify…`) of other classes stay newly initialised.

    So do heads missing in the checkpoint, with the backbone layers that only they use.

    Args:
        reinitialized: names of the tasks whose classes differ and whose last layers therefore stay new; in other tasks
            only last layers of another shape do.

    Returns:
        Names of the tensors that stayed new.

    Raises:
        UserError: if anything else differs.
    """
    ours = learner.state_dict()
    theirs = without_other_heads(ours, checkpoint)
    theirs = state_for_domains(theirs, ours)
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
        and (theirs[name].shape != tensor.shape or name.startswith(tuple(f"tasks.{task}." for task in reinitialized)))
    ]
    theirs.update((name, ours[name]) for name in new)
    theirs.update((name, tensor) for name, tensor in ours.items() if name.startswith(BALANCE))
    check_fit(ours, theirs, path)
    learner.load_state_dict(theirs)
    return [name for name in new if not name.startswith(BALANCE)]


def check_fit(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], path: str | Path) -> None:
    """Check that names and shapes are equal, and that floating-point tensors match floating-point tensors.

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
        if theirs[name].is_floating_point() != tensor.is_floating_point():
            raise UserError(f"{path} is damaged: its {name} is {theirs[name].dtype}, here {tensor.dtype}")
    extra = [name for name in theirs if name not in ours]
    if extra:
        raise UserError(
            f"{path} is of another network: nothing here takes its {extra[0]} {tuple(theirs[extra[0]].shape)}"
        )
