"""`data.batch_size=auto`: the most images that a process's memory holds in a training step.

CUDA: real steps of a copy of the network, with more and more images until memory runs out. Elsewhere an estimate: what
the backward pass keeps for each image is counted in one step, twice that is assumed at its peak, and half of the
machine's memory, shared by its processes, may be taken. Neither touches the network or the training's random numbers.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from lightning import Trainer
from lightning.pytorch.utilities import move_data_to_device
from torch import Tensor

from tasks.common.errors import UserError, is_out_of_memory
from tasks.config.batch import counted
from tasks.engine.learner import Batch, Learner

SAFE = 0.9  # share of the device's free memory that a step may take
SHARE, PEAK = 0.5, 2.0  # of the machine's memory; of what the backward pass keeps
UNKNOWN = 4 << 30  # bytes of a machine that does not tell
TOO_FEW = "more than 1 value per channel"  # one image whose last map is 1×1 cannot be normalised
LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # of a container
MakeBatch = Callable[[int], Batch]


def images_at_once(trainer: Trainer, trial: Learner, make: MakeBatch, choices: Sequence[int], copies: int) -> int:
    """The largest of these numbers of images with which a training step fits into the memory of this process.

    Args:
        trainer: set up, whose device and precision are used.
        trial: a copy of the network, which is spent.
        make: makes a batch of so many images.
        choices: ascending.
        copies: of the weights that training keeps beside the optimiser's state.

    Raises:
        UserError: if not even the first fits.
    """
    device = trainer.strategy.root_device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        trial = trainer.precision_plugin.convert_module(trial).to(device).train()
        if device.type == "cuda":
            found = largest(choices, OnCuda(trainer, trial, make, copies, device))
        else:
            few = next(number for number in choices if number >= min(2, choices[-1]))
            most = by_estimate(trainer, trial, move_data_to_device(make(few), device), trainer.num_devices)
            found = largest(choices, lambda number: number <= most)
    if found is None:
        least = counted(choices[0], "image")
        raise UserError(f"data.batch_size=auto: memory does not hold a step of {least}: lower image_size")
    return found


def largest(choices: Sequence[int], fits: Callable[[int], bool]) -> int | None:
    """The last that fits, of ascending numbers of which all after the first misfit are too many; None if none does.

    They are tried by doubling first, and those between the last fit and the first misfit afterwards.
    """
    best, bound, last = None, None, 0
    for number in choices:
        if number < 2 * last:
            continue
        last = number
        if not fits(number):
            bound = number
            break
        best = number
    for number in choices:
        if (best is None or number > best) and (bound is None or number < bound):
            if not fits(number):
                break
            best = number
    return best


class OnCuda:
    """Whether training steps with so many images leave memory free, by making two of them.

    Args:
        copies: see images_at_once().
    """

    def __init__(self, trainer: Trainer, trial: Learner, make: MakeBatch, copies: int, device: torch.device) -> None:
        self.trainer, self.trial, self.make, self.device = trainer, trial, make, device
        weights = [weight for weight in trial.parameters() if weight.requires_grad]
        self.held = [torch.empty_like(weight) for weight in weights for _ in range(copies)]
        self.optimizer = trial.make_optimizer()
        free, _ = torch.cuda.mem_get_info(device)
        self.room = SAFE * (free + torch.cuda.memory_reserved(device))

    def __call__(self, number: int) -> bool:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)
        try:
            self.two_steps(number)
        except (RuntimeError, ValueError, MemoryError) as error:
            if TOO_FEW not in str(error) and not is_out_of_memory(error):
                raise
            return TOO_FEW in str(error)
        return torch.cuda.max_memory_reserved(self.device) <= self.room

    def two_steps(self, number: int) -> None:
        """The optimiser's state is made in the first."""
        batch = move_data_to_device(self.make(number), self.device)
        for _ in range(2):
            losses(self.trainer, self.trial, batch).backward()
            self.optimizer.step()
            self.optimizer.zero_grad(set_to_none=True)
        torch.cuda.synchronize(self.device)


def by_estimate(trainer: Trainer, trial: Learner, batch: Batch, processes: int) -> int:
    """Images whose training step a process's share of the machine's memory holds."""
    own = {weight.untyped_storage().data_ptr() for weight in (*trial.parameters(), *trial.buffers())}
    held: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            held[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        loss = losses(trainer, trial, batch)
    del loss
    each = sum(held.values()) / len(batch["image"])
    return int(SHARE * machine_memory() / max(1, processes) / (PEAK * max(each, 1.0)))


def losses(trainer: Trainer, trial: Learner, batch: Batch) -> Tensor:
    """The loss of a batch, in the training's precision."""
    with trainer.precision_plugin.forward_context():
        total: Tensor = torch.stack(list(trial.losses(batch).values())).sum()  # a balance may wait for other processes
    return total


def machine_memory() -> int:
    """Bytes of memory of this machine, or of this container if it is limited."""
    known = []
    if hasattr(os, "sysconf") and {"SC_PHYS_PAGES", "SC_PAGE_SIZE"} <= os.sysconf_names.keys():
        known.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    for path in map(Path, LIMITS):
        text = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
        known += [int(text)] if text.isdecimal() else []
    return min((number for number in known if number > 0), default=UNKNOWN)
