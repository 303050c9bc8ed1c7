"""An exported file's description: model.json beside it, and the same inside the file if its format has room for it.

A file copied without model.json is used by the description inside it; only model.json has the hashes.

card.json is the checkpoint's own description, from which mode=evaluate builds data and metric. It may name folders of
the machine that it was made on, and need not be shipped.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tasks.checkpoint.embedded import READERS, read_inside
from tasks.checkpoint.manifest_rules import SUFFIXES, problem_of
from tasks.checkpoint.unlike import ITSELF, check_agrees, digest, known
from tasks.common.entries import short
from tasks.common.errors import UserError, check_file
from tasks.common.formats import FORMATS, is_package, is_there

FORMAT = 1
NAME, CARD = ITSELF, "card.json"


def read_manifest(path: str | Path) -> dict[str, Any]:
    """Read and check an exported file and its description.

    The description is in model.json beside the file, which must say what the one inside the file says. Formats in
    READERS have one inside; for others model.json has its own hash. A renamed file is recognised by its hash. If
    model.json is missing or describes another file, the description inside the file is used.

    Args:
        path: the file, or its model.json.

    Returns:
        The description; `file` and `sha256` have the current file name.

    Raises:
        UserError: if one of the files is missing, truncated or changed; if the format is newer than this code; if an
            entry is invalid, or differs from that inside the file.
    """
    path = Path(path)
    if not path.name:
        raise UserError("model=: no file is named")
    if not (is_package(path) and is_there(path)):
        check_file("model", path, [f"*{suffix}" for suffix in SUFFIXES])
    if path.name == NAME:
        manifest = checked(read_json(path), path)
        check_files(path.parent, manifest["sha256"])
        check_agrees(path.with_name(manifest["file"]), manifest, path)
        return manifest
    runtime_of(path)
    beside = path.with_name(NAME)
    if not beside.is_file():
        return carried_by(
            path,
            f"model={path}: {NAME} is missing beside it, which says what inputs and outputs mean, and none is inside",
        )
    manifest = read_json(beside)
    if isinstance(manifest, dict) and isinstance(file := manifest.get("file"), str) and file != path.name:
        return renamed(path, manifest, beside)
    manifest = checked(manifest, beside)
    check_files(path.parent, manifest["sha256"])
    check_agrees(path, manifest, beside)
    return manifest


def checked(manifest: Any, source: Path | str) -> dict[str, Any]:
    """Return the description if it is valid.

    Args:
        source: where it was read, for messages.

    Raises:
        UserError: if it is not.
    """
    if not isinstance(manifest, dict) or "format" not in manifest:
        raise UserError(f"{source} is not the description of an exported file: it has no format")
    if type(manifest["format"]) is not int or not 1 <= manifest["format"] <= FORMAT:
        raise UserError(f"{source} has format {short(manifest['format'])}; this version reads up to {FORMAT}")
    if problem := problem_of(manifest):
        raise UserError(f"{source} is damaged: {problem}")
    return manifest


def renamed(path: Path, manifest: dict[str, Any], beside: Path) -> dict[str, Any]:
    """The description of a file whose name differs from the one in model.json beside it.

    Raises:
        UserError: if it is neither that file under another name, nor has a description inside.
    """
    hashes = manifest.get("sha256")
    of_file = hashes.get(manifest["file"]) if isinstance(hashes, dict) else None
    if of_file == sha256(path):
        manifest = checked(manifest, beside)
        check_agrees(path, manifest, beside)
        return under_its_name(path, manifest)
    inside = read_inside(path)
    if inside is None:
        raise UserError(f"{beside} describes {manifest['file']}, not {path.name}")
    if inside == known(manifest):
        raise UserError(f"{path} is cut off or was changed: it is not the file that {NAME} describes")
    return carried_by(path, f"{beside} describes {manifest['file']}, not {path.name}")


def carried_by(path: Path, otherwise: str) -> dict[str, Any]:
    """The description inside a file.

    Args:
        otherwise: the message if it has none.

    Raises:
        UserError: if it is missing or damaged.
    """
    inside = read_inside(path)
    if inside is None:
        raise UserError(otherwise)
    if isinstance(inside, dict) and isinstance(inside.get("file"), str):
        inside = {**inside, "sha256": {inside["file"]: ""}}  # a file cannot hold its own hash
    manifest = checked(inside, f"the description inside {path}")
    for file in FORMATS[manifest["runtime"]].files(Path(manifest["file"])):
        manifest["sha256"][str(file)] = ""  # nor that of what holds its weights
    return under_its_name(path, manifest)


def under_its_name(path: Path, manifest: dict[str, Any]) -> dict[str, Any]:
    """A description with the current names of the files and their hashes.

    Raises:
        UserError: if a file is missing, or differs from its known hash.
    """
    hashes = {}
    for name, expected in manifest["sha256"].items():
        if name == NAME:
            continue  # checked by now
        now = path.with_suffix(Path(name).suffix)
        if not is_there(now):
            raise UserError(f"{now}: no such file, though {path.name} needs it")
        hashes[now.name] = sha256(now)
        if expected and hashes[now.name] != expected:
            raise UserError(f"{now} is cut off or was changed: it is not the file that {NAME} describes")
    return {**manifest, "file": path.name, "sha256": hashes}


def read_json(path: Path) -> Any:
    """The content of a JSON file; raises UserError if it is not JSON or contains NaN or Infinity."""

    def refuse(name: str) -> None:
        raise ValueError(f"{name} is no number")

    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is no JSON file: {error}") from error


def metadata_of(path: str | Path) -> dict[str, Any]:
    """The checkpoint's description, used to score an exported file.

    Raises:
        UserError: if it is missing or damaged, its configuration is refused, or read_manifest() refuses the file.
    """
    manifest, beside = read_manifest(path), Path(path).with_name(CARD)
    if not beside.is_file():
        raise UserError(f"model={path}: {CARD} is missing beside it, by which data and metric are built")
    metadata = read_json(beside)
    if not isinstance(metadata, dict):
        raise UserError(f"{beside} is damaged: it is not a table of names and values")
    from tasks.checkpoint.metadata import check_metadata  # not needed by open_model()
    from tasks.config.stored import checked_config

    check_metadata(metadata, beside)
    if metadata["task"] != manifest["task"]:
        raise UserError(f"{beside} is of tasks.{short(metadata['task'])}, {NAME} of tasks.{manifest['task']}")
    if metadata["tasks"].keys() != manifest["tasks"].keys():
        raise UserError(f"{beside} is damaged: tasks are not {', '.join(manifest['tasks'])}, as in {NAME}")
    for name, task in manifest["tasks"].items():
        entry = metadata["tasks"][name]
        if len(entry["classes"]) != len(task["classes"]):
            raise UserError(f"{beside} and {NAME} know different numbers of classes of {name}")
        for number, (ours, theirs) in enumerate(zip(entry["classes"], map(plain_class, task["classes"]), strict=True)):
            if ours != theirs:
                raise UserError(f"class {number} of {name} is {short(ours)} in {beside} and {short(theirs)} in {NAME}")
    return {**metadata, "config": checked_config(metadata["config"], beside)}


def plain_class(entry: Any) -> Any:
    """Convert an entry of model.json's classes to the form of card.json: a list of its values, or a name."""
    return [entry[key] for key in ("name", "id", "colour") if key in entry] if isinstance(entry, dict) else entry


