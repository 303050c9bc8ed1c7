"""The packing's run: opens the data set as training would, and writes its splits, its index and its card."""

import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from rich.progress import track

from tasks.app.cli import Command
from tasks.app.dataset import make_dataset, name_of_dataset
from tasks.app.resolve import Settings
from tasks.common.console import report
from tasks.common.errors import UserError, visible
from tasks.common.task_info import infos
from tasks.common.writing import cannot_write
from tasks.config.batch import counted
from tasks.data.loading.mixture import MixedSamples
from tasks.data.loading.split_checks import set_white
from tasks.data.loading.upright import follow
from tasks.data.packed.convert import Form
from tasks.data.packed.index import FILE, Index, Side
from tasks.data.packed.pack import Packing, Progress, pack_split, put_bytes
from tasks.data.packed.place import Place
from tasks.engine.settings import Run
from tasks.pack.arguments import Request
from tasks.pack.card import card
from tasks.pack.folder import CARD, PREFIX, one_packing, source_files

EVERY = 15  # seconds between two lines where there is no terminal


class Pack(Command):
    """`python -m tasks.pack` for one task."""

    def __init__(self, name: str, request: Request) -> None:
        super().__init__(name)
        self.request = request

    def do(self, settings: Settings, _typed: list[str], _folder: Path) -> None:
        """Pack the data set."""
        request, place = self.request, Place(self.request.out, "out")
        run, dataset = make_dataset(settings.run, ())
        splits = open_splits(dataset, run)
        kinds = [kind for kind in run.data.targets if kind in dataset.classes]
        more = [name for name, info in infos().items() if info.target in dataset.classes and info.target not in kinds]
        report(f"pack      {name_of_dataset()}: {', '.join(kinds)}{others(more)}")
        if place.is_same(run.data.dataset.get("root")):
            raise UserError(f"out={request.out} is the data set itself: name another place")
        with one_packing(place, request.overwrite), working_folder(place) as folder:
            classes = {kind: dataset.classes[kind] for kind in kinds}
            to = Packing(place, folder, request.shard_mb << 20, {kind: len(classes[kind]) for kind in kinds})
            sides = {name: self.side(name, samples, run, to) for name, samples in splits.items()}
            index = Index(classes, sides, self.record(run))
            put_card(index, run, to)
            put_bytes(FILE, index.text().encode(), to)
        report(f"packed    {place.root}: fingerprint {index.fingerprint()[:16]}")

    def side(self, name: str, samples: Any, run: Run, to: Packing) -> Side:
        """Write a split."""
        request, begin = self.request, time.monotonic()
        form = Form(request.side if name == "train" else request.val_side, request.quality)
        broken = run.data.max_broken if name == "train" else 0
        side, left_out = pack_split(name, samples, form, to, max_broken=broken, progress=progress(name))
        for number, line in enumerate(left_out, 1):
            report(visible(f"left out ({number}): {line}"))
        seconds, size = time.monotonic() - begin, sum(shard.bytes for shard in side.shards)
        images, shards = counted(side.samples, "image"), counted(len(side.shards), "shard")
        speed = f"{side.samples / max(seconds, 1e-9):,.0f} images/s"
        report(f"{name:<10}{images} in {shards}, {size / 1e6:,.1f} MB, {seconds:.1f} s ({speed})")
        return side

    def record(self, run: Run) -> dict[str, Any]:
        """What the index says about this packing, without folders of this machine."""
        request = self.request
        said = request._asdict()
        own = [f"{key}={'null' if said[key] is None else said[key]}" for key in ("side", "val_side", "quality")]
        words = [re.sub(r"=/?(?:[^=/]*/)+(?=[^/]*)", "=…/", word) for word in HydraConfig.get().overrides.task]
        return {
            "dataset": name_of_dataset().removeprefix("dataset="),
            "task": run.task,
            "command": " ".join(["python -m tasks.pack", f"task={run.task}", *words, "out=…", *own]),
            "side": request.side,
            "val_side": request.val_side,
            "quality": request.quality,
            "licence": request.licence,
        }


def others(names: list[str]) -> str:
    """What the data set has beside the labels that are packed; '' for nothing."""
    return f"; it also has labels for task={', task='.join(names)} (task=multitask packs all)" if names else ""


def open_splits(dataset: Any, run: Run) -> dict[str, Any]:
    """The samples of both splits.

    Raises:
        UserError: for a mixture, an empty split, and whatever training would raise when it opens them.
    """
    splits = {"train": dataset.train(), "val": dataset.val()}
    for split, samples in splits.items():
        if isinstance(samples, MixedSamples):
            raise UserError("a mixture is not packed: pack each data set by itself, and mix the packed ones")
        if len(samples) == 0:
            raise UserError(f"{name_of_dataset()} has no images in {split}")
        set_white(samples, run.data.white)
        follow(samples, run.upright)
    return splits


@contextmanager
def working_folder(place: Place) -> Iterator[Path]:
    """A folder for what is not finished: within a folder that is written, because files are renamed at the end.

    Raises:
        UserError: if it cannot be made.
    """
    try:
        folder = tempfile.TemporaryDirectory(prefix=PREFIX, dir=None if place.is_remote else place.root)
    except OSError as error:
        raise UserError(cannot_write(Path(place.root), error)) from error
    with folder as name:
        yield Path(name)


def put_card(index: Index, run: Run, to: Packing) -> None:
    """Write README.md, and the files that came with the data beside it."""
    found = source_files(run.data.dataset.get("root"))
    for path in found:
        put_bytes(f"SOURCE_{path.name}", path.read_bytes(), to)
    put_bytes(CARD, card(index, [f"SOURCE_{path.name}" for path in found]).encode(), to)


def progress(name: str) -> Progress:
    """Progress: a bar on a terminal, elsewhere a line now and then."""

    def wrapped(numbers: Iterable[int], total: int) -> Iterable[int]:
        if sys.stdout.isatty():
            return track(numbers, f"packing {name}", total, transient=True)
        return spoken(numbers, total, name)

    return wrapped


def spoken(numbers: Iterable[int], total: int, name: str) -> Iterator[int]:
    """The numbers, with a line every few seconds."""
    begin = said = time.monotonic()
    for number in numbers:
        yield number
        if (now := time.monotonic()) - said > EVERY:
            said = now
            report(f"{name:<10}{number + 1:,} of {total:,} images, {(number + 1) / (now - begin):,.0f} images/s")
