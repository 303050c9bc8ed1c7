"""What a device's own benchmark programs have measured: a JSON file, checked strictly. Imports nothing heavy."""

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tasks.common.cpu import MOST_THREADS
from tasks.common.entries import LONGEST, is_one_of, is_printable, is_whole, short
from tasks.common.errors import UserError, suggestion
from tasks.common.formats import FORMATS, PRECISIONS
from tasks.common.labels import is_number
from tasks.common.writing import write_text

FORMAT = 1
MOST_MS, MOST_RUNS = 1e7, 10**9
LARGEST = 2**24  # bytes of a result file; ours have a few thousand
HASH = re.compile(r"[0-9a-f]{64}")
NAME = "device.json"  # as mode=benchmark writes it


@dataclass(frozen=True)
class Measured:
    """A file's time on a device.

    Attributes:
        file: its name there.
        sha256: of the file, in hexadecimal digits; None if the device did not say it.
        program: that measured it.
        latency_ms: mean milliseconds of one run of the network, without reading and decoding images.
        runs: how many the mean is of; None if unknown.
        runtime, precision: of the file; None if unknown, as are the next ones.
        height, width: of its input.
        architecture: hash of the network (tasks/latency/device.py), for the search.
        point: the network's choices in a search's space (tasks/search/block/space.py).
    """

    file: str
    sha256: str | None
    program: str
    latency_ms: float
    runs: int | None = None
    runtime: str | None = None
    precision: str | None = None
    height: int | None = None
    width: int | None = None
    architecture: str | None = None
    point: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class DeviceResult:
    """Times of one device.

    Attributes:
        device: its name.
        made_by: who or what made the file.
        threads: of the programs.
        files: measured on it.
        governor: of its processor, such as performance; None if unknown.
        temperature_c: before measuring, in degrees Celsius; None if unknown.
    """

    device: str
    made_by: str
    threads: int
    files: Sequence[Measured]
    governor: str | None = None
    temperature_c: float | None = None

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        write_text(path, json.dumps({"format": FORMAT, **asdict(self)}, indent=2, ensure_ascii=False) + "\n")


Rule = tuple[Callable[[Any], bool], str]


def printable(value: object) -> bool:
    """Whether a value is a short text without control characters."""
    return is_printable(value) and 0 < len(str(value)) <= 200


def is_point(value: object) -> bool:
    """Whether a value is a table of plain values by name."""
    return isinstance(value, dict) and all(
        printable(key) and (printable(each) or is_number(each) or isinstance(each, bool)) for key, each in value.items()
    )


def milliseconds(value: object) -> bool:
    return is_number(value) and 0 < float(str(value)) <= MOST_MS


def or_null(rule: Rule) -> Rule:
    return lambda value: value is None or rule[0](value), f"{rule[1]}, or null"


TEXT: Rule = (printable, "a text of 1 to 200 printable characters")
SHA: Rule = (lambda value: isinstance(value, str) and HASH.fullmatch(value) is not None, "64 hexadecimal digits")
SIDE: Rule = (lambda value: is_whole(value, 1), f"a whole number from 1 to {LONGEST:,}")
RUNS: Rule = (lambda value: is_whole(value, 1, MOST_RUNS), "a whole number, 1 or more")
TOP: dict[str, Rule] = {
    "format": (lambda value: type(value) is int and value == FORMAT, f"{FORMAT}"),
    "device": TEXT,
    "made_by": TEXT,
    "threads": (lambda value: is_whole(value, 1, MOST_THREADS), f"a whole number from 1 to {MOST_THREADS:,}"),
    "files": (lambda value: isinstance(value, list) and 0 < len(value) <= LONGEST, "a list of the files' times"),
}
TOP_MAYBE: dict[str, Rule] = {
    "governor": or_null(TEXT),
    "temperature_c": or_null((lambda value: is_number(value) and -100 <= value <= 200, "degrees from -100 to 200")),
}
FILE: dict[str, Rule] = {
    "file": TEXT,
    "sha256": or_null(SHA),
    "program": TEXT,
    "latency_ms": (milliseconds, f"a number of milliseconds above 0, up to {MOST_MS:,.0f}"),
}
FILE_MAYBE: dict[str, Rule] = {
    "runs": or_null(RUNS),
    "runtime": or_null((lambda value: is_one_of(value, tuple(FORMATS)), f"one of {', '.join(FORMATS)}")),
    "precision": or_null((lambda value: is_one_of(value, PRECISIONS), f"one of {', '.join(PRECISIONS)}")),
    "height": or_null(SIDE),
    "width": or_null(SIDE),
    "architecture": or_null(SHA),
    "point": or_null((lambda value: is_point(value), "an object of numbers, names and switches")),
}


