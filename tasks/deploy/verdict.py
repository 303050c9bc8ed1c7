"""The parity check's table: printed, written as gate.json, and what is said of a file that is refused."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.table import print_table
from tasks.deploy.parity import Difference
from tasks.deploy.settings import ExportSettings


def judge(
    table: Sequence[Difference], manifest: Mapping[str, Any], settings: ExportSettings, folder: Path, count: int
) -> None:
    """Print the table, write it as gate.json, and refuse a file that differs.

    Args:
        count: number of images.

    Raises:
        UserError: see check_parity().
    """
    print_differences(table, f"{manifest['file']} against the checkpoint on {count} images")
    (folder / "gate.json").write_text(
        json.dumps([row._asdict() | {"holds": row.holds, "said": said(row)} for row in table], indent=2) + "\n",
        encoding="utf-8",
    )
    failed = [row for row in table if not row.holds]
    if not failed:
        return
    problem = (
        f"{manifest['file']} does not do what the checkpoint does: {format_difference(failed[0])} "
        f"({folder / 'gate.json'}); "
        f"{remedy(failed[0], settings, manifest['precision'])}"
    )
    if settings.gate == "fail":
        raise UserError(problem)
    report(f"warning   {problem}")


def format_difference(row: Difference) -> str:
    """A row of the table in words."""
    if row.note:
        return f"{row.what} is {row.note}"
    if row.limit is None:
        return f"{row.what} is {row.worst:.4g}"
    return f"{row.what} is {row.worst:.4g}, allowed {'from' if row.at_least else 'up to'} {row.limit:g}"


def remedy(row: Difference, settings: ExportSettings, precision: str) -> str:
    """What to do about a file that fails the parity check."""
    keep = "export.gate=warn keeps the file"
    if settings.gate == "warn":
        keep = "it was kept, as export.gate=warn says"
    if precision != "int8" or row.note:  # a description, a decoder or a golden image is no better for it
        return keep
    mixed = "export.mixed=true measures each layer and keeps the most sensitive ones in float"
    if settings.mixed:
        mixed = "all layers that may stay in float do, see the table of layers: raise export.budget, or take fp32"
    more = f"more calibration images (export.calibration={settings.calibration})"
    budget = "" if settings.mixed or not row.what.startswith("loss of") else ", or a larger export.budget"
    return f"{mixed}; {more}{budget} may help; {keep}"


def said(row: Difference) -> tuple[str, str]:
    """A row's worst value and its limit: in words if all must be equal, in percent if it is a share."""
    if row.note:
        return row.note, "–"
    if not row.at_least:
        return f"{row.worst:.4g}", "–" if row.limit is None else f"≤ {row.limit:g}"
    worst = "all equal" if row.worst == 1 else f"{100 * row.worst:.4g} %"
    return worst, "–" if row.limit is None else "all equal" if row.limit == 1 else f"≥ {100 * row.limit:g} %"


def print_differences(table: Sequence[Difference], title: str) -> None:
    """Print the table."""
    print_table(
        ("compared", "worst", "allowed", ""),
        (
            (
                row.what,
                *said(row),
                "ok" if row.holds else "DIFFERS",
            )
            for row in table
        ),
        align="lrrl",
        title=title,
    )
