"""Where two descriptions of a file differ, field by field; and whether model.json says what its file says."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tasks.checkpoint.embedded import READERS, read_inside
from tasks.common.entries import short
from tasks.common.errors import UserError

ITSELF = "model.json"  # key of its own hash, where its file has no room for a description
ORDERED = ("tasks", "outputs")  # tables whose order is that of the file's outputs


class Unlike(NamedTuple):
    """A field that differs, such as tasks.detect.classes[3].name; None where a side has nothing."""

    field: str
    said: Any
    expected: Any

    def told(self, other: str) -> str:
        """Such as: false, and true in other."""
        return f"{shown(self.said)}, and {shown(self.expected)} in {other}"


def unlike(said: Any, expected: Any, field: str = "") -> Iterator[Unlike]:
    """Yield what differs between two JSON values. A number and a boolean are never the same."""
    if isinstance(said, Mapping) and isinstance(expected, Mapping):
        for key in [*expected, *(key for key in said if key not in expected)]:
            inner = f"{field}.{key}" if field else str(key)
            if key in said and key in expected:
                yield from unlike(said[key], expected[key], inner)
            else:
                yield Unlike(inner, said.get(key), expected.get(key))
        if field.rpartition(".")[2] in ORDERED and said.keys() == expected.keys() and [*said] != [*expected]:
            yield Unlike(f"order of {field}", ", ".join(said), ", ".join(expected))
    elif isinstance(said, list) and isinstance(expected, list) and len(said) == len(expected):
        for number, (ours, theirs) in enumerate(zip(said, expected, strict=True)):
            yield from unlike(ours, theirs, f"{field}[{number}]")
    elif said != expected or isinstance(said, bool) != isinstance(expected, bool):
        yield Unlike(field, said, expected)


def shown(value: Any) -> str:
    """A value as in JSON, shortened."""
    return "missing" if value is None else short(json.dumps(value, ensure_ascii=False))


def known(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A description without hashes, as a file holds it."""
    return {key: value for key, value in manifest.items() if key != "sha256"}


def digest(manifest: Mapping[str, Any]) -> str:
    """SHA-256 of a description without its hashes, whatever its white space."""
    return hashlib.sha256(json.dumps(known(manifest)).encode()).hexdigest()


def check_agrees(path: Path, manifest: Mapping[str, Any], source: Path) -> None:
    """Check that a file's description says what the one inside the file says, or has its own hash.

    Args:
        manifest: read from source, with the file's name there.

    Raises:
        UserError: for the first field that differs, and for a file whose description was removed.
    """
    if path.suffix not in READERS:
        if manifest["sha256"].get(ITSELF) != digest(manifest):
            raise UserError(f"{source} was changed after the export: it has not the hash that it was written with")
        return
    inside = read_inside(path)
    if inside is None:
        raise UserError(f"{path} was changed after the export: the description inside it is gone")
    for each in unlike(known(manifest), inside):
        raise UserError(f"{source} was changed after the export: {each.field} is {each.told(path.name)}")
