"""Writes a split into shards, in parallel and in order."""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from tasks.common.cpu import cores, thread_pool
from tasks.common.errors import UserError
from tasks.common.writing import cannot_write
from tasks.data.files.masks import count_classes
from tasks.data.packed.columns import Columns, as_bytes, check_forms, check_values
from tasks.data.packed.convert import Converted, Form, convert, must_pack_alike
from tasks.data.packed.index import Side, Stored
from tasks.data.packed.place import Place
from tasks.data.packed.samples import boxes_of
from tasks.data.packed.shards import DIGITS, ShardWriter, Span

MASK = "mask.png"
Progress = Callable[[Iterable[int], int], Iterable[int]]


class Row(NamedTuple):
    """What is kept of a written sample: all but its bytes."""

    sample: Converted
    image: Span
    mask: Span | None
    mask_size: tuple[int, ...]


class Packing(NamedTuple):
    """Where and how to write.

    Attributes:
        folder: for shards that are not finished.
        shard_bytes: of a shard; one larger sample makes a larger one.
        classes: number of them, by kind of label.
    """

    place: Place
    folder: Path
    shard_bytes: int
    classes: Mapping[str, int]


class SplitWriter:
    """Writes the samples of a split into one shard after another; left by an error, it removes the last one.

    Args:
        name: of the split.

    Attributes:
        stored: the shards that are finished.
    """

    def __init__(self, name: str, to: Packing) -> None:
        self.name, self.to, self.samples = name, to, 0
        self.stored: list[Stored] = []
        self.shard: ShardWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        try:
            if error is None:
                self.finish()
        finally:
            if self.shard is not None:
                self.shard.abandon()

    def add(self, members: Mapping[str, bytes]) -> dict[str, Span]:
        """Write a sample's members, by extension; where each lies."""
        size = sum(len(content) + 1024 for content in members.values())
        if self.shard is not None and self.shard.tar.offset + size > self.to.shard_bytes:
            self.finish()
        if self.shard is None:
            self.shard = ShardWriter(self.to.folder / f".{self.name}-{len(self.stored):06d}.partial")
        self.samples += 1
        return self.shard.add(f"{self.samples - 1:0{DIGITS}d}", members)

    def finish(self) -> None:
        """Put the shard that is written, if there is one, to its place."""
        if self.shard is not None:
            file = f"{self.name}-{len(self.stored):06d}.tar"
            self.stored.append(self.shard.close(file))
            self.to.place.put(self.shard.path, file)
            self.shard = None


def pack_split(
    name: str, samples: Any, form: Form, to: Packing, *, max_broken: int, progress: Progress
) -> tuple[Side, list[str]]:
    """Write a split; its entry in the index, and a line for each unreadable image that is left out.

    Args:
        max_broken: how many may be.
        progress: wraps the samples' numbers, to show how far it is.

    Raises:
        UserError: for an unreadable image above that number, or a place that cannot be written.
    """
    rows: list[Row] = []
    broken: list[str] = []
    pixels = np.zeros(256, np.int64)
    try:
        with SplitWriter(name, to) as writer:
            for found in converted(samples, form, tuple(to.classes), progress):
                if isinstance(found, UserError):
                    broken.append(str(found))
                    if len(broken) > max_broken:
                        raise found
                    continue
                rows.append(row_of(found, writer.add(found.members)))
                if found.mask is not None:
                    pixels += count_classes(found.mask)
    except OSError as error:
        raise UserError(cannot_write(to.folder / "…", error)) from error
    if not rows:
        raise UserError(f"there is no image in {name}")
    columns = columns_of(rows, to.classes, pixels)
    stored = put_columns(name, columns, to)
    upright = answer(rows, getattr(samples, "upright", False))
    return Side(len(rows), upright, stored, writer.stored), broken


def row_of(found: Converted, spans: Mapping[str, Span]) -> Row:
    """A sample without its bytes."""
    size = () if found.mask is None else found.mask.shape
    return Row(found._replace(members={}, mask=None), next(iter(spans.values())), spans.get(MASK), size)


