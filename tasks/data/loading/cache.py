"""Where decoded images are kept: `data.cache` and the keys that begin with it.

A further place is a branch of Cache.keep(); the files of "disk" are those of the package disk/.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tasks.common.console import report
from tasks.data.files.files import View
from tasks.data.files.samples import Samples
from tasks.data.loading.batches import InMemory
from tasks.data.loading.disk.build import Loader
from tasks.data.loading.disk.samples import Keeper
from tasks.data.loading.mixture import MixedSamples


@dataclass(frozen=True)
class Cache:
    """Where decoded images are kept.

    Attributes:
        where: "memory" (or True), "disk" (tasks/data/loading/disk), or False for nowhere.
        folder: of the files of "disk".
        side: length to which "disk" shrinks the shorter side of training images; None keeps their size.
        limit: most that the folder may hold, in GB; None for any.
    """

    where: bool | str = False
    folder: str | Path = "outputs/cache"
    side: int | None = None
    limit: float | None = None

    @property
    def in_memory(self) -> bool:
        """Whether reading an image takes no decoding and no file."""
        return self.where in (True, "memory")

    def keep(
        self, train: MixedSamples | None, val: MixedSamples, view: View | None, load: Loader
    ) -> tuple[MixedSamples | None, MixedSamples]:
        """The samples to train with, if any, and those to score, with their images kept.

        Args:
            view: makes an image to score: those of "disk" are kept as it makes them.
            load: see tasks/data/loading/disk/build.py.

        Raises:
            UserError: if there is no room for them.
        """
        if self.in_memory:
            return None if train is None else train.kept(decoded), val.kept(decoded)
        if self.where == "disk":
            return self.keep_on_disk(train, val, view, Keeper(Path(self.folder), self.limit, load))
        return train, val

    def keep_on_disk(
        self, train: MixedSamples | None, val: MixedSamples, view: View | None, keeper: Keeper
    ) -> tuple[MixedSamples | None, MixedSamples]:
        """Samples with their images in files, which are opened or written; a line says how many images there are."""
        kept = None if train is None else train.kept(partial(keeper.keep, name="train", side=self.side))
        scored = val.kept(partial(keeper.keep, name="val", view=view))
        parts = [*([] if kept is None else kept.parts), *scored.parts]
        line = keeper.line([part.samples for part in parts])
        if line and (kept is not None or samples_of(scored) != samples_of(val)):  # scoring comes after training
            report(line)
        return kept, scored


def samples_of(samples: MixedSamples) -> Sequence[Any]:
    """The samples of each data set."""
    return [part.samples for part in samples.parts]


def decoded(samples: Samples) -> Samples:
    """Samples decoded and kept in memory, unless they are already."""
    return samples if isinstance(samples, InMemory) else InMemory(samples)
