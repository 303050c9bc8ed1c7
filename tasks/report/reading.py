"""Reads the files of a run's folder; they may be of an older run, or of somebody else's."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tasks.common.errors import UserError

RUN = "run.json"  # in the folder of records: what the other files of a run do not say


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
