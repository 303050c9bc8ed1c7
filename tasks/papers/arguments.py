"""The command line of python -m tasks.papers."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.common.cpu import cores
from tasks.common.errors import UserError
from tasks.multitask.compare import minutes_of
from tasks.papers.scales import check_scale

KEYS = ("table", "scale", "rows", "seeds", "epochs", "minutes", "workers", "root", "output")


class Request(NamedTuple):
    """The parsed arguments.

    Attributes:
        table: key of a table; None lists all.
        scale: None shows the table without training.
        rows: names or numbers; None for all.
        epochs: of each training; None for the scale's own, or what fits into `minutes`.
        minutes: for the whole table, all seeds.
        workers: rows that are trained at the same time.
        root: folder of the small data sets.
        output: folder for the runs; those it has already are kept.
        overrides: everything else, for the table's task.
    """

    table: str | None
    scale: str | None
    rows: list[str] | None
    seeds: list[int]
    epochs: int | None
    minutes: float | None
    workers: int
    root: Path
    output: Path
    overrides: list[str]


def parse(arguments: Sequence[str]) -> Request:
    """Parse the arguments.

    Raises:
        UserError: for one that is not of the form key=value, or a value out of range.
    """
    own: dict[str, str] = {}
    overrides = []
    for argument in arguments:
        key, is_pair, value = argument.partition("=")
        if argument.startswith("-") or not is_pair:
            raise UserError(f"{argument}: not of the form key=value; keys are {', '.join(KEYS)}, and those of the task")
        if key in KEYS:
            own[key] = value
        else:
            overrides.append(argument)
    table, scale = own.get("table"), own.get("scale")
    if table is None and (own or overrides):
        raise UserError(f"{arguments[0]}: table=… is missing; python -m tasks.papers lists the tables")
    training = sorted({*own, *(word.partition("=")[0] for word in overrides)} - {"table", "rows"})
    if scale is None and training:
        raise UserError(f"{training[0]}=… is for a training: scale=mini, streets or full")
    if scale == "full" and "root" in own:
        raise UserError("root=… is for scale=mini; the papers' data sets lie below DATA_ROOT, or dataset.root=…")
    if "epochs" in own and "minutes" in own:
        raise UserError("epochs=… and minutes=… both say how long; take one of them")
    name = f"{str(table).replace('.', '_')}_{scale}"
    workers = whole("workers", own["workers"]) if "workers" in own else max(1, min(8, len(cores())))
    return Request(
        table=table,
        scale=None if scale is None else check_scale(scale),
        rows=None if "rows" not in own else listed(own["rows"]),
        seeds=[whole("seeds", word, 0) for word in listed(own.get("seeds", "[0,1,2]"))],
        epochs=whole("epochs", own["epochs"]) if "epochs" in own else None,
        minutes=minutes_of(own["minutes"]) if "minutes" in own else None,
        workers=workers,
        root=Path(own.get("root", os.environ.get("DATA_ROOT", "data"))).absolute(),
        output=Path(own.get("output", time.strftime(f"outputs/papers/{name}_%Y-%m-%d_%H-%M-%S"))).absolute(),
        overrides=overrides,
    )


def listed(text: str) -> list[str]:
    """The entries of "[a,b]" or "a,b"; commas within an entry's own brackets do not separate."""
    words, depth, closings = [""], 0, []
    for place, letter in enumerate(text):
        depth += (letter == "[") - (letter == "]")
        if letter == "]" and depth == 0:
            closings.append(place)
    if text.startswith("[") and closings == [len(text) - 1]:
        text = text[1:-1]
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and not depth:
            words.append("")
        else:
            words[-1] += letter
    return [word.strip() for word in words]


def whole(key: str, text: str, least: int = 1) -> int:
    """A whole number.

    Raises:
        UserError: for anything else, or less than `least`.
    """
    if not text.isdecimal() or int(text) < least:
        raise UserError(f"{key}={text} is not a whole number, {least} or more")
    return int(text)
