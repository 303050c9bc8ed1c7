"""The command line of python -m tasks.compare."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from tasks.common.cpu import cores
from tasks.common.errors import UserError, suggestion
from tasks.common.task_info import infos
from tasks.common.typed import listed, seeds_of, whole
from tasks.config.top_keys import check_own_keys

OPTIONS = ("--data", "--seeds", "--workers", "--output")
AS_KEYS = {"data.share": "--data", "seed": "--seeds"}  # how a sweep of the task's own command says the same
INSTEAD = {  # keys of the task that this command sets
    "seed": "seed=0,1,2 or --seeds says which",
    "data.share": "data.share=0.1,0.3,1 or --data says which",
    "mode": "each share is trained",
    "resume": "each share is trained from its start; finished runs of --output are kept",
    "hydra.run.dir": "--output says where",
    "hydra.sweep.dir": "--output says where",
    "hydra.sweep.subdir": "--output says where",
}


class CurveRequest(NamedTuple):
    """The parsed arguments of a learning curve.

    Attributes:
        task: whose command trains.
        shares: of the training images, from the smallest.
        seeds: of each share's trainings.
        workers: shares that are trained at the same time.
        output: folder for the runs; those it has already are kept.
        overrides: everything else, for the task.
    """

    task: str
    shares: list[float]
    seeds: list[int]
    workers: int
    output: Path
    overrides: list[str]


def parse(arguments: Sequence[str]) -> CurveRequest:
    """Parse the arguments.

    Raises:
        UserError: for a missing task, an unknown option, or a value out of range.
    """
    check_own_keys(arguments, ("seed",))
    own, words = options_of(arguments)
    if "--data" not in own:
        raise UserError(
            "nothing to compare: --data 0.1,0.3,1 (or data.share=…) trains on these shares of the training images"
        )
    names = [word for word in words if "=" not in word and not word.startswith("~")]
    choices = [*infos(), "multitask"]
    if len(names) != 1 or names[0] not in choices:
        raise UserError(f"{' '.join(names) or 'no task'}: name one task to train, of {', '.join(choices)}")
    overrides = [word for word in words if word not in names]
    for word in overrides:
        if (key := word.partition("=")[0].lstrip("+~")) in INSTEAD:
            raise UserError(f"{word}: not here, {INSTEAD[key]}")
        if is_sweep(word):
            raise UserError(f"{word}: type one value; a curve compares shares of the data alone")
    return CurveRequest(
        task=names[0],
        shares=shares_of(own["--data"]),
        seeds=seeds_of(own.get("--seeds", "0,1,2")),
        workers=whole("--workers", own["--workers"]) if "--workers" in own else max(1, min(8, len(cores()))),
        output=Path(own.get("--output", time.strftime("outputs/compare/%Y-%m-%d_%H-%M-%S"))).absolute(),
        overrides=overrides,
    )


def is_sweep(word: str) -> bool:
    """Whether an override has several values, as -m takes them; what is no override at all is refused by the task."""
    try:
        return bool(OverridesParser.create().parse_override(word).is_sweep_override())
    except HydraException:
        return False


def options_of(arguments: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The options with their values, and all other words.

    Raises:
        UserError: for an unknown option, one without a value, or one given twice.
    """
    own: dict[str, str] = {}
    words: list[str] = []
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        key, is_pair, value = word.partition("=")
        word = f"{AS_KEYS[key]}={value}" if is_pair and key in AS_KEYS else word
        if not word.startswith("-"):
            words.append(word)
            continue
        name, is_pair, value = word.partition("=")
        if name not in OPTIONS:
            raise UserError(f"{word}: no such option{suggestion(word, OPTIONS)}; there are {', '.join(OPTIONS)}")
        if name in own:
            names = [name, *(f"{key}=…" for key, same in AS_KEYS.items() if same == name)]
            raise UserError(f"{' or '.join(names)} is given twice")
        if not is_pair:
            if not rest or rest[0].startswith("-"):
                raise UserError(f"{name} needs a value")
            value = rest.pop(0)
        own[name] = value
    return own, words


def shares_of(text: str) -> list[float]:
    """The shares of "0.1,0.3,1", sorted.

    Raises:
        UserError: for anything but two or more different numbers above 0 and up to 1.
    """
    shares: list[float] = []
    for word in listed(text):
        try:
            share = float(word)
        except ValueError:
            share = 0.0
        if not 0 < share <= 1:
            raise UserError(f"--data {text}: {word or 'nothing'} is no number above 0 and up to 1")
        if share in shares:
            raise UserError(f"--data {text} has {word} twice")
        shares.append(share)
    if len(shares) < 2:
        raise UserError(f"--data {text}: one size is no curve; take three or more, such as 0.1,0.3,1")
    return sorted(shares)
