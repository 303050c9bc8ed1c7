"""The images of a split in Pascal VOC's format, each with its labels."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.common.errors import UserError
from tasks.data.files.stems import Stems, files_with, stem_of


class Folders(NamedTuple):
    """The folders of some images and of their labels."""

    images: Path
    annotations: Path
    masks: Path


class Part(NamedTuple):
    """The images of a split.

    Attributes:
        folders: of them and their labels.
        files: the images below their folder.
        xml: the annotation file of each below its folder; empty if boxes are not read.
        masks: the label map of each, likewise.
        source: the list, or the folder, that names them.
        notes: lines about what is left out.
    """

    folders: Folders
    files: list[str]
    xml: list[str]
    masks: list[str]
    source: Path
    notes: list[str]


def labelled(folders: Folders, files: list[str], targets: Sequence[str], source: Path, must: str = "") -> Part:
    """The images that have all kinds of labels; others are counted.

    Args:
        must: kind whose absence is an error.

    Raises:
        UserError: for such an image, or one label of two images.
    """
    notes: list[str] = []
    found: dict[str, list[str]] = {"boxes": [], "mask": []}
    suffixes = {"boxes": (folders.annotations, ".xml"), "mask": (folders.masks, ".png")}
    for target in ("mask", "boxes"):
        if target not in targets:
            continue
        folder, suffix = suffixes[target]
        stems = Stems(folder, files_with(folder, suffix), loose=folder != folders.images)
        labels = [stems.find(file) for file in files]
        lacking = [file for file, label in zip(files, labels, strict=True) if label is None]
        if lacking and len(lacking) == len(files) and must != target:
            raise UserError(
                f"{folders.images} has {len(files)} images, but none of them has a {suffix} file in {folder} "
                "(dataset=auto looks for other layouts)"
            )
        if lacking and must == target:
            more = f" (and {len(lacking) - 1} more)" if len(lacking) > 1 else ""
            raise UserError(
                f"image without label: {folders.images / lacking[0]} needs "
                f"{folder / stem_of(lacking[0])}{suffix}{more}; it is listed in {source}"
            )
        if lacking:
            some = f"{lacking[0]}{', …' if len(lacking) > 1 else ''}"
            notes.append(f"{source.name}: {len(lacking)} images without {suffix} file left out ({some})")
        kept = [place for place, label in enumerate(labels) if label is not None]
        files = [files[place] for place in kept]
        found["mask"] = [found["mask"][place] for place in kept] if found["mask"] else []
        found[target] = [label for label in labels if label is not None]
        check_shared(files, found[target], folder)
    return Part(folders, files, found["boxes"], found["mask"], source, notes)


def check_shared(files: Sequence[str], labels: Sequence[str], folder: Path) -> None:
    """Raises a UserError for one label file of two images; an image may be listed twice."""
    owner: dict[str, str] = {}
    for file, label in zip(files, labels, strict=True):
        if owner.setdefault(label, file) != file:
            raise UserError(f"{folder / label} would be the label of two images, {owner[label]} and {file}")


def find_listed(path: Path, stems: Stems) -> tuple[list[str], list[int]]:
    """The image files of a list, and indices of those that are missing.

    A line is an image's whole name, with or without suffix and folders. In VOC's lists of a class each ends in -1, 0 or
    1.

    Raises:
        UserError: if it is no text, or names nothing.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not a text in UTF-8: {error}") from error
    if not lines:
        raise UserError(f"{path} names no image")
    found = [stems.find(line) for line in lines]
    parts = [line.rpartition(" ") for line in lines]
    if not any(found) and all(name.strip() and flag in ("-1", "0", "1") for name, _, flag in parts):
        lines = [name.strip() for name, _, _ in parts]
        found = [stems.find(line) for line in lines]
    lost = [place for place, file in enumerate(found) if file is None]
    return [file or line for file, line in zip(found, lines, strict=True)], lost
