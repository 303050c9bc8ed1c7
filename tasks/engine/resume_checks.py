"""Checks the checkpoint that a run resumes from; unchecked, state could be lost or silently wrong.

A resumed run ends bit-equal to an uninterrupted one, even if it stopped in the middle of an epoch, because:
- Order and augmentation are stateless: samplers.TrainBatches makes each sample a function of (seed, epoch, position).
  DataModule.train_batches() starts it at the restored epoch and skips its finished batches without reading them.
- callbacks.Reseed seeds torch (dropout) before each batch from seed, batch index and process.
- A last.ckpt within an epoch is written only after an optimiser step, in on_train_batch_end (StopOnSignal, SaveOften).
  StopOnSignal.save_between_steps, while the next batch is awaited, first sets Lightning's counters back to that point.
- Lightning restores weights, optimiser, schedule and loop counters; averaging.py the average and its step count;
  WatchLoss.state_dict() the first loss and the epoch's running sum, so that the same loss counts as exploded.
- pace.py refuses a change of steps per epoch, processes, batch size or images within an epoch; between epochs it
  rescales the counters, and the run is then no longer bit-equal.
"""

import copy
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from torch import Tensor

from backbones.torch_file import check_sound
from tasks.checkpoint.checkpoint import check_fit
from tasks.checkpoint.digest import check_digest
from tasks.common.errors import LAST, UserError
from tasks.engine.learner import Learner
from tasks.engine.schedules import ANY_LENGTH

NEEDED = {"optimizer_states": "optimiser", "lr_schedulers": "schedule", "loops": "loops", "callbacks": "callbacks"}
AVERAGED = {"current_model_state": "weights beside their average", "averaging_state": "average's count"}


def check_resumable(checkpoint: Mapping[str, Any], path: str | Path, averaged: bool) -> None:
    """Check that a checkpoint has all the state needed to resume, unchanged since it was saved.

    Args:
        averaged: whether the run keeps an average of its weights.

    Raises:
        UserError: if state is missing or was changed.
    """
    needed = NEEDED | (AVERAGED if averaged else {})
    lacking = [what for key, what in needed.items() if key not in checkpoint]
    foreign = "converted" in checkpoint["mobilevision"]
    if lacking or foreign:
        last = Path(path).with_name(LAST)
        there = last.is_file() and last != Path(path) and not foreign
        why = "it is of another command" if foreign else f"it has no {', '.join(lacking)}"
        if set(lacking) == set(needed.values()):
            why = "it holds weights alone"
        raise UserError(
            f"resume={path}: not the last.ckpt of a run of this command ({why}); "
            + (f"resume={last} goes on, " if there else "")
            + f"checkpoint={path} starts anew from its weights"
        )
    check_digest(checkpoint, "training", path)


def epochs_done(checkpoint: Mapping[str, Any], path: str | Path, max_epochs: int) -> int:
    """Number of completed epochs.

    Raises:
        UserError: if it exceeds `max_epochs`.
    """
    done = int(checkpoint["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"])
    if done > max_epochs:
        raise UserError(
            f"trainer.max_epochs={max_epochs}: resume={path} has {done} epochs behind it; a run can only be made longer"
        )
    return done


def check_state(checkpoint: Mapping[str, Any], path: str | Path, learner: Learner, trainer: Trainer) -> None:
    """Check that a checkpoint's state fits the run, entry by entry, before Lightning loads it.

    Raises:
        UserError: for the first entry of a wrong type or shape, with its name.
    """
    ours = learner.state_dict()
    optimizer = learner.make_optimizer()
    assert learner.scheduler is not None
    wanted = {
        "loops": {"fit_loop": trainer.fit_loop.state_dict()},
        "lr_schedulers": [learner.scheduler(optimizer, ANY_LENGTH).state_dict()],
        "callbacks": {},
        "pytorch-lightning_version": "",
        "epoch": 0,
        "global_step": 0,
    }
    wrong = next(
        (found for key, entry in wanted.items() if (found := first_difference(checkpoint.get(key), entry, key))), ""
    )
    wrong = wrong or wrong_callback(checkpoint["callbacks"])
    wrong = wrong or differs_in_optimizer(checkpoint["optimizer_states"], optimizer)
    if not wrong and not re.match(
        r"\d+\.\d+(\.\d+)?((a|b|rc|\.post|\.?dev)\d+)*$", checkpoint["pytorch-lightning_version"]
    ):
        wrong = "pytorch-lightning_version"
    if not wrong and "current_model_state" in checkpoint:
        state, count = checkpoint["current_model_state"], checkpoint.get("averaging_state")
        wrong = first_difference(state, ours, "current_model_state") or first_difference(
            count, {"n_averaged": torch.tensor(0)}, "averaging_state"
        )
        wrong = wrong or first_difference(
            checkpoint["callbacks"].get("AverageWeights"), {"latest_update_step": 0}, "callbacks.AverageWeights"
        )
    if wrong:
        raise UserError(f"resume={path} is damaged: its {wrong} is not what this run goes on with")
    check_fit(ours, checkpoint["state_dict"], path)
    check_fit(ours, checkpoint.get("current_model_state", ours), path)
    moments = checkpoint["optimizer_states"][0]["state"]
    try:
        check_sound(checkpoint.get("current_model_state", {}), path)
        for number, entries in moments.items():
            check_sound(
                {f"optimizer_states.{number}.{k}": v for k, v in entries.items() if isinstance(v, Tensor)}, path
            )
    except ValueError as error:
        raise UserError(str(error)) from error


