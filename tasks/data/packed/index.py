"""index.json of a packed data set: its shards with their hashes, its classes, and what was packed."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tasks.common.errors import UserError
from tasks.data.files.samples import KINDS
from tasks.data.packed.columns import Columns, from_bytes
from tasks.data.packed.place import Place

FILE, VERSION = "index.json", 1
LARGEST = 64 << 20  # bytes of index.json: a million shards have less
MOST = 1 << 50  # of any number: bytes of a file, samples in it, ids
SHARD = re.compile(r"(train|val)-\d{6}\.tar")
HASH = re.compile(r"[0-9a-f]{64}")
SIDES = ("train", "val")


class Stored(NamedTuple):
    """A file of the data set: its name, bytes, SHA-256, and number of samples."""

    file: str
    bytes: int
    sha256: str
    samples: int


class Side(NamedTuple):
    """A split.

    Attributes:
        samples: how many.
        upright: whether photos are read upright; None if it has none with an EXIF turn.
        columns: the file of its columns.
        shards: in order.
    """

    samples: int
    upright: bool | None
    columns: Stored
    shards: Sequence[Stored]


class Index(NamedTuple):
    """Content of index.json.

    Attributes:
        classes: by kind of label.
        sides: by name.
        packed: what was packed, from where and how.
    """

    classes: Mapping[str, Sequence[Any]]
    sides: Mapping[str, Side]
    packed: Mapping[str, Any]

    def text(self) -> str:
        """As JSON."""
        sides = {
            name: side._asdict()
            | {"columns": side.columns._asdict(), "shards": [shard._asdict() for shard in side.shards]}
            for name, side in self.sides.items()
        }
        content = {"version": VERSION, "classes": self.classes, "splits": sides, "packed": self.packed}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"

    def fingerprint(self) -> str:
        """SHA-256 of all samples and labels: equal if the data is."""
        digest = hashlib.sha256(json.dumps(self.classes, sort_keys=True).encode())
        for name in sorted(self.sides):
            side = self.sides[name]
            for stored in (side.columns, *side.shards):
                digest.update(f"{name} {stored.sha256} {side.upright}".encode())
        return digest.hexdigest()


def read_index(place: Place) -> Index:
    """Read and check index.json.

    Raises:
        UserError: if it is missing, as after a packing that was stopped, or says what cannot be.
    """
    where = place.shown(FILE)
    content = place.read(FILE, LARGEST)
    try:
        tree = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not JSON: {str(error)[:200]}") from error
    try:
        return parsed(tree)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{where} is not an index of tasks.pack, version {VERSION}: {str(error)[:200]}") from error


def parsed(tree: Any) -> Index:
    """The index of parsed JSON.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: for anything else.
    """
    if not isinstance(tree, dict) or tree.get("version") != VERSION:
        raise ValueError(f"version {tree.get('version') if isinstance(tree, dict) else None}")
    classes = {kind: as_classes(kind, entries) for kind, entries in tree["classes"].items()}
    if not classes or not {*classes} <= {*KINDS} or not all(classes.values()):
        raise ValueError(f"classes of {', '.join(classes) or 'nothing'}")
    sides = {name: as_side(name, side) for name, side in tree["splits"].items()}
    if "val" not in sides or not {*sides} <= {*SIDES}:
        raise ValueError(f"splits {', '.join(sides)}")
    packed = tree["packed"]
    if not isinstance(packed, dict):
        raise TypeError("packed is no mapping")
    return Index(classes, sides, packed)


def as_classes(kind: str, entries: Any) -> list[Any]:
    """Classes of a kind of label, in the form that its task reads."""
    if not isinstance(entries, list):
        raise TypeError(f"classes of {kind} are no list")
    classes = [as_class(entry) for entry in entries]
    parts = {"mask": 3, "boxes": 2}.get(kind)
    for entry in classes:
        if parts is not None and (isinstance(entry, str) or len(entry) != parts):
            raise ValueError(f"class {entry} of {kind}")
    if kind == "boxes" and len({number for _, number in classes}) < len(classes):
        raise ValueError("two classes of boxes have the same id")
    return classes


def as_class(entry: Any) -> Any:
    """A class as data sets give it: a name, [name, id], or (name, id, colour)."""
    if isinstance(entry, str):
        return entry
    name, number, *colour = entry
    if not isinstance(name, str) or type(number) is not int or not -MOST <= number <= MOST:
        raise TypeError(f"class {entry}")
    if not colour:
        return [name, number]
    ((red, green, blue),) = colour
    if not all(type(value) is int and 0 <= value <= 255 for value in (red, green, blue)):
        raise ValueError(f"class {entry}")
    return name, number, (red, green, blue)


def as_side(name: str, tree: Any) -> Side:
    """A split of parsed JSON."""
    columns, shards = stored(tree["columns"]), [stored(shard) for shard in tree["shards"]]
    if columns.file != f"{name}.npz":
        raise ValueError(f"file {columns.file!r}")
    for shard in shards:
        if not SHARD.fullmatch(shard.file) or not shard.file.startswith(f"{name}-"):
            raise ValueError(f"file {shard.file!r}")
    samples = sum(shard.samples for shard in shards)
    if tree["samples"] != samples or tree["upright"] not in (True, False, None):
        raise ValueError(f"{name} has {samples} samples in its shards")
    return Side(samples, tree["upright"], columns, shards)


def stored(tree: Any) -> Stored:
    """A file of parsed JSON."""
    found = Stored(tree["file"], tree["bytes"], tree["sha256"], tree["samples"])
    if not all(type(number) is int and 0 <= number <= MOST for number in (found.bytes, found.samples)):
        raise ValueError(f"{found.file!r}: bytes {found.bytes}, samples {found.samples}")
    if not isinstance(found.file, str) or not HASH.fullmatch(found.sha256):
        raise ValueError(f"{found.file!r}: sha256 {found.sha256!r}")
    return found


def read_columns(place: Place, index: Index, name: str) -> Columns:
    """The columns of a split.

    Raises:
        UserError: for a file that is not the one of the index, or is damaged.
    """
    side = index.sides[name]
    where, content = place.shown(side.columns.file), place.read(side.columns.file, side.columns.bytes)
    if hashlib.sha256(content).hexdigest() != side.columns.sha256:
        raise UserError(f"{where} is not the file that {FILE} names (SHA-256): copy the data set again")
    classes = {kind: len(entries) for kind, entries in index.classes.items()}
    columns = from_bytes(content, side.samples, classes, where)
    first = 0
    for shard in side.shards:
        part = slice(first, first + shard.samples)
        for one in ("", "mask_") if "mask" in classes else ("",):
            # not their sum, which may be too large for int64
            if (columns[f"{one}length"][part] > shard.bytes - columns[f"{one}offset"][part]).any():
                raise UserError(f"{where}: a sample ends after the end of {shard.file}")
        first += shard.samples
    return columns
