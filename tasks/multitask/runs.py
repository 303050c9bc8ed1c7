"""The trainings of a comparison, one after another, each a separate `python -m tasks.multitask` process."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tasks.common.errors import LAST, UserError
from tasks.common.processes import Pace, child, command_of, quoted, reason

SEED = "_seed_"  # between a network's name and its seed, in the name of a folder
SHARED = "shared"  # the network with all heads; each separate network is named after its head


class Runs:
    """Runs with the same overrides.

    Args:
        folder: gets a folder of results per run, and the run's output next to it as <name>.log.
        overrides: of tasks.multitask.
    """

    def __init__(self, folder: Path, overrides: Sequence[str]) -> None:
        self.folder, self.overrides = folder, list(overrides)
        self.without: dict[
            str, list[str]
        ] = {}  # overrides of a separate run: leaves out data sets that its head does not need

    def time(self, name: str, heads: Sequence[str] | None) -> Pace:
        """Measure the duration of one epoch, and of what comes before it, in a trial run of one epoch."""
        print(f"{name:9} timing an epoch", flush=True)
        folder = self.folder / "trials" / name
        self.run(folder, heads, 1, "pictures=0")
        used = read(folder / "training.json")
        return Pace(used["seconds"] - used["last_epoch_seconds"], used["last_epoch_seconds"])

    def heads_of_trial(self, name: str) -> list[str]:
        """The heads that a trial found labels for."""
        costs = read(self.folder / "trials" / name / "network.json")
        return [key for key in costs if key not in ("height", "width", SHARED)]

    def leave_out_data(self, heads: Sequence[str]) -> None:
        """Leave out data sets of a mixture that a separate network does not need, by the shared trial's checkpoint."""
        from tasks.checkpoint.checkpoint import open_checkpoint  # imports torch, which takes seconds

        metadata = open_checkpoint(self.folder / "trials" / SHARED / "checkpoints" / LAST, "multitask")["mobilevision"]
        config = metadata["config"]
        for name in heads:
            needed = metadata["tasks"][name].get("datasets") or list(config["datasets"])
            others = [other for other in config["datasets"] if other not in needed]
            keys = [f"datasets.{other}" for other in others]
            keys += [
                f"data.{key}.{other}"
                for key in ("draw", "own_augment")
                for other in others
                if other in config["data"][key]
            ]
            apart = ["batchnorm=shared"] if others and len(needed) == 1 else []
            self.without[name] = [*(f"~{key}" for key in keys), *apart]

    def train(self, name: str, heads: Sequence[str], epochs: int, seed: int | None = None) -> Path:
        """Run a whole training; return its folder.

        Args:
            seed: None for the runs' own.
        """
        folder = self.folder / (name if seed is None else f"{name}{SEED}{seed}")
        said = "" if seed is None else f", seed {seed}"
        print(f"{name:9} training {epochs} {'epochs' if epochs > 1 else 'epoch'}{said}", flush=True)
        self.run(folder, heads, epochs, *([] if seed is None else [f"seed={seed}"]))
        used = read(folder / "training.json")["seconds"]
        print(f"{'':9} done in {used / 60:.1f} minutes: {folder}", flush=True)
        return folder

    def run(self, folder: Path, heads: Sequence[str] | None, epochs: int, *more: str) -> None:
        """Train for this number of epochs without validation in between, so that the time is only the training's.

        Raises:
            UserError: if the run fails, with its own error line.
        """
        command = [
            *(*command_of("multitask"), *self.overrides),
            *([f"heads=[{','.join(heads)}]"] if heads else []),
            *self.without.get(folder.name.partition(SEED)[0], ()),
            f"trainer.max_epochs={epochs}",
            "trainer.limit_val_batches=0",
            *more,
            f"hydra.run.dir={quoted(folder)}",
        ]
        log = folder.with_suffix(".log")
        with child(command, log) as process:
            status = process.wait()
        if status:
            raise UserError(
                f"{folder.name}: {reason(log.read_text(errors='replace', encoding='utf-8'), status)} ({log})"
            )


def read(path: Path) -> Any:
    """Read a JSON file of a run."""
    return json.loads(path.read_text(encoding="utf-8"))
