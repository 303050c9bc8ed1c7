"""Measured times of units, in a file that also records the machine and the runtime."""

import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tasks.common.errors import UserError

MOST = 1e9  # milliseconds; larger values are invalid
CPU_INFO = Path("/proc/cpuinfo")  # Linux; on other systems Python knows less


class Conditions(NamedTuple):
    """What times depend on, apart from the unit."""

    machine: str
    runtime: str
    threads: int
    precision: str


class LatencyTable:
    """Milliseconds of units by key.

    Several processes may share one file: it is replaced as a whole, and entries of other processes are kept. If two
    write at the same instant, the entries of one are lost and measured again later.

    Args:
        path: the file; it need not exist.
        here: conditions of this process.
        foreign: accept a file measured under other conditions; nothing can be added to it.

    Raises:
        UserError: for a file that is not a table, or one measured under other conditions.
    """

    def __init__(self, path: Path, here: Conditions, *, foreign: bool) -> None:
        self.path, self.conditions = path, here
        self.ms: dict[str, float] = {}
        self.factors: dict[str, float] = {}  # from sums to whole networks, by image size
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
        """Add measurements, also to the file; if another process has measured the same unit, its value wins."""
        there = read(self.path) if self.path.exists() else {"ms": {}, "factors": {}}
        self.ms = {**self.ms, **ms, **there["ms"]}
        self.factors = {**self.factors, **there["factors"], **(factors or {})}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        table = {**self.conditions._asdict(), "factors": self.factors, "ms": self.ms}
        unfinished.write_text(json.dumps(table, indent=1, ensure_ascii=False), encoding="utf-8")
        unfinished.replace(self.path)


def read(path: Path) -> dict[str, Any]:
    """Read a table's file.

    Raises:
        UserError: if it is not a table; names the row of an invalid time.
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
    for key, least in (("factors", 1e-3), ("ms", 0)):  # 0 is a unit too fast to measure
        if not isinstance(table[key], dict):
            raise UserError(f"{said}: {key} holds a {type(table[key]).__name__}")
        for name, value in table[key].items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < MOST:
                raise UserError(f"{said}: {key}, {name}: {value!r} is not a number from {least} to {MOST:.0f}")
    return table


def machine() -> str:
    """Describe this machine: its processor and number of cores."""
    name = platform.processor()
    if CPU_INFO.exists():
        lines = [line.partition(":") for line in CPU_INFO.read_text(encoding="utf-8").splitlines()]
        name = next((value.strip() for key, _, value in lines if key.strip() == "model name"), name)
    return f"{name or 'CPU'} ({platform.machine()}), {os.cpu_count()} cores"


def format_conditions(conditions: Conditions) -> str:
    """Format conditions in one line."""
    threads = "one thread" if conditions.threads == 1 else f"{conditions.threads} threads"
    return f"{conditions.machine}, {conditions.runtime}, {threads}, {conditions.precision}"
