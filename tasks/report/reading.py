"""Reads the files of a run's folder; they may be of an older run, or of somebody else's."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import yaml

from tasks.common.errors import UserError

T = TypeVar("T")
RUN = "run.json"  # in the folder of records: what the other files of a run do not say


class Parts:
    """Reads parts of a page, of which some may be damaged.

    Args:
        folder: of the run; the lines name files within it.
        strict: raise at the first damaged part instead of leaving it out.

    Attributes:
        damaged: a line about each part that is left out.
    """

    def __init__(self, folder: Path, strict: bool) -> None:
        self.folder, self.strict = folder, strict
        self.damaged: list[str] = []

    def read(self, reader: Callable[[], T]) -> T | None:
        """What a reader returns, or None if it raises a UserError or OSError."""
        try:
            return reader()
        except (UserError, OSError) as error:
            if self.strict:
                raise UserError(str(error)) from error
            line = str(error).replace(f"{self.folder}/", "")
            if line not in self.damaged:
                self.damaged.append(line)
            return None


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; {} without the file.

    Raises:
        UserError: for anything else.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(found, dict):
        raise UserError(f"{path} has no JSON object")
    return found


def read_yaml(path: Path) -> Any:
    """The content of a YAML file of plain values; None without the file.

    Raises:
        UserError: if it cannot be read.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"{path} cannot be read: {' '.join(str(error).split())}") from error


def part(record: Mapping[str, Any], *keys: str) -> Any:
    """A nested value of a record; None if it is not there."""
    value: Any = record
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def rounded(value: float, digits: int = 5) -> float | None:
    """A number with so many significant digits; None if it is not finite, which JSON has no word for."""
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
