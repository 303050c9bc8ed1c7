"""A packed data set: what python -m tasks.pack wrote, in a folder or at an address."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tasks.common.errors import UserError
from tasks.data.packed.cache import ShardCache
from tasks.data.packed.index import Index, read_columns, read_index
from tasks.data.packed.place import Place
from tasks.data.packed.samples import PackedSamples
from tasks.data.packed.shards import Shards


class Packed:
    """Shards of python -m tasks.pack, read by index.

    Args:
        root: the folder, or an address: http, https, s3, gs.
        targets: kinds of labels to read; None for all that were packed.
        cache: folder for shards of an address; None for the one of MOBILEVISION_CACHE.
        cache_gb: limit of that folder.

    Raises:
        UserError: for another address, or a limit that is not above 0.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        targets: Sequence[str] | None = None,
        cache: str | Path | None = None,
        cache_gb: float = 50,
    ) -> None:
        if isinstance(cache_gb, bool) or not isinstance(cache_gb, int | float) or not 0 < cache_gb <= 1e6:
            raise UserError(f"dataset.cache_gb={cache_gb} must be a number above 0, at most a million")
        self.place, self.wanted = Place(root), targets
        self.cache = ShardCache(cache, int(cache_gb * 1e9)) if self.place.is_remote else None

    @cached_property
    def index(self) -> Index:
        """What index.json says, read once.

        Raises:
            UserError: if it is missing or not of tasks.pack.
        """
        return read_index(self.place)

    @property
    def classes(self) -> Mapping[str, Sequence[Any]]:
        """Classes of the packed data set, by kind of label."""
        return self.index.classes

    @property
    def targets(self) -> tuple[str, ...]:
        """The kinds of labels that are read."""
        return tuple(kind for kind in self.classes if self.wanted is None or kind in self.wanted)

    def train(self) -> PackedSamples:
        """The training images."""
        return self.split("train")

    def val(self) -> PackedSamples:
        """The images to score."""
        return self.split("val")

    def split(self, name: Literal["train", "val"]) -> PackedSamples:
        """All images of a split.

        Raises:
            UserError: if it was not packed, or its columns are damaged.
        """
        if name not in self.index.sides:
            raise UserError(
                f"dataset.root={self.place.root} has no {name} split: it was packed without training images, which "
                "mode=evaluate does without"
            )
        side = self.index.sides[name]
        return PackedSamples(
            Shards(self.place, side.shards, self.cache),
            read_columns(self.place, self.index, name),
            {kind: self.classes[kind] for kind in self.targets},
            source=Path(self.place.root) / side.columns.file,
            upright=side.upright,
        )
