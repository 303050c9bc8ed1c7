"""The command line of python -m tasks.publish."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from backbones.weight_files import published_file
from tasks.common.errors import UserError, check_file, suggestion
from tasks.common.plugins import take_from

KEYS = ("checkpoint", "to", "licence", "metrics", "runs", "name", "use", "limits")
UNSTATED = "unstated"


class Request(NamedTuple):
    """The parsed arguments.

    Attributes:
        to: folder to write.
        licence: SPDX name; None for unstated.
        metrics: metrics.json of the checkpoint; None for that of its run.
        runs: folders of the same training with other seeds.
        name: title; '' for one of the checkpoint's parts, as are the two below.
        use: intended use.
    """

    checkpoint: Path
    to: Path
    licence: str | None
    metrics: Path | None
    runs: tuple[Path, ...]
    name: str
    use: str
    limits: str


def parse(arguments: Sequence[str]) -> Request:
    """Parse the arguments.

    Raises:
        UserError: for one that is not key=value, is unknown, repeated or missing, and for files that are not there.
    """
    take_from(arguments)  # plugins=[…], whose tasks the checkpoint may have
    given: dict[str, str] = {}
    for argument in arguments:
        key, is_pair, value = argument.partition("=")
        key = {"license": "licence"}.get(key, key)
        if key == "plugins":
            continue
        if not is_pair or key not in KEYS:
            raise UserError(f"{argument}: not one of {'=…, '.join(KEYS)}=…{suggestion(key, KEYS)}")
        if key in given:
            raise UserError(f"{argument}: {key} is given twice")
        if not value.strip():
            raise UserError(f"{argument}: nothing is given")
        given[key] = value.strip()
    for key in ("checkpoint", "to"):
        if key not in given:
            raise UserError(
                f"{key}=… is missing: python -m tasks.publish checkpoint=<best.ckpt> to=<folder> licence=<name>"
            )
    if "licence" not in given:
        raise UserError(
            "licence=… is missing: the SPDX name of the weights' licence, such as Apache-2.0 (spdx.org/licenses); "
            f"licence={UNSTATED} says in the card that there is none"
        )
    licence = given["licence"]
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]*", licence):
        raise UserError(f"licence={licence} is no SPDX name, such as Apache-2.0, CC-BY-4.0 or LicenseRef-own")
    checkpoint = published_file(Path(given["checkpoint"]).expanduser())
    check_file("checkpoint", checkpoint)
    metrics = Path(given["metrics"]).expanduser() if "metrics" in given else None
    if metrics is not None:
        check_file("metrics", metrics, ["metrics.json"])
    to = Path(given["to"]).expanduser()
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise UserError(f"to={to} is there already, and not an empty folder")
    runs = tuple(
        Path(word.strip()).expanduser() for word in given.get("runs", "").strip("[]").split(",") if word.strip()
    )
    for run in runs:
        if not run.is_dir():
            raise UserError(f"runs: {run}: no such folder")
    return Request(
        checkpoint=checkpoint,
        to=to,
        licence=None if licence == UNSTATED else licence,
        metrics=metrics,
        runs=runs,
        name=given.get("name", ""),
        use=given.get("use", ""),
        limits=given.get("limits", ""),
    )