def check_entries(table: Any, needed: dict[str, Rule], maybe: dict[str, Rule], where: str) -> None:
    """Raises a UserError for the first entry that is missing, unknown or wrong."""
    if not isinstance(table, dict):
        raise UserError(f"{where} is {short(table)}, not an object")
    for key in table:
        if key not in needed and key not in maybe:
            raise UserError(f"{where} has {short(key)}, which means nothing here{suggestion(key, [*needed, *maybe])}")
    for key, (holds, text) in needed.items():
        if key not in table:
            raise UserError(f"{where} lacks {key}: {text}")
        if not holds(table[key]):
            raise UserError(f"{where}: {key} {short(table[key])} is not {text}")
    for key, (holds, text) in maybe.items():
        if key in table and not holds(table[key]):
            raise UserError(f"{where}: {key} {short(table[key])} is not {text}")


def read_result(key: str, path: Path) -> DeviceResult:
    """Read a result file.

    Args:
        key: that names it, for messages.

    Raises:
        UserError: in one line, if it is no such file; names the entry that is wrong.
    """
    said = f"{key}={path}"

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no number")

    try:
        table = json.loads(content_of(key, path), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{said} is no JSON file: {' '.join(str(error).split())}") from error
    if not isinstance(table, dict) or "format" not in table:
        raise UserError(f"{said} is no result of a device: it has no format (docs/deploy/benchmark.md)")
    check_entries(table, TOP, TOP_MAYBE, said)
    for number, entry in enumerate(table["files"]):
        check_entries(entry, FILE, FILE_MAYBE, f"{said}, files[{number}]")
    table = {name: value for name, value in table.items() if name != "format"}
    result = DeviceResult(**{**table, "files": [Measured(**entry) for entry in table["files"]]})
    check_twice(said, result.files)
    return result


def content_of(key: str, path: Path) -> str:
    """The text of a result file; what is no UTF-8 becomes a replacement character.

    Raises:
        UserError: if it is missing, a folder or too large.
    """
    if not path.is_file():
        raise UserError(f"{key}={path}: {'it is a folder; name a file' if path.is_dir() else 'no such file'}")
    if path.stat().st_size > LARGEST:
        raise UserError(f"{key}={path} has more than {LARGEST >> 20} MB: it is no result of a device")
    return path.read_text(encoding="utf-8", errors="replace")


def check_twice(said: str, files: Iterable[Measured]) -> None:
    """Raises a UserError if a file was measured twice, with the two times."""
    seen: dict[str, Measured] = {}
    for each in files:
        first = seen.setdefault(each.sha256 or each.file, each)
        if first is not each:
            times = f"{first.latency_ms:g} and {each.latency_ms:g} ms"
            raise UserError(f"{said} has {short(each.file)} twice, with {times}: leave one out")


def joined(said: str, results: Sequence[DeviceResult]) -> DeviceResult:
    """Several results of one device as one.

    Raises:
        UserError: for other devices or numbers of threads, and a file that was measured twice.
    """
    first = results[0]
    for other in results[1:]:
        for name in ("device", "threads"):
            if getattr(other, name) != getattr(first, name):
                there = f"{short(getattr(first, name))} and {short(getattr(other, name))}"
                raise UserError(f"{said}: {name} differs, {there}; read one at a time")
    files = [each for result in results for each in result.files]
    check_twice(said, files)
    return replace(first, files=files)
