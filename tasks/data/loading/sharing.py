"""How batches arrive from data workers: by shared memory, by pipes if that is full, or without workers."""

import functools
import multiprocessing
import re
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, get_worker_info

from tasks.common.errors import Stopped
from tasks.data.loading.handing import Handed
from tasks.data.loading.on_device import Undecoded

SHARED = Path("/dev/shm")
REMEDY = "more shared memory (docker run --shm-size=2g) or fewer data.workers would help"
LESS = "fewer data.workers need less memory, data.workers=0 none of their own"


def shareable(batch: Any) -> Any:
    """Move a batch's tensors to shared memory, or send them through the worker's pipe if it is full.

    PyTorch itself would move them in a worker thread that cannot report a failure: the trainer would wait forever.
    """
    if get_worker_info() is None:
        return batch
    if isinstance(batch, dict):
        return {key: shareable(value) for key, value in batch.items()}
    if isinstance(batch, tuple) and not hasattr(batch, "_fields"):
        return tuple(map(shareable, batch))
    if isinstance(batch, Undecoded):
        return Undecoded(shareable(batch.data), batch.parts, batch.size, batch.interpolation)
    if not isinstance(batch, Tensor):
        return batch
    try:
        return batch.share_memory_()
    except RuntimeError as error:
        if not any(words in str(error) for words in ("shared memory", "unable to mmap")):
            raise
        return ByValue(batch)


class ByValue:
    """Wrapper that pickles a tensor by value; unpickling gives the tensor with its memory layout."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def __reduce__(self) -> Any:
        order = sorted(range(self.tensor.dim()), key=self.tensor.stride, reverse=True)
        return received, (self.tensor.permute(order).numpy(), order)


def received(values: Any, order: list[int]) -> Tensor:
    """The tensor of a ByValue, in the receiving process."""
    tell_full()
    tensor = torch.from_numpy(values)
    return tensor.permute([order.index(axis) for axis in range(len(order))])


@functools.cache
def tell_full() -> None:
    """Report once that batches take the slower way."""
    room = shutil.disk_usage(SHARED).total if SHARED.exists() else 0
    print(f"{SHARED} ({room / 1e6:.3g} MB) is full: batches come by slower pipes; {REMEDY}", flush=True)


class WorkerLoader(DataLoader[Any]):
    """A loader that continues without workers if they cannot be started for lack of semaphores, processes, threads or
    memory.

    Args:
        start_method: of the workers; None for the system's own. All that do not inherit the data set by a fork map its
            arrays (Handed).
        others: see DataLoader.
    """

    def __init__(self, dataset: Any, *, start_method: str | None = None, num_workers: int = 0, **others: Any) -> None:
        forked = num_workers == 0 or (start_method or multiprocessing.get_start_method()) == "fork"
        context = start_method if num_workers else None
        super().__init__(
            dataset if forked else Handed(dataset), num_workers=num_workers, multiprocessing_context=context, **others
        )

    def __iter__(self) -> Any:
        return Waiting(self.started())

    def started(self) -> Any:
        """The iterator over batches, with or without workers."""
        if self.num_workers == 0:
            return super().__iter__()
        before = multiprocessing.active_children()
        try:
            semaphores = [multiprocessing.Lock() for _ in range(9 + 3 * self.num_workers)]  # of the queues
            del semaphores
            return super().__iter__()
        except (OSError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and "thread" not in str(error):
                raise
            for child in multiprocessing.active_children():
                if child not in before:
                    child.kill()
            print(f"no data workers: {error}; going on without (data.workers=0)", flush=True)
            self.multiprocessing_context, self.num_workers, self.prefetch_factor = None, 0, None
        return super().__iter__()


class Waiting(Iterator[Any]):
    """An iterator over batches.

    A stop signal during a wait kills hung workers.

    Attributes:
        since: time.monotonic() at the start of the current wait, None if there is none.
    """

    since: float | None = None

    def __init__(self, batches: Any) -> None:
        self.batches = batches

    def __next__(self) -> Any:
        Waiting.since = time.monotonic()
        try:
            return next(self.batches)
        except Stopped:
            self.kill_workers()
            raise
        except RuntimeError:
            self.name_killed()
            raise
        finally:
            Waiting.since = None

    def name_killed(self) -> None:
        """Raise the error with the signal that killed a worker.

        PyTorch's handler does, but Lightning removes it after the first `fit` or `validate` of a process.
        """
        for worker in getattr(self.batches, "_workers", ()):
            if worker.exitcode is not None and worker.exitcode < 0:
                name = signal.strsignal(-worker.exitcode)
                raise RuntimeError(f"DataLoader worker (pid {worker.pid}) is killed by signal: {name}. ") from None

    def kill_workers(self) -> None:
        """End the workers at once; PyTorch would wait 5 s for each hung one, and then forever at exit."""
        if not hasattr(self.batches, "_shutdown_workers") or not hasattr(signal, "SIGCHLD"):
            return
        before = signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # PyTorch's handler would report the killed workers
        try:
            for child in multiprocessing.active_children():
                if child.daemon:
                    child.kill()
            self.batches._shutdown_workers()
        finally:
            signal.signal(signal.SIGCHLD, before)


def lost_worker(error: BaseException) -> str:
    """Message about a data worker that was killed; '' for other errors."""
    if error.__cause__ is not None and (said := lost_worker(error.__cause__)):
        return said  # names the signal, which the later error does not
    killed = re.search(r"DataLoader worker \(pid (\d+)\) is killed by signal: ([\w ]+)", str(error))
    if killed is None:
        gone = re.search(r"DataLoader worker \(pid\(s\) ([\d, ]+)\) exited unexpectedly", str(error))
        return f"data worker {gone[1]} has ended; {LESS}" if gone else ""
    remedy = {"Killed": f"often the memory has run out: {LESS}", "Bus error": f"{SHARED} is full: {REMEDY}"}
    return f"data worker {killed[1]} was ended by a signal ({killed[2].strip()}): {remedy.get(killed[2], LESS)}"
