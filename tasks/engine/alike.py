"""The processes of a training are started alike: same settings, same images, same versions, same code.

Nothing else notices: gradients are averaged whatever they are of, so that another rate on one machine gives weights
that drift apart, and another number of batches waits for ever.
"""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from tasks.common.errors import UserError
from tasks.config.overrides import leaves, resume_signature
from tasks.config.tree import resolved, select
from tasks.data.loading.splits import Splits
from tasks.engine.report import versions
from tasks.engine.settings import Run

ROOMS = ("backbones", "heads", "tasks")
NAMES = 64  # images of a split whose names are compared
OWN = ("devices", "num_nodes", "default_root_dir")  # of the trainer: may differ, as Lightning checks them itself
MORE = ("stop_after", "data.batch_size", "trainer.accumulate_grad_batches", "saving.minutes", "compile")


class StartedAlike(Callback):
    """Compares what the processes have been started with, before the first step.

    Args:
        found: see started_with().

    Raises:
        UserError: in all processes, with the first entry that differs.
    """

    def __init__(self, found: Mapping[str, str]) -> None:
        self.found = dict(found)

    def setup(self, trainer: Trainer, _module: LightningModule, stage: str) -> None:
        """Once processes can talk to each other."""
        if stage != "fit" or trainer.world_size == 1:
            return
        parts: list[Any] = [None] * trainer.world_size
        torch.distributed.all_gather_object(parts, self.found | code())
        if message := difference(parts):
            raise UserError(message)


def started_with(run: Run, splits: Splits) -> dict[str, str]:
    """What decides a training, by name, as text; no paths, which are each machine's own."""
    whole = resolved(run.stored, run.output_dir)
    found = {key: str(value) for key, value in resume_signature(run.stored).items()}
    found |= {key: str(value) for key, value in leaves(whole["trainer"], "trainer") if key.split(".")[1] not in OWN}
    found |= {key: str(select(whole, key)) for key in MORE}
    for name, samples in (("training", splits.train), ("validation", splits.val)):
        if samples is not None:
            found[f"{name} images"] = f"{len(samples):,}"
            places = range(0, len(samples), max(1, len(samples) // NAMES))
            found |= {f"{name} image {place}": samples.name(place) for place in places}
    return found | {f"version of {name}": text for name, text in versions().items()}


def code(root: Path = Path(__file__).parents[2]) -> dict[str, str]:
    """What each of our Python files says, as eight digits; the ends of lines do not count.

    Machines with a working copy each have equal versions while one of them has not been updated.
    """
    files = sorted(file for room in ROOMS for file in (root / room).rglob("[!.]*.py"))  # editors' locks are .#….py
    read = {file.relative_to(root).as_posix(): file.read_bytes().replace(b"\r\n", b"\n") for file in files}
    return {f"code of {name}": hashlib.sha256(text).hexdigest()[:8] for name, text in read.items()}


def difference(parts: Sequence[Mapping[str, str]]) -> str:
    """What the first process that was started otherwise has; '' if there is none."""
    first = parts[0]
    for rank, other in enumerate(parts):
        for key in (*first, *other):
            if first.get(key) != other.get(key):
                return (
                    f"rank {rank} of {len(parts)} was not started as rank 0: {key} is {other.get(key, 'not there')}, "
                    f"not {first.get(key, 'there')}: give all the same command, data, versions and code"
                )
    return ""