def runtime_of(path: Path) -> str:
    """The runtime that a file is for.

    Raises:
        UserError: for an unknown suffix.
    """
    if path.suffix not in SUFFIXES:
        choices = ", ".join(f"{suffix} ({runtime})" for suffix, runtime in SUFFIXES.items())
        raise UserError(f"model={path}: no runtime for {path.suffix or 'a name without suffix'}; there are {choices}")
    return SUFFIXES[path.suffix]


def check_files(folder: Path, hashes: Mapping[str, str]) -> None:
    """Raise UserError if a file is missing or differs from what was exported."""
    for name, expected in hashes.items():
        if name == NAME:
            continue  # of the description itself: see check_agrees()
        if not is_there(folder / name):
            raise UserError(f"{folder / name}: no such file, though {NAME} names it")
        if sha256(folder / name) != expected:
            raise UserError(f"{folder / name} is cut off or was changed: it is not the file that {NAME} describes")


def write_manifest(
    folder: Path, manifest: Mapping[str, Any], files: Iterable[str], metadata: Mapping[str, Any] | None = None
) -> None:
    """Write model.json with the hashes of the files that it describes; with a checkpoint's card, also card.json."""
    if metadata is not None:
        (folder / CARD).write_text(json.dumps(metadata, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    hashes = {name: sha256(folder / name) for name in files}
    if Path(manifest["file"]).suffix not in READERS:  # no room for a description: it is proved by its own hash
        hashes[NAME] = digest(manifest)
    whole = {**manifest, "sha256": hashes}
    (folder / NAME).write_text(json.dumps(whole, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal digits; of a folder, that of the list of its files with their hashes.

    Raises:
        UserError: for a folder with anything but files and folders.
    """
    if path.is_dir():
        return hashlib.sha256(
            "".join(f"{sha256(part)}  {name}\n" for name, part in parts_of(path)).encode()
        ).hexdigest()
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def parts_of(folder: Path) -> list[tuple[str, Path]]:
    """The files in a folder, at any depth, with their names from there, sorted.

    Raises:
        UserError: for a link, a device or a pipe, which could be anything.
    """
    found = [(part.relative_to(folder).as_posix(), part) for part in folder.rglob("*")]
    for name, part in found:
        if part.is_symlink() or not (part.is_file() or part.is_dir()):
            raise UserError(f"{folder}: {short(name)} in it is no file")
    return sorted((name, part) for name, part in found if part.is_file())
