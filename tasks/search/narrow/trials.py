"""Tries proposals: cuts weights, trains briefly, scores. Several run at once, each in a process with one thread."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from backbones.table import plan_of
from tasks.common.errors import UserError
from tasks.data.loading.handing import Handed
from tasks.data.loading.splits import Splits
from tasks.engine.learner import Learner
from tasks.engine.settings import Run
from tasks.search.narrow.cut import cut, importances, kept_channels
from tasks.search.narrow.widths import Width, narrowed
from tasks.search.networks import Networks
from tasks.search.proxy import Proxy
from tasks.search.settings import NarrowSettings


class Job(NamedTuple):
    """A proposal for a worker, as plain values and files.

    Attributes:
        table: of the current network.
        present: file with its tensors and the importances of its channels.
        width, channels: the width to shrink, and its new number of channels.
        result: file for the proposal's tensors.
        draw: number of the draw of training images.
    """

    table: dict[str, Any]
    present: Path
    width: Width
    channels: int
    result: Path
    draw: int


class Trials:
    """Tries proposals in this process.

    Args:
        settings: of the search.
        splits: the images to train on and those to score.
        networks: builder of networks around the seed.
    """

    def __init__(self, settings: NarrowSettings, splits: Splits, networks: Networks) -> None:
        self.settings, self.networks = settings, networks
        self.lr = settings.lr * networks.run.learner.optimizer["lr"]
        self.proxy = Proxy(networks.run, splits)

    def loaded(self, table: dict[str, Any], state: dict[str, Any]) -> Learner:
        """Build a table's network and load these tensors."""
        learner = self.networks.build(plan_of(table))
        learner.load_state_dict(state)
        return learner

    def look(self, table: dict[str, Any], state: dict[str, Any], draw: int, path: Path) -> None:
        """Write a network's tensors and the importances of its channels to a file."""
        learner = self.loaded(table, state)
        self.proxy.start(learner)
        found = importances(learner, self.proxy.batches(draw, self.settings.importance))
        torch.save({"state": state, "importance": {name: values.cpu() for name, values in found.items()}}, path)

    def tried(self, job: Job) -> float:
        """Score of a proposal after its short training."""
        present = torch.load(job.present, weights_only=True)
        plan = plan_of(job.table)
        kept = kept_channels(job.width, job.channels, present["importance"], len(plan.blocks))
        narrow = self.networks.build(narrowed(plan, job.width, job.channels))
        narrow.load_state_dict(cut(present["state"], narrow.state_dict(), kept))
        self.proxy.fine_tune(narrow, steps=self.settings.steps, lr=self.lr, draw=job.draw)
        score = self.proxy.score(narrow, settle=True)
        torch.save({name: tensor.cpu() for name, tensor in narrow.state_dict().items()}, job.result)
        return score


WORKER: list[Trials] = []  # in a worker process: its Trials


def start_worker(run: Run, settings: NarrowSettings, splits: Splits, size: tuple[int, int]) -> None:
    """Prepare a worker process to try proposals; it ends with its parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the parent too
    threading.Thread(target=leave_with, args=(multiprocessing.parent_process(),), daemon=True).start()
    torch.set_num_threads(1)
    WORKER.append(Trials(settings, splits, Networks(run, splits.classes, size)))


def leave_with(parent: Any) -> None:
    """End this process as soon as its parent ends for any reason, since nothing else would."""
    parent.join()
    os._exit(1)


def tried_by_worker(job: Job) -> float:
    """Score of a proposal, in a worker process."""
    return WORKER[0].tried(job)


@contextmanager
def workers(count: int, trials: Trials, splits: Splits) -> Iterator[Callable[[Sequence[Job]], Iterator[float]]]:
    """Yields a function that tries jobs and iterates over their scores in order.

    Args:
        count: number of processes; 1 uses this process.

    Raises:
        UserError: if a process ends before its work is done.
    """
    if count == 1:
        yield lambda jobs: map(trials.tried, jobs)
        return
    context = multiprocessing.get_context("spawn")
    networks = trials.networks
    handed: Any = Handed(splits)  # in the processes it is the splits themselves
    start = partial(start_worker, networks.run, trials.settings, handed, networks.size)
    with ProcessPoolExecutor(count, context, start) as pool:
        try:
            yield lambda jobs: pool.map(tried_by_worker, jobs)
        except BrokenProcessPool as error:
            raise UserError("a worker of the search has ended; with less memory take search.workers=1") from error
        finally:
            pool.shutdown(cancel_futures=True)
