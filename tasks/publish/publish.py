"""Writes the folder of a published checkpoint."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import torch

from backbones.weight_files import PUBLISHED
from tasks.checkpoint.checkpoint import read_ours
from tasks.checkpoint.digest import DIGESTS
from tasks.checkpoint.published import decoded, encoded, published_bytes
from tasks.common.errors import UserError
from tasks.common.writing import cannot_write
from tasks.publish.arguments import Request
from tasks.publish.card import Subject, card, labels_file
from tasks.publish.example import TEXT
from tasks.publish.private import portable
from tasks.publish.runs import check_same, command_of, of_checkpoint, of_seed


def publish(request: Request) -> list[str]:
    """Write the folder, completely or not at all; returns lines about it.

    Raises:
        UserError: for a file that is not ours, scores that are missing or of other trainings, and a full disk.
    """
    checkpoint = read_ours(request.checkpoint)
    own = of_checkpoint(request.checkpoint, checkpoint, request.metrics)
    others = [of_seed(folder) for folder in request.runs if folder.resolve() != own.folder.resolve()]
    check_same(own, others)
    original = checkpoint["mobilevision"]
    metadata = portable({key: value for key, value in original.items() if key != DIGESTS})
    names = {name: class_names(entry["classes"]) for name, entry in original["tasks"].items()}
    try:
        files = {PUBLISHED: published_bytes(metadata, checkpoint["state_dict"])}
    except ValueError as error:
        raise UserError(f"{request.checkpoint}: {error}") from error
    for name, classes in names.items():
        files[labels_file(name, names)] = "".join(f"{each}\n" for each in classes).encode()
    files["example.py"] = TEXT.encode()
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    command = command_of(request.checkpoint.parent.parent, original["task"])
    subject = Subject(original, names, own, others, command, hashes)
    files["README.md"] = card(subject, request).encode()
    write(request.to, files, checkpoint["state_dict"], metadata)
    size = len(files[PUBLISHED]) / 1e6
    return [
        f"published {request.to}: {', '.join(files)} ({size:.1f} MB of weights)",
        "load      load(" + repr(str(request.to)) + ")",
    ]


def class_names(classes: list[Any]) -> list[str]:
    """Names of classes as metadata has them, each in one line."""
    return [" ".join(str(entry if isinstance(entry, str) else entry[0]).split()) for entry in classes]


def write(to: Path, files: dict[str, bytes], state: dict[str, torch.Tensor], metadata: dict[str, Any]) -> None:
    """Write the files beside their folder, read the weights again, and rename.

    Raises:
        UserError: if they cannot be written, or are not read back as they were.
    """
    beside = to.with_name(f".{to.name}.partial")
    try:
        shutil.rmtree(beside, ignore_errors=True)  # left over by a kill
        beside.mkdir(parents=True)
        for name, content in files.items():
            (beside / name).write_bytes(content)
        again = read_ours(beside / PUBLISHED)
        same = again["state_dict"].keys() == state.keys() and all(
            torch.equal(again["state_dict"][name], tensor) for name, tensor in state.items()
        )
        said = {key: value for key, value in again["mobilevision"].items() if key != DIGESTS}
        assert same and said == decoded(encoded(metadata)), "what was written is not what is read"
        if to.is_dir():
            to.rmdir()
        beside.replace(to)
    except OSError as error:
        raise UserError(cannot_write(to, error)) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
