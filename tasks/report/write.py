"""Writes a run's page, and notes for it how far the run is."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tasks.common.errors import UserError
from tasks.common.records import FOLDER
from tasks.common.writing import write_text
from tasks.report.collect import collect
from tasks.report.page import page
from tasks.report.reading import RUN, Parts, read_json

PAGE = "report.html"


class Page(NamedTuple):
    """A page that was written, and a line about each damaged record that it leaves out."""

    path: Path
    damaged: list[str]


def write_report(folder: Path) -> Path:
    """Write the page of a run's folder from what is in it; returns its path. See written()."""
    return written(folder).path


def written(folder: Path) -> Page:
    """Write the page of a run's folder from what is in it. It says which records are damaged.

    Raises:
        UserError: for a folder that is no run's, scores or a configuration that cannot be read, and a full disk.
    """
    data = collect(folder, strict=False)
    path = folder / PAGE
    write_text(path, page(data, "run", f"{data['run']['task'] or 'run'} · {data['run']['folder']}"))
    return Page(path, data["damaged"])


def note(folder: Path, entries: Mapping[str, Any]) -> None:
    """Add entries to run.json of a run's records; a damaged one is begun again.

    Raises:
        UserError: for a full disk.
    """
    path = folder / FOLDER / RUN
    known = Parts(folder, strict=False).read(lambda: read_json(path)) or {}
    write_text(path, json.dumps({**known, **entries}, indent=1, ensure_ascii=False) + "\n")


def finish(folder: Path, **entries: Any) -> str:
    """Write the page of a run that has ended; returns a line with its path, or with what was wrong."""
    try:
        note(folder, {**entries, "updated": now()})
        return told(write_report(folder))
    except UserError as error:
        return f"no report: {error}"


def told(path: Path) -> str:
    """A line that says where a page is, and how to open it."""
    return f"report    {path} (open it in a browser)"


def now() -> str:
    """The time, to seconds."""
    return datetime.now(UTC).astimezone().isoformat(timespec="seconds")
