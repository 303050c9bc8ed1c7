"""What an exported file says of itself: model.json beside it, and the same inside it where its format has a place.

card.json is the checkpoint's own description, by which mode=evaluate builds data and metric. It may name folders of the
machine that it was made on, and need not be shipped.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks.deploy.formats import FORMATS, OUTPUTS, PRECISIONS
from tasks.errors import UserError

FORMAT = 1
NAME, CARD = "model.json", "card.json"
SUFFIXES = {entry.suffix: runtime for runtime, entry in FORMATS.items()}
KEYS = ("format", "task", "file", "runtime", "precision", "outputs", "input", "tasks", "sha256")
TABLES = ("input", "tasks", "sha256")
ROLES: dict[str, dict[str, set[str]]] = {  # of the outputs, by task and form
    "segment": {"raw": {"logits"}, "decoded": {"labels"}, "final": {"labels"}},
    "detect": {"raw": {"logits", "offsets"}, "decoded": {"boxes", "scores"}, "final": {"boxes", "scores", "labels"}},
    "classify": {"raw": {"logits"}, "decoded": {"probabilities"}, "final": {"probabilities"}},
}
CHOICES = {
    "runtime": tuple(SUFFIXES.values()),
    "precision": PRECISIONS,
    "outputs": OUTPUTS,
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
    manifest = read_json(beside)
    if not isinstance(manifest, dict) or "format" not in manifest:
        raise UserError(f"{beside} is not the description of an exported file: it has no format")
    if type(manifest["format"]) is not int or not 1 <= manifest["format"] <= FORMAT:
        raise UserError(f"{beside} has format {manifest['format']}; this version reads up to {FORMAT}")
    missing = [key for key in KEYS if key not in manifest]
    if missing:
        raise UserError(f"{beside} is damaged: it lacks {', '.join(missing)}")
    for key in TABLES:
        if not isinstance(manifest[key], dict):
            raise UserError(f"{beside} is damaged: {key} is not a table of names and values")
    for key, choices in CHOICES.items():
        if manifest[key] not in choices:
            raise UserError(f"{beside}: {key} {manifest[key]} is not one of {', '.join(choices)}")
    if path.name != NAME and path.name != manifest["file"]:
        raise UserError(f"{beside} describes {manifest['file']}, not {path.name}")
    if problem := wrong_inside(manifest):
        raise UserError(f"{beside} is damaged: {problem}")
    check_files(beside.parent, manifest["sha256"])
    return manifest


def read_json(path: Path) -> Any:
    """What a JSON file holds; a UserError if it is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON file: {error}") from error


def wrong_inside(manifest: Mapping[str, Any]) -> str:
    """What is wrong with the tables of a description, in a few words; nothing if they can be worked with."""
    takes, hashes = manifest["input"], manifest["sha256"]
    lacking = [key for key in ("batch", "height", "width", "upright", "resize") if key not in takes]
    if lacking:
        return f"input lacks {', '.join(lacking)}"
    if not isinstance(takes["resize"], dict) or "rule" not in takes["resize"]:
        return "input.resize has no rule"
    if SUFFIXES.get(Path(str(manifest["file"])).suffix) != manifest["runtime"]:
        return f"{manifest['file']} is no file of runtime {manifest['runtime']}"
    if manifest["file"] not in hashes or any(Path(name).name != name for name in hashes):
        return f"sha256 must name {manifest['file']}, and files beside it alone"
    if not manifest["tasks"]:
        return "tasks is empty"
    for name, task in manifest["tasks"].items():
        if name not in ROLES or not isinstance(task, dict):
            return f"task {name} is not one of {', '.join(ROLES)}"
        roles = ROLES[name][manifest["outputs"]]
        if not isinstance(task.get("outputs"), dict) or set(task["outputs"]) != roles:
            return f"tasks.{name}.outputs are not {', '.join(sorted(roles))}, as {manifest['outputs']} outputs are"
        if not isinstance(task.get("classes"), list) or not task["classes"]:
            return f"tasks.{name}.classes is no list of classes"
    return ""


def card_of(path: str | Path) -> dict[str, Any]:
    """The checkpoint's description, by which an exported file is scored.

    Raises:
        UserError: if it is missing or damaged, its configuration is refused, or read_manifest() refuses the file.
    """
    manifest, beside = read_manifest(path), Path(path).with_name(CARD)
    if not beside.is_file():
        raise UserError(f"model={path}: {CARD} is missing beside it, by which data and metric are built")
    card = read_json(beside)
    if not isinstance(card, dict) or not {"task", "config", "tasks"} <= card.keys():
        raise UserError(f"{beside} is damaged: it lacks task, config or tasks")
    for name, task in manifest["tasks"].items():
        if len(card["tasks"].get(name, {}).get("classes", ())) != len(task["classes"]):
            raise UserError(f"{beside} and {NAME} know different numbers of classes of {name}")
    from tasks.stored import checked_config  # imports omegaconf, which open_model() does without

    return {**card, "config": checked_config(card["config"], beside)}


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


def write_manifest(
    folder: Path, manifest: Mapping[str, Any], files: Iterable[str], card: Mapping[str, Any] | None = None
) -> None:
    """model.json with the hashes of the files it describes; with a checkpoint's card, card.json as well."""
    if card is not None:
        (folder / CARD).write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    whole = {**manifest, "sha256": {name: sha256(folder / name) for name in files}}
    (folder / NAME).write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    """A file's hash as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
