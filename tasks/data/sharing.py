"""How batches come from data workers: by shared memory, by pipes where that is full, without workers if need be."""

import functools
import multiprocessing
import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, get_worker_info

SHARED = Path("/dev/shm")
REMEDY = "more shared memory (docker run --shm-size=2g) or fewer data.workers would help"


def shareable(batch: Any) -> Any:
    """A batch whose tensors lie in shared memory, or go through the worker's pipe if there is no room for them.

    Left to itself PyTorch moves them there in a thread of the worker that cannot report a failure: the trainer would
    wait for the batch for ever.
    """
    if get_worker_info() is None:
        return batch
    if isinstance(batch, dict):
        return {key: shareable(value) for key, value in batch.items()}
    if isinstance(batch, tuple) and not hasattr(batch, "_fields"):
        return tuple(map(shareable, batch))
    if not isinstance(batch, Tensor):
        return batch
    try:
        return batch.share_memory_()
    except RuntimeError as error:
        if not any(words in str(error) for words in ("shared memory", "unable to mmap")):
            raise
        return ByValue(batch)


class ByValue:
    """Stands in for a tensor and is pickled with its values; what is unpickled is the tensor, as it lay in memory."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __reduce__(self) -> Any:
        order = sorted(range(self.tensor.dim()), key=self.tensor.stride, reverse=True)
        return received, (self.tensor.permute(order).numpy(), order)


def received(values: Any, order: list[int]) -> Tensor:
    """The tensor of a ByValue, in the process that asked for the batch."""
    tell_full()
    tensor = torch.from_numpy(values)
    return tensor.permute([order.index(axis) for axis in range(len(order))])


@functools.cache
def tell_full() -> None:
    """Say once that batches take the slower way."""
    room = os.statvfs(SHARED).f_frsize * os.statvfs(SHARED).f_blocks if SHARED.exists() else 0
    print(f"{SHARED} ({room / 1e6:.3g} MB) is full: batches come by slower pipes; {REMEDY}", flush=True)


class WorkerLoader(DataLoader[Any]):
    """A loader that does without its workers where they cannot be started: no semaphores, processes, threads or memory
    are left.
    """

    def __iter__(self) -> Any:
        if self.num_workers == 0:
            return super().__iter__()
        before = multiprocessing.active_children()
        try:
            return super().__iter__()
        except (OSError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "thread" not in str(error):
                raise
            for child in multiprocessing.active_children():
                if child not in before:
                    child.kill()
            print(f"no data workers: {error}; going on without (data.workers=0)", flush=True)
            self.num_workers, self.prefetch_factor = 0, None
        return super().__iter__()
