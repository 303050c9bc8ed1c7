"""What a folder for street scenes holds already."""

import json
from pathlib import Path


def holds(root: Path, made_by: dict[str, object]) -> bool:
    """Whether this exact set exists already; raises FileExistsError for anything else but an empty folder."""
    if is_free(root):
        return False
    if not (root / "streets.json").exists():
        there = f"holds other files, such as {next(root.iterdir()).name}" if root.is_dir() else "is a file"
        raise FileExistsError(f"{root} {there}")
    try:
        found = json.loads((root / "streets.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        found = None
    if found != made_by:
        raise FileExistsError(f"{root} has street scenes of other settings: {differences(found, made_by)}")
    return True


def differences(found: object, wanted: dict[str, object]) -> str:
    """Which settings of the scenes in a folder are not the wanted ones."""
    if not isinstance(found, dict):
        return f"streets.json does not say which, not {wanted}"
    keys = [key for key in {**wanted, **found} if found.get(key) != wanted.get(key)]
    return ", ".join(f"{key}={found.get(key)}, not {wanted.get(key)}" for key in keys)


def is_free(root: Path) -> bool:
    """Whether there is nothing at a path, or an empty folder."""
    return not root.exists() or (root.is_dir() and not any(root.iterdir()))
