"""The command line of python -m tasks.lint."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from backbones.weight_files import published_file
from tasks.common.delegates import FORMAT_OF
from tasks.common.errors import UserError, check_file, not_one_of, suggestion
from tasks.common.formats import FORMATS, OUTPUTS
from tasks.common.plugins import take_from
from tasks.lint.files.opening import READ_BY, runtime_of

KEYS = ("model", "checkpoint", "target", "outputs", "size", "rewrite", "measure")
LONGEST = 2**14  # pixels of a side, as of export.size
SWITCHES = {"true": True, "false": False}


class Request(NamedTuple):
    """The parsed arguments.

    Attributes:
        model: an exported file; or None, and `checkpoint` is exported.
        size: (height, width) of the checkpoint's images; None for its own.
        rewrite: whether the checkpoint's graph is rewritten for the target.
        measure: whether the operators are timed on this machine.
        as_json: whether the result is printed as JSON.
    """

    model: Path | None
    checkpoint: Path | None
    target: str
    outputs: str
    size: tuple[int, int] | None
    rewrite: bool
    measure: bool
    as_json: bool


def parse(arguments: Sequence[str]) -> Request:
    """Parse the arguments.

    Raises:
        UserError: for one that is not key=value, is unknown, repeated, missing or contradicts another, and for files
            that are not there.
    """
    take_from(arguments)  # plugins=[…], whose tasks the checkpoint may have
    given: dict[str, str] = {}
    for argument in arguments:
        key, is_pair, value = argument.partition("=")
        if key == "plugins" or argument == "--json":
            continue
        if not is_pair or key not in KEYS:
            near = suggestion(key, KEYS)
            raise UserError(f"{argument}: not one of {'=…, '.join(KEYS)}=…, --json{near}")
        if key in given:
            raise UserError(f"{argument}: {key} is given twice")
        given[key] = value.strip()
    target = one_of("target", given.get("target"), FORMAT_OF)
    if ("model" in given) == ("checkpoint" in given):
        raise UserError("one of model=<exported file> and checkpoint=<best.ckpt> is needed")
    rewrite = SWITCHES[one_of("rewrite", given.get("rewrite", "false"), SWITCHES)]
    request = Request(
        model=Path(given["model"]).expanduser() if "model" in given else None,
        checkpoint=published_file(Path(given["checkpoint"]).expanduser()) if "checkpoint" in given else None,
        target=target,
        outputs=one_of("outputs", given.get("outputs", "raw"), OUTPUTS),
        size=size_of(given["size"]) if "size" in given else None,
        rewrite=rewrite,
        measure=SWITCHES[one_of("measure", given.get("measure", "true"), SWITCHES)],
        as_json="--json" in arguments,
    )
    if request.model is not None:
        if wrong := [key for key in ("outputs", "size", "rewrite") if key in given]:
            raise UserError(f"{wrong[0]}=… is for checkpoint=…; what {request.model} does stands in the file")
        check_format(request.model, target)
    if request.checkpoint is not None:
        check_file("checkpoint", request.checkpoint)
    return request


def check_format(model: Path, target: str) -> None:
    """Raises a UserError if a target cannot read the file."""
    runtime, reads = runtime_of(model), READ_BY.get(target, (FORMAT_OF[target],))
    if runtime not in reads:
        suffixes = " and ".join(FORMATS[name].suffix for name in reads)
        here = ", ".join(name for name in FORMAT_OF if runtime in READ_BY.get(name, (FORMAT_OF[name],)))
        raise UserError(f"model={model}: target={target} reads {suffixes} files; for {model.suffix} there are {here}")


def one_of(key: str, value: str | None, choices: Sequence[str] | dict[str, bool] | dict[str, str]) -> str:
    """The value, if it is one of the choices; raises a UserError otherwise."""
    if value is None:
        raise UserError(f"{key}=… is needed: one of {', '.join(choices)}")
    if value not in choices:
        raise UserError(f"{key}={value} {not_one_of(value, choices)}")
    return value


def size_of(text: str) -> tuple[int, int]:
    """[height,width] as numbers; raises a UserError for anything else."""
    sides = text.strip("[]").split(",")
    numbers = [int(side) for side in sides if side.strip().isdecimal() and len(side) < 9]
    if len(sides) != 2 or len(numbers) != 2 or not all(0 < number <= LONGEST for number in numbers):
        raise UserError(f"size={text[:60]}: [height,width] is needed, each from 1 to {LONGEST:,}")
    return numbers[0], numbers[1]
