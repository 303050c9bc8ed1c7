"""What an exported file says of itself: model.json beside it, and the same inside it where its format has a place."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks.errors import UserError

FORMAT = 1
NAME = "model.json"
SUFFIXES = {".onnx": "onnx", ".xml": "openvino", ".pte": "executorch", ".pt2": "torch"}  # of files, and their runtimes
KEYS = ("format", "task", "file", "runtime", "precision", "outputs", "input", "tasks", "sha256")
TABLES = ("input", "tasks", "card", "sha256")
CHOICES = {
    "runtime": tuple(SUFFIXES.values()),
    "precision": ("fp32", "fp16", "bf16", "int8"),
    "outputs": ("raw", "decoded", "final"),
}


def read_manifest(path: str | Path) -> dict[str, Any]:
    """The description of an exported file, which is looked at as well.

    Args:
        path: the file, or its model.json.

    Raises:
        UserError: if one of them is missing, cut off or changed; if the format is newer than this code, or the runtime
            unknown.
    """
    path = Path(path)
    if not path.name:
        raise UserError("model=: no file is named")
    beside = path if path.name == NAME else path.with_name(NAME)
    if not path.is_file():
        raise UserError(f"model={path}: no such file")
    if path.name != NAME:
        runtime_of(path)
    if not beside.is_file():
        raise UserError(f"model={path}: {NAME} is missing beside it, which says what its inputs and outputs mean")
    try:
        manifest = json.loads(beside.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{beside} is no JSON file: {error}") from error
    if not isinstance(manifest, dict) or "format" not in manifest:
        raise UserError(f"{beside} is not the description of an exported file: it has no format")
    if not isinstance(manifest["format"], int) or manifest["format"] > FORMAT:
        raise UserError(f"{beside} has format {manifest['format']}; this version reads up to {FORMAT}")
    missing = [key for key in KEYS if key not in manifest]
    if missing:
        raise UserError(f"{beside} is damaged: it lacks {', '.join(missing)}")
    for key in TABLES:
        if not isinstance(manifest.get(key, {}), dict):
            raise UserError(f"{beside} is damaged: {key} is not a table of names and values")
    for key, choices in CHOICES.items():
        if manifest[key] not in choices:
            raise UserError(f"{beside}: {key} {manifest[key]} is not one of {', '.join(choices)}")
    if path.name != NAME and path.name != manifest["file"]:
        raise UserError(f"{beside} describes {manifest['file']}, not {path.name}")
    check_files(beside.parent, manifest["sha256"])
    return manifest


def card_of(path: str | Path) -> dict[str, Any]:
    """The checkpoint's description, by which an exported file is scored; a file that is shipped may have lost it.

    Raises:
        UserError: if it has, or read_manifest() refuses it.
    """
    manifest = read_manifest(path)
    if "card" not in manifest:
        raise UserError(f"model={path}: {NAME} has no card any more, without which the file cannot be scored")
    card: dict[str, Any] = manifest["card"]
    return card


def runtime_of(path: Path) -> str:
    """The runtime that a file is for.

    Raises:
        UserError: for another suffix.
    """
    if path.suffix not in SUFFIXES:
        choices = ", ".join(f"{suffix} ({runtime})" for suffix, runtime in SUFFIXES.items())
        raise UserError(f"model={path}: no runtime for {path.suffix or 'a name without suffix'}; there are {choices}")
    return SUFFIXES[path.suffix]


def check_files(folder: Path, hashes: Mapping[str, str]) -> None:
    """Raises a UserError for a file that is missing, or is not what was exported."""
    for name, expected in hashes.items():
        if not (folder / name).is_file():
            raise UserError(f"{folder / name}: no such file, though {NAME} names it")
        if sha256(folder / name) != expected:
            raise UserError(f"{folder / name} is cut off or was changed: it is not the file that {NAME} describes")


def embedded(manifest: Mapping[str, Any]) -> str:
    """What is put inside the file: all but the card, which may name folders of this machine."""
    return json.dumps({key: value for key, value in manifest.items() if key != "card"})


def write_manifest(folder: Path, manifest: Mapping[str, Any], files: Iterable[str]) -> None:
    """model.json with the hashes of the files it describes."""
    whole = {**manifest, "sha256": {name: sha256(folder / name) for name in files}}
    (folder / NAME).write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    """A file's hash as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
