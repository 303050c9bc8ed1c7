"""The command line of python -m tasks.pack."""

from collections.abc import Sequence
from typing import NamedTuple

from tasks.common.errors import UserError
from tasks.config.top_keys import check_own_keys
from tasks.data.packed.place import Place, is_address
from tasks.doctor.arguments import REFUSED

NUMBERS = {"side": (16, 16_384), "val_side": (16, 16_384), "quality": (1, 100), "shard_mb": (1, 100_000)}
KEYS = ("out", *NUMBERS, "licence", "overwrite")
WRITABLE = ("s3", "gs")


class Request(NamedTuple):
    """The parsed arguments.

    Attributes:
        out: where to write.
        side, val_side: of the shorter side of training images, and of those to score; None: as they are.
        quality: of JPEG.
        shard_mb: of a shard.
        licence: for the card; '' for unstated.
        overwrite: whether a packed data set there is deleted.
    """

    out: str
    side: int | None = None
    val_side: int | None = None
    quality: int = 90
    shard_mb: int = 128
    licence: str = ""
    overwrite: bool = False


def parse(arguments: Sequence[str]) -> tuple[Request, list[str]]:
    """The arguments of packing, and those of the task's command.

    Raises:
        UserError: for one that is repeated, missing, out of range or without meaning here.
    """
    check_own_keys([word for word in arguments if not word.startswith("license=")], (*KEYS, "task"))
    given: dict[str, str] = {}
    rest = []
    for argument in arguments:
        key, _, value = argument.partition("=")
        key = {"license": "licence"}.get(key, key)
        if key in REFUSED:
            raise UserError(f"{argument}: not here; tasks.pack reads the data alone, as training would")
        if key not in KEYS:
            rest.append(argument)
            continue
        if key in given:
            raise UserError(f"{argument}: {key} is given twice")
        given[key] = value.strip()
    if not given.get("out"):
        raise UserError("out=… is missing: python -m tasks.pack dataset=… out=<folder or s3://…>")
    numbers = {key: number(key, value) for key, value in given.items() if key in NUMBERS}
    for key in ("quality", "shard_mb"):
        if key in numbers and numbers[key] is None:
            raise UserError(f"{key}=null is not a number")
    if given.get("overwrite", "false") not in ("true", "false"):
        raise UserError(f"overwrite={given['overwrite']} is not true or false")
    out = given["out"]
    if is_address(out) and Place(out, "out").scheme not in WRITABLE:
        raise UserError(f"out={out} cannot be written: a folder or {' or '.join(f'{s}://…' for s in WRITABLE)} can")
    request = Request(out, licence=given.get("licence", ""), overwrite=given.get("overwrite") == "true", **numbers)  # type: ignore[arg-type]  # checked above
    return request, rest


def number(key: str, value: str) -> int | None:
    """A number in its range; None for null."""
    if value == "null":
        return None
    least, most = NUMBERS[key]
    if not value.isascii() or not value.isdigit() or not least <= int(value[:9]) <= most:
        raise UserError(f"{key}={value} is not a whole number from {least} to {most:,}")
    return int(value)