def wrong_callback(callbacks: Mapping[Any, Any]) -> str:
    """Key of the first invalid callback state, or ''."""
    for name, state in callbacks.items():
        named = isinstance(name, str) and isinstance(state, dict)
        if not named or (name.startswith("Best{") and "best_model_score" not in state):
            return f"callbacks.{name}"
    return ""


def first_difference(theirs: object, ours: object, where: str) -> str:
    """Path of the first key of ours that is missing, or has a value of another type or shape; '' if none."""
    if isinstance(ours, Mapping):
        if not isinstance(theirs, Mapping):
            return where
        inside = ((f"{where}.{key}", theirs.get(key), value) for key, value in ours.items())
        return next((found for name, a, b in inside if (found := first_difference(a, b, name))), "")
    if isinstance(ours, list | tuple):
        if not isinstance(theirs, list | tuple) or len(theirs) != len(ours):
            return where
        pairs = enumerate(zip(theirs, ours, strict=True))
        return next((found for n, (a, b) in pairs if (found := first_difference(a, b, f"{where}.{n}"))), "")
    if isinstance(ours, Tensor):
        return "" if isinstance(theirs, Tensor) and theirs.shape == ours.shape else where
    kinds = (int, float) if isinstance(ours, int | float) and not isinstance(ours, bool) else type(ours)
    return "" if ours is None or isinstance(theirs, kinds) else where


def differs_in_optimizer(states: object, optimizer: torch.optim.Optimizer) -> str:
    """Path of the first entry of a saved optimiser state that does not match this optimiser, or ''."""
    groups = optimizer.state_dict()["param_groups"]
    wanted = [{"state": {}, "param_groups": [{"params": group["params"], "lr": 0.0} for group in groups]}]
    if wrong := first_difference(states, wanted, "optimizer_states"):
        return wrong
    assert isinstance(states, list | tuple)
    (saved,) = states
    for theirs, mine in zip(saved["param_groups"], groups, strict=True):
        if theirs["params"] != mine["params"] or mine.keys() - theirs.keys():
            return "optimizer_states.0.param_groups"
        if wrong := first_difference(theirs, mine, "optimizer_states.0.param_groups"):
            return wrong
    kept = [
        (parameter, state)
        for group in optimizer.param_groups
        if group["params"]
        for state in [state_after_a_step(optimizer, group)]
        for parameter in group["params"]
    ]
    if not saved["state"] and any(state for _, state in kept):
        return "optimizer_states.0.state"
    for number, entries in saved["state"].items():
        where = f"optimizer_states.0.state.{number}"
        if type(number) is not int or not 0 <= number < len(kept) or not isinstance(entries, Mapping):
            return where
        parameter, state = kept[number]
        if wrong := next((name for name, kind in state.items() if not is_kept(entries.get(name), kind, parameter)), ""):
            return f"{where}.{wrong}"
        for name, value in entries.items():
            fits = value.ndim == 0 or value.shape == parameter.shape if isinstance(value, Tensor) else value is None
            if not fits and not isinstance(value, int | float):
                return f"{where}.{name}"
    return ""


PROBE = (2, 3)  # a shape that no step counter has


def state_after_a_step(optimizer: torch.optim.Optimizer, group: Mapping[str, Any]) -> dict[str, Any]:
    """State that an optimiser keeps for one parameter of a group, by name, probed with a parameter of shape PROBE."""
    probe = torch.nn.Parameter(torch.zeros(PROBE, device=group["params"][0].device))
    probe.grad = torch.zeros_like(probe)
    alike = copy.copy(optimizer)
    alike.state, alike.param_groups = defaultdict(dict), [{**group, "params": [probe]}]
    alike.step()
    return dict(alike.state[probe])


def is_kept(value: object, kind: object, parameter: Tensor) -> bool:
    """Whether a saved entry has the type and shape that the optimiser keeps for a parameter.

    Args:
        kind: the entry in state_after_a_step().
    """
    if not isinstance(kind, Tensor):
        return kind is None or isinstance(value, int | float | Tensor)
    if not isinstance(value, Tensor):
        return kind.ndim == 0 and isinstance(value, int | float)
    return value.shape == (parameter.shape if kind.shape == PROBE else kind.shape)
