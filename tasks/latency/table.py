"""What units were measured to take, in a file that says on which machine and by what."""

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tasks.common.errors import UserError

MOST = 1e9  # milliseconds: more is no measurement
CPU_INFO = Path("/proc/cpuinfo")  # Linux; elsewhere Python says less


class Conditions(NamedTuple):
    """What times depend on besides the unit."""

    machine: str
    runtime: str
    threads: int
    precision: str


class LatencyTable:
    """Milliseconds of units by key.

    Several processes may use one file: it is replaced as a whole, and what others have added stays. Should two write at
    the same instant, what one of them has added is measured again some day.

    Args:
        path: the file; it need not exist.
        here: of this process.
        foreign: take a file of other conditions as it is; nothing can be added to it.

    Raises:
        UserError: for a file that is no table, or one of other conditions.
    """

    def __init__(self, path: Path, here: Conditions, *, foreign: bool) -> None:
        self.path, self.conditions = path, here
        self.ms: dict[str, float] = {}
        self.factors: dict[str, float] = {}  # from sums to whole networks, by the images' size
        if path.exists():
            table = read(path)
            found = Conditions(**{key: table[key] for key in Conditions._fields})
            if found != here and not foreign:
                raise UserError(
                    f"latency.table={path} is of {format_conditions(found)}; here it is {format_conditions(here)}: "
                    "name another file, or take it as it is with latency.other_machine=true"
                )
            self.conditions, self.ms, self.factors = found, table["ms"], table["factors"]
        self.foreign = self.conditions != here

    def add(self, ms: Mapping[str, float], factors: Mapping[str, float] | None = None) -> None:
        """Keep what was measured, in the file too; of a unit that another process has measured, what that has found."""
        there = read(self.path) if self.path.exists() else {"ms": {}, "factors": {}}
        self.ms = {**self.ms, **ms, **there["ms"]}
        self.factors = {**self.factors, **there["factors"], **(factors or {})}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        table = {**self.conditions._asdict(), "factors": self.factors, "ms": self.ms}
        unfinished.write_text(json.dumps(table, indent=1, ensure_ascii=False), encoding="utf-8")
        unfinished.replace(self.path)


def read(path: Path) -> dict[str, Any]:
    """A table's file.

    Raises:
        UserError: for anything else, with the row where a time is none.
    """
    said = f"latency.table={path} is no table of latencies"
    try:
        table = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise UserError(f"{said}: {' '.join(str(error).split())}") from error
    if not isinstance(table, dict):
        raise UserError(f"{said}: it holds a {type(table).__name__}")
    for key in (*Conditions._fields, "factors", "ms"):
        if key not in table:
            raise UserError(f"{said}: {key} is missing")
    for key, least in (("factors", 1e-3), ("ms", 0)):  # a unit that is lost in the noise takes 0
        if not isinstance(table[key], dict):
            raise UserError(f"{said}: {key} holds a {type(table[key]).__name__}")
        for name, value in table[key].items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < MOST:
                raise UserError(f"{said}: {key}, {name}: {value!r} is not a number from {least} to {MOST:.0f}")
    return table


def machine() -> str:
    """This machine in words: its processor, and how many of them."""
    name = platform.processor()
    if CPU_INFO.exists():
        lines = [line.partition(":") for line in CPU_INFO.read_text().splitlines()]
        name = next((value.strip() for key, _, value in lines if key.strip() == "model name"), name)
    return f"{name or 'CPU'} ({platform.machine()}), {os.cpu_count()} cores"


def format_conditions(conditions: Conditions) -> str:
    """Conditions in a line."""
    threads = "one thread" if conditions.threads == 1 else f"{conditions.threads} threads"
    return f"{conditions.machine}, {conditions.runtime}, {threads}, {conditions.precision}"
