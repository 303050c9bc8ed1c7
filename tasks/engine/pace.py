"""Steps per epoch, stored so that a resumed run keeps its schedule."""

from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch.optim.lr_scheduler import LambdaLR

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.data.loading.datamodule import DataModule

ENTRY = "run"  # key in a checkpoint


class KeepPace(Callback):
    """Saves the processes, images and steps per epoch in each checkpoint, and compares them when a run is resumed.

    Between epochs, a changed number of steps can be converted exactly: the same number of epochs is done, and the
    schedule continues from the same fraction. Within an epoch it cannot: the wrong images would be skipped. Unless each
    step has the same images, only shared out otherwise among processes and passes: then the steps that are done remain.

    Args:
        resumed: path of the checkpoint being resumed, for messages.
    """

    def __init__(self, resumed: str | None) -> None:
        self.resumed, self.rescaled = resumed, False

    def on_save_checkpoint(self, trainer: Trainer, _module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint[ENTRY] = pace(trainer)

    def on_load_checkpoint(self, trainer: Trainer, _module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Rescale the progress if the number of steps per epoch has changed.

        Raises:
            UserError: if that would not be exact, or the checkpoint's pace is invalid.
        """
        before, now = checkpoint.get(ENTRY), pace(trainer)
        if before is None:
            return
        if not is_pace(before):
            raise UserError(f"resume={self.resumed} is damaged: its {ENTRY} is not what this run goes on with")
        if before == {key: now.get(key) for key in before}:
            return
        was, here = text(before), text(now)
        fit = checkpoint["loops"]["fit_loop"]
        batches = fit["epoch_loop.batch_progress"]
        if same_steps(before, now):
            share_again(checkpoint, before, now)
            report(f"resumed from {was}; here {here}: the steps have the same images")
            return
        if not batches["is_last_batch"] and batches["current"]["ready"]:
            epoch = fit["epoch_progress"]["current"]["processed"] + 1
            raise UserError(
                f"resume={self.resumed} was stopped within epoch {epoch} of {was}; here: {here}. Within an epoch it "
                "goes on with the same alone (trainer.devices, the data, trainer.limit_train_batches); "
                f"checkpoint={self.resumed} starts anew from its weights"
            )
        if before.get("steps") == now["steps"]:
            return
        if trainer.max_steps != -1:
            raise UserError(
                f"resume={self.resumed} is of {was}; here: {here}. With trainer.max_steps its schedule counts steps, "
                "which have changed: go on with the same, or without trainer.max_steps"
            )
        rescale(checkpoint, now)
        self.rescaled = True
        report(f"resumed from {was}; here {here}: the schedule goes on from the same epoch")

    def on_train_start(self, trainer: Trainer, _module: LightningModule) -> None:
        """Set the learning rate of the next step from the schedule's new length."""
        for config in trainer.lr_scheduler_configs if self.rescaled else ():
            scheduler = config.scheduler
            assert isinstance(scheduler, LambdaLR)
            pairs = zip(scheduler.base_lrs, scheduler.lr_lambdas, strict=True)
            rates = [base * factor(scheduler.last_epoch) for base, factor in pairs]
            for group, rate in zip(scheduler.optimizer.param_groups, rates, strict=True):
                group["lr"] = rate
            scheduler._last_lr = rates


def pace(trainer: Trainer) -> dict[str, int]:
    """Number of processes and images, batch size, and batches and steps per epoch.

    Also the passes that a step accumulates, and the images of a step if an epoch has only whole steps.
    """
    data: Any = getattr(trainer, "datamodule", None)
    assert isinstance(data, DataModule) and data.train is not None
    batches = data.epoch_batches()
    return {
        "processes": trainer.world_size,
        "batch_size": data.batch_size,
        "images": len(data.train),
        "batches": batches,
        "steps": -(-batches // trainer.accumulate_grad_batches),
        "passes": trainer.accumulate_grad_batches,
        **({} if data.step is None else {"step_images": data.step}),
    }


def is_pace(found: object) -> bool:
    """Whether a checkpoint entry maps names to positive integers, as pace() returns them."""
    return isinstance(found, dict) and all(type(value) is int and 0 < value < 2**63 for value in found.values())


def text(pace: dict[str, int]) -> str:
    """Format a pace for messages."""
    found = {key: pace.get(key, 0) for key in ("steps", "processes", "batch_size", "images")}
    passes = f" × {pace['passes']}" if pace.get("passes", 1) > 1 else ""
    return "{steps} steps an epoch ({processes} × {batch_size}{passes} of {images:,} images)".format(
        **found, passes=passes
    )


def same_steps(before: dict[str, int], now: dict[str, int]) -> bool:
    """Whether the steps of two paces have the same images, so that only their sharing out differs."""
    if "step_images" not in now or any(before.get(key) != now[key] for key in ("step_images", "images", "steps")):
        return False
    seen = [pace["batches"] * pace["batch_size"] * pace["processes"] for pace in (before, now)]  # in an epoch
    return seen[0] == seen[1]


def share_again(checkpoint: dict[str, Any], before: dict[str, int], now: dict[str, int]) -> None:
    """Rewrite the batch counts in a checkpoint as if its steps had been shared out as at pace `now`."""
    progress = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    for counts in (progress["current"], progress["total"]):
        epochs, rest = divmod(counts["ready"], before["batches"])
        ready = epochs * now["batches"] + rest // before["passes"] * now["passes"]
        counts.update({key: ready - (counts["ready"] - value) for key, value in counts.items()})


def rescale(checkpoint: dict[str, Any], now: dict[str, int]) -> None:
    """Rewrite the step counts in a checkpoint as if all completed epochs had run at pace `now`."""
    fit = checkpoint["loops"]["fit_loop"]
    epochs = fit["epoch_progress"]["current"]["processed"]
    steps, batches = epochs * now["steps"], epochs * now["batches"]
    optimizer = fit["epoch_loop.automatic_optimization.optim_progress"]["optimizer"]
    for progress, per_epoch in (
        (fit["epoch_loop.batch_progress"], now["batches"]),
        (fit["epoch_loop.scheduler_progress"], now["steps"]),
        (optimizer["step"], now["steps"]),
        (optimizer["zero_grad"], now["steps"]),
    ):
        progress["current"] = dict.fromkeys(progress["current"], per_epoch)
        whole = batches if progress is fit["epoch_loop.batch_progress"] else steps
        progress["total"] = dict.fromkeys(progress["total"], whole)
    fit["epoch_loop.state_dict"]["_batches_that_stepped"] = steps
    for scheduler in checkpoint["lr_schedulers"]:
        scheduler["last_epoch"], scheduler["_step_count"] = steps, steps + 1
    if "AverageWeights" in checkpoint["callbacks"]:
        checkpoint["callbacks"]["AverageWeights"]["latest_update_step"] = steps
