"""One shared network against separate ones: what they cost, and what they score after equal training time.

    python -m tasks.multitask.compare minutes=6                                all heads that the data has labels for
    python -m tasks.multitask.compare minutes=30 heads=[segment,detect] dataset=cityscapes
    python -m tasks.multitask.compare minutes=6 seeds=[0,1,2]                  scores as mean ± sd; minutes of each seed
    python -m tasks.multitask.compare minutes=6 output=<folder> key=value …    and whatever tasks.multitask takes

The shared network trains for so many minutes, each of n separate ones for an n-th of them, with the same data, recipe
and backbone; an epoch of each is timed first, to know how many fit. Then both sides are timed in turn on one thread of
this machine: the network alone, and with what makes boxes and label maps of its outputs.
"""

import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.common.console import refusing, run_command
from tasks.common.errors import UserError, not_one_of
from tasks.common.task_info import infos
from tasks.common.typed import seeds_of
from tasks.config.top_keys import check_own_keys
from tasks.multitask.arguments import spelled_out
from tasks.multitask.runs import SHARED, Runs

KEYS = ("minutes", "heads", "seeds", "output")
OURS = {  # keys that this command sets itself, with the reason
    "mode": "each network is trained",
    "resume": "each network is trained from its start",
    "stop_after": "minutes=… says how long",
    "trainer.max_epochs": "minutes=… says how long",
    "trainer.check_val_every_n_epoch": "scores are those at the end",
    "trainer.limit_val_batches": "all images are scored",
    "hydra.run.dir": "output=<folder> says where",
}


class Request(NamedTuple):
    """The parsed arguments.

    Attributes:
        minutes: of training for each side.
        heads: None for all that the data has labels for.
        seeds: of every network's trainings; empty for one with the runs' own seed.
        output: a folder that does not exist yet.
        overrides: everything else, for tasks.multitask.
    """

    minutes: float
    heads: list[str] | None
    seeds: list[int]
    output: Path
    overrides: list[str]


def main() -> None:
    """Train, time and print the table; user errors are printed in one line with exit status 2."""
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(__doc__)
        return
    with refusing():
        compare(parse(sys.argv[1:]))


def parse(arguments: Sequence[str]) -> Request:
    """Parse the arguments and validate those of this command.

    Raises:
        UserError: for an argument that it cannot parse, or a key that it sets itself.
    """
    check_own_keys(arguments, KEYS)
    spelled_out(arguments)  # raises for a malformed datasets=[…]
    own: dict[str, str] = {}
    overrides = []
    for argument in arguments:
        key, is_pair, value = argument.partition("=")
        if argument.startswith("-") or not (is_pair or argument.startswith("~")):
            raise UserError(f"{argument}: not of the form key=value")
        if key.lstrip("+~") in OURS:
            raise UserError(f"{argument}: not here, {OURS[key.lstrip('+~')]}")
        if key in KEYS:
            own[key] = value
        else:
            overrides.append(argument)
    output = Path(own.get("output", time.strftime("outputs/multitask_compare/%Y-%m-%d_%H-%M-%S"))).absolute()
    if output.exists():
        raise UserError(f"output={output} is there already; name a new folder")
    seeds = seeds_of(own["seeds"]) if own.get("seeds", "[]") != "[]" else []
    if seeds and (typed := [word for word in overrides if word.startswith("seed=")]):
        raise UserError(f"{typed[0]}: not here, seeds={own['seeds']} says which")
    return Request(minutes_of(own.get("minutes")), heads_of(own.get("heads", "null")), seeds, output, overrides)


def minutes_of(value: str | None) -> float:
    """Parse how long each side trains.

    Raises:
        UserError: for anything but a number above 0.
    """
    if value is None:
        raise UserError("minutes=… is missing: how long each side is trained, such as minutes=6")
    try:
        minutes = float(value)
    except ValueError:
        minutes = math.nan
    if not 0 < minutes < math.inf:
        raise UserError(f"minutes={value} is not a number above 0")
    return minutes


def heads_of(value: str) -> list[str] | None:
    """Parse the heads to compare; None for all that the data has labels for.

    Raises:
        UserError: for anything but a list of at least two heads.
    """
    if value == "null":
        return None
    choices = ", ".join(infos())
    if not (value.startswith("[") and value.endswith("]")):
        raise UserError(f"heads={value} is not a list of some of {choices}, or null")
    heads = [name.strip() for name in value[1:-1].split(",")]
    for name in heads:
        if name not in infos():
            raise UserError(f"heads={value}: {name or 'nothing'} {not_one_of(name, infos())}")
        if heads.count(name) > 1:
            raise UserError(f"heads={value} names {name} twice")
    several(heads)
    return heads


def several(heads: Sequence[str]) -> None:
    """Raises a UserError for fewer than two heads."""
    if len(heads) < 2:
        raise UserError(
            f"heads=[{','.join(heads)}] is one network, with nothing to compare; take two of the heads or more"
        )


def compare(asked: Request) -> None:
    """Train all networks, time them, and write and print the table.

    Raises:
        UserError: if a run fails, with its own message.
    """
    from tasks.app.rehearsal import rehearse  # imports Hydra: half a second

    heads_typed = [] if asked.heads is None else [f"heads=[{','.join(asked.heads)}]"]
    rehearse("multitask", [*asked.overrides, *heads_typed], spelled_out)
    runs = Runs(asked.output, asked.overrides)
    paces = {SHARED: runs.time(SHARED, asked.heads)}
    heads = asked.heads or runs.heads_of_trial(SHARED)
    several(heads)
    runs.leave_out_data(heads)
    paces |= {name: runs.time(name, [name]) for name in heads}
    every: list[dict[str, Path]] = []
    seeds: list[int | None] = [*asked.seeds]
    for seed in seeds or [None]:
        folders = {SHARED: runs.train(SHARED, heads, paces[SHARED].epochs(60 * asked.minutes), seed)}
        for name in heads:
            folders[name] = runs.train(name, [name], paces[name].epochs(60 * asked.minutes / len(heads)), seed)
        every.append(folders)

    from tasks.multitask.latency import latencies  # imports torch and lightning: seconds
    from tasks.multitask.table import over_seeds, print_comparison, tabulate, write_comparison

    times = latencies(every[0])
    rows = over_seeds([tabulate(heads, folders, times) for folders in every])
    write_comparison(asked.output, rows)
    print_comparison(rows)
    print(f"table     {asked.output / 'comparison.csv'}")


if __name__ == "__main__":
    run_command(main)
