"""Block search over kernels, expansions, squeeze-and-excites, activations, filters and layers of each stage.

Tan et al., MnasNet: Platform-aware neural architecture search for mobile, CVPR 2019; the first half of MobileNetV3's
search (Howard et al., ICCV 2019, section 4.1). Optuna chooses what is tried next, here and in every other process or
machine that shares the study.
"""

import multiprocessing
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import torch

from tasks.common.console import refusing, report
from tasks.data.loading.handing import Handed
from tasks.data.loading.splits import Splits
from tasks.engine.settings import Run
from tasks.search.block.candidates import Candidates
from tasks.search.block.outcome import Progress, write_results
from tasks.search.networks import Networks
from tasks.search.settings import BlockSettings

PAUSE = 0.5  # seconds between checks of other processes
PATIENCE = 10  # seconds that a worker has to exit by itself
Places = tuple[Path | str, Path]  # of the study, a journal or a database, and of its weights


def search_blocks(settings: BlockSettings, splits: Splits, networks: Networks, folder: Path) -> None:
    """Try candidates until there are enough; then write the best one, the front, the history and a picture.

        found.yaml, found.ckpt                 the best
        front/trial_7.yaml, .ckpt …            those on the Pareto front of score and cost
        history.csv, search.png
        study.log, study_weights/              from which a search resumes

    Raises:
        UserError: for a target that no network of the space reaches, or a study that does not fit.
    """
    path, weights = kept(settings, folder)
    if settings.workers > 1:
        torch.set_num_threads(1)
    candidates = Candidates(settings, splits, networks, path, weights)
    progress = Progress(candidates, path)
    with in_order(path), workers(networks.run, settings, splits, networks.size, (path, weights)):

        def rest() -> None:
            progress.show()
            time.sleep(PAUSE)

        candidates.try_all(rest, progress.show)
    progress.show()
    write_results(candidates, folder)


def kept(settings: BlockSettings, folder: Path) -> Places:
    """Where the study and the weights of its front are kept; without search.weights, next to the journal."""
    study = settings.study
    if study is not None and "://" in study:
        return study, Path(settings.weights or folder / "study_weights").absolute()
    path = Path(study or folder / "study.log").absolute()
    return path, Path(settings.weights or path.with_name(f"{path.stem}_weights")).absolute()


@contextmanager
def in_order(path: Path | str) -> Iterator[None]:
    """On Ctrl-C and SIGTERM, leave the block as by an exception and print how to resume."""

    def leave(number: int, _frame: Any) -> None:
        print(f"{signal.Signals(number).name}: the search goes on with search.study={path}", file=sys.stderr)
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def workers(run: Run, settings: BlockSettings, splits: Splits, size: tuple[int, int], places: Places) -> Iterator[None]:
    """Run the other processes, which do not outlive the block; if one fails, the others take over its work."""
    context = multiprocessing.get_context("spawn")
    processes: list[SpawnProcess] = []
    handed = Handed(splits)  # removed with this object
    try:
        for _ in range(settings.workers - 1):
            process = context.Process(target=work, args=(run, settings, handed, size, places))
            process.start()
            processes.append(process)  # not earlier: only started processes can be terminated
        yield
        for process in processes:
            process.join()
            if process.exitcode:
                report(f"a worker has ended with {process.exitcode}; the others have done its work")
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join(PATIENCE)
            process.kill()


def work(run: Run, settings: BlockSettings, splits: Splits, size: tuple[int, int], places: Places) -> None:
    """Try candidates in a separate process until there are enough or the first process has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C also reaches the first process, which ends this one
    torch.set_num_threads(1)
    parent = multiprocessing.parent_process()

    def stay() -> None:
        if parent is not None and not parent.is_alive():
            raise SystemExit

    def rest() -> None:
        stay()
        time.sleep(PAUSE)

    networks = Networks(run, splits.classes, size)
    with refusing():
        Candidates(settings, splits, networks, *places).try_all(rest, stay)