def converted(samples: Any, form: Form, kinds: tuple[str, ...], progress: Progress) -> Iterator[Converted | UserError]:
    """The samples in order, made by a few threads ahead of the writer: decoding and encoding release the lock."""

    def make(index: int) -> Converted | UserError:
        try:
            return convert(samples, index, form, kinds)
        except UserError as error:
            return error

    with thread_pool(len(cores())) as pool:
        waiting: deque[Any] = deque()
        try:
            for index in progress(range(len(samples)), len(samples)):
                waiting.append(pool.submit(make, index))
                if len(waiting) > 8 * len(cores()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def columns_of(rows: list[Row], classes: Mapping[str, int], pixels: "np.ndarray[Any, Any]") -> Columns:
    """The split's columns."""
    samples = [row.sample for row in rows]
    names = [sample.name.encode(errors="surrogateescape") for sample in samples]
    columns: dict[str, Any] = {
        "offset": np.array([row.image.offset for row in rows], np.int64),
        "length": np.array([row.image.length for row in rows], np.int64),
        "names": np.frombuffer(b"".join(names), np.uint8),
        "name_ends": np.cumsum([0, *map(len, names)], dtype=np.int64),
        "sizes": np.array([sample.size for sample in samples], np.int64),
        "turned": np.array([sample.turned for sample in samples], bool),
    }
    if "mask" in classes:
        spans = [row.mask or Span(0, 0) for row in rows]
        columns["mask_offset"] = np.array([span.offset for span in spans], np.int64)
        columns["mask_length"] = np.array([span.length for span in spans], np.int64)
        columns["mask_sizes"] = np.array([row.mask_size for row in rows], np.int64)
        columns["mask_pixels"] = pixels
    if "label" in classes:
        columns["label"] = np.array([sample.label for sample in samples], np.int64)
    if "multilabel" in classes:
        columns["multilabel"] = np.stack([np.asarray(sample.multilabel, np.uint8) for sample in samples])
    if "boxes" in classes:
        truths = [sample.truth for sample in samples if sample.truth is not None]
        columns["image_ids"] = np.array([truth.image_id for truth in truths], np.int64)
        columns["box_sizes"] = np.array([(truth.height, truth.width) for truth in truths], np.int64)
        columns["box_ends"] = np.cumsum([0, *(len(truth.boxes) for truth in truths)], dtype=np.int64)
        columns["boxes"] = np.concatenate([truth.boxes for truth in truths]).astype(np.float64).reshape(-1, 4)
        columns["box_labels"] = np.concatenate([truth.labels for truth in truths]).astype(np.int64)
        columns["areas"] = np.concatenate([truth.areas for truth in truths]).astype(np.float64)
        columns["crowd"] = np.concatenate([truth.crowd for truth in truths]).astype(bool)
        boxes = boxes_of(columns)
        for number, sample in enumerate(samples):
            must_pack_alike(sample.name, sample.taught, boxes.to_train(number))
    return columns


def put_columns(name: str, columns: Columns, to: Packing) -> Stored:
    """Write the columns, which are checked as a reader does."""
    samples = len(columns["offset"])
    check_forms(columns, samples, to.classes, name)
    check_values(columns, to.classes, name)
    content = as_bytes(columns)
    put_bytes(f"{name}.npz", content, to)
    return Stored(f"{name}.npz", len(content), hashlib.sha256(content).hexdigest(), samples)


def put_bytes(file: str, content: bytes, to: Packing) -> None:
    """Write a small file at once.

    Raises:
        UserError: if that fails.
    """
    path = to.folder / f".{file}.partial"
    try:
        path.write_bytes(content)
        to.place.put(path, file)
    except OSError as error:
        raise UserError(cannot_write(to.folder / file, error)) from error
    finally:
        path.unlink(missing_ok=True)


def answer(rows: list[Row], upright: object) -> bool | None:
    """Whether the split's photos are read upright: as its data set says, or as those with an EXIF turn were."""
    if isinstance(upright, bool):
        return upright
    followed = [followed for has_turn, followed in (row.sample.has_turn for row in rows) if has_turn]
    return any(followed) if followed else None
