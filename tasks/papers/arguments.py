"""The command line of python -m tasks.papers."""

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException

from tasks.common.cpu import cores
from tasks.common.errors import UserError
from tasks.common.typed import listed, seeds_of, whole
from tasks.config.top_keys import check_own_keys
from tasks.multitask.compare import minutes_of
from tasks.papers.scales import check_scale

KEYS = ("table", "scale", "rows", "seeds", "epochs", "minutes", "workers", "root", "output")
INSTEAD = {  # keys of the task that this command sets
    "seed": "seeds=[0,1,2] are this command's",
    "experiment": "table=… and rows=… choose it",
    "mode": "a table is trained",
    "hydra.sweep.dir": "output=… is this command's",
    "hydra.sweep.subdir": "output=… is this command's",
    "hydra.run.dir": "output=… is this command's",
}


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
    check_own_keys(arguments, KEYS)
    own: dict[str, str] = {}
    overrides = []
    for argument in arguments:
        key, is_pair, value = argument.partition("=")
        if argument.startswith("-") or not is_pair:
            raise UserError(f"{argument}: not of the form key=value; keys are {', '.join(KEYS)}, and those of the task")
        if key in own:
            raise UserError(f"{argument}: {key} is given twice")
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
    check_overrides(overrides, has_length="epochs" in own or "minutes" in own)
    name = f"{str(table).replace('.', '_')}_{scale}"
    workers = whole("workers", own["workers"]) if "workers" in own else max(1, min(8, len(cores())))
    return Request(
        table=table,
        scale=None if scale is None else check_scale(scale),
        rows=None if "rows" not in own else listed(own["rows"]),
        seeds=seeds_of(own.get("seeds", "[0,1,2]")),
        epochs=whole("epochs", own["epochs"]) if "epochs" in own else None,
        minutes=minutes_of(own["minutes"]) if "minutes" in own else None,
        workers=workers,
        root=Path(own.get("root", os.environ.get("DATA_ROOT", "data"))).absolute(),
        output=Path(own.get("output", time.strftime(f"outputs/papers/{name}_%Y-%m-%d_%H-%M-%S"))).absolute(),
        overrides=overrides,
    )


def check_overrides(overrides: Sequence[str], *, has_length: bool) -> None:
    """Refuse what this command sets itself, and sweeps: a row is a single network.

    Args:
        has_length: whether epochs=… or minutes=… says how long.

    Raises:
        UserError: for the first one.
    """
    for word in overrides:
        key = word.partition("=")[0].lstrip("+~")
        if key in INSTEAD or (key == "trainer.max_epochs" and has_length):
            raise UserError(f"{word}: {INSTEAD.get(key, 'epochs=… or minutes=… says how long')}")
        try:
            (override,) = OverridesParser.create().parse_overrides([word])
        except OverrideParseException:
            raise UserError(
                f"{word}: brackets, braces, commas, spaces and = must stand in quotes of their own"
            ) from None
        if override.is_sweep_override():
            raise UserError(f"{word}: several values; a row of a table is one network, and only seeds=… repeats it")
