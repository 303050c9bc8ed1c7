"""Findings about the image files themselves: unreadable, of odd sizes, turned, empty, passed over."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.data.files.files import Files
from tasks.data.files.masks import LabelFiles
from tasks.data.files.slashes import below, normal
from tasks.data.files.walk import SUFFIXES, is_of_data
from tasks.data.inspect.finding import EXAMPLES, Finding, Split, many

LABELS = (".json", ".txt", ".xml", ".csv", ".tsv", ".yaml", ".yml", ".md", ".log", ".npz", ".npy", ".mat", ".cache")
PICTURES = (  # suffixes of pictures that are never read
    *(".heic", ".heif", ".avif", ".gif", ".jp2", ".jxl", ".tga", ".jfif", ".jpe", ".pgm", ".dng", ".nef", ".cr2"),
    *(".arw", ".raw", ".svg", ".exr", ".hdr", ".mp4", ".mov", ".avi", ".mkv"),
)
LONG = 3.0  # aspect ratio from which a resized image is distorted beyond what backbones have seen
ODD = 4.0  # times the median area, or a fraction of it
WAYS = (False, True)  # as stored, then upright
TURNS = {3: "upside down", 6: "a quarter to the left", 8: "a quarter to the right"}


def unreadable(split: Split, allowed: int) -> Iterator[Finding]:
    """Images that cannot be decoded.

    Args:
        allowed: how many training may replace by their neighbours.
    """
    errors = split.examined.errors
    if not errors:
        return
    stops = split.is_scored or len(errors) > allowed
    yield Finding(
        "unreadable",
        "wrong" if stops else "look",
        f"{many(len(errors), 'image')} of {len(split.samples):,} cannot be read",
        len(errors),
        split.name,
        "save them again from the source or remove them with their labels"
        + ("" if split.is_scored else f"; data.max_broken={len(errors)} trains without them"),
        [f"{split.file(index)} ({reason(errors[index])})" for index in sorted(errors)[:EXAMPLES]],
    )


def reason(error: str) -> str:
    """Why a file cannot be read, without its path."""
    return error.rpartition(": ")[2]


def sizes(split: Split) -> Iterator[Finding]:
    """The distribution of sizes, and outliers."""
    rows = np.flatnonzero(split.examined.read)
    if not len(rows):
        return
    height, width = split.examined.sizes[rows].astype(np.float64).T
    kinds = Counter(map(tuple, split.examined.sizes[rows].tolist()))
    (common_height, common_width), count = kinds.most_common(1)[0]
    yield Finding(
        "sizes",
        "note",
        f"all {len(rows):,} images are {common_width}×{common_height}"
        if len(kinds) == 1
        else f"{many(len(rows), 'image')} of {len(kinds):,} sizes, {int(width.min())} to {int(width.max())} wide and "
        f"{int(height.min())} to {int(height.max())} high; most ({count:,}) are {common_width}×{common_height}",
        len(kinds),
        split.name,
    )
    aspect = np.maximum(width / height, height / width)
    usual = float(np.median(width / height))
    far = (aspect > LONG) & (np.maximum(width / height / usual, usual * height / width) > 1.5)
    if far.any():
        yield outliers(
            split, "aspect_ratios", rows[far], "longer than 3:1", "a fixed input size distorts them: crop them"
        )
    area, median = width * height, float(np.median(width * height))
    odd = (area > ODD**2 * median) | (area < median / ODD**2)
    if odd.any():
        text = "with sixteen times as many pixels as usual, or as few"
        yield outliers(
            split, "odd_sizes", rows[odd], text, "thumbnails and panoramas among photos: check that they belong"
        )


def outliers(split: Split, key: str, rows: NDArray[np.int64], text: str, advice: str) -> Finding:
    """A finding about images of odd sizes."""
    named = [(index, *split.examined.sizes[index].tolist()) for index in rows[:EXAMPLES].tolist()]
    return Finding(
        key,
        "look",
        f"{many(len(rows), 'image')} {text}",
        len(rows),
        split.name,
        advice,
        [f"{split.file(index)} ({width}×{height})" for index, height, width in named],
        [(split.name, index) for index, *_ in named],
    )


def turns(split: Split) -> Iterator[Finding]:
    """Photos with an EXIF orientation."""
    rows = np.flatnonzero(split.examined.turns != 1)
    if not len(rows):
        return
    kinds = Counter(split.examined.turns[rows].tolist())
    listed = ", ".join(f"{count:,} with {turn}" + words(turn) for turn, count in sorted(kinds.items()))
    placed = has_places(split.samples)
    shown = [(split.name, index) for index in rows[:EXAMPLES].tolist()]
    yield Finding(
        "exif_turns",
        "look" if placed else "note",
        f"{many(len(rows), 'photo')} of {len(split.samples):,} with an EXIF turn ({listed})",
        len(rows),
        split.name,
        "doctor.html shows each both ways with its labels: dataset.upright=false if they fit the picture as stored, "
        "dataset.upright=true if they fit the upright one"
        if placed
        else "",
        [f"{split.file(index)} (EXIF {split.examined.turns[index]})" for _, index in shown],
        [each for each in shown for _ in WAYS],
        upright=WAYS * len(shown),
    )


def words(turn: int) -> str:
    """What an orientation means, in brackets; '' for mirrored ones."""
    return f" ({TURNS[turn]})" if turn in TURNS else ""


def has_places(samples: Any) -> bool:
    """Whether labels have positions in the image."""
    return any(getattr(samples, kind, None) is not None for kind in ("boxes", "masks"))


def plain(split: Split) -> Iterator[Finding]:
    """Images without contrast, which are not compared with others."""
    rows = np.flatnonzero(split.examined.plain & split.examined.read)
    if len(rows):
        yield Finding(
            "plain",
            "look",
            f"{many(len(rows), 'image')} of one colour (they are not counted as near duplicates)",
            len(rows),
            split.name,
            "black or white frames teach nothing: remove them",
            [split.file(index) for index in rows[:EXAMPLES].tolist()],
            [(split.name, index) for index in rows[:EXAMPLES].tolist()],
        )


def pixels(split: Split) -> Iterator[Finding]:
    """Mean and spread of the pixels."""
    read = split.examined.read
    if read.any():
        mean, spread = mean_and_spread(split)
        numbers = [" ".join(f"{value:.3f}" for value in values) for values in (mean, spread)]
        yield Finding(
            "pixels",
            "note",
            f"red, green, blue: mean {numbers[0]}, standard deviation {numbers[1]} of full scale",
            int(read.sum()),
            split.name,
            "",
        )


def mean_and_spread(split: Split) -> tuple[list[float], list[float]]:
    """(3,) mean and standard deviation of all images' pixels as shares of full scale; each image counts the same."""
    read = split.examined.read
    mean = split.examined.means[read].astype(np.float64).mean(0)
    square = split.examined.squares[read].astype(np.float64).mean(0)
    return mean.tolist(), np.sqrt(np.maximum(0, square - mean**2)).tolist()


def folders(splits: Sequence[Split]) -> Iterator[Finding]:
    """Files below the image folders that no split uses: suffixes that are not read, and images without an entry."""
    used, roots = files_in_use(splits)
    passed: dict[str, list[str]] = defaultdict(list)
    unnamed: list[str] = []
    for root in roots:
        for path in files_of(root):
            suffix = os.path.splitext(path)[1].lower()  # noqa: PTH122 - a million times
            if path in used or suffix in LABELS or not suffix:
                continue
            name = below(path, root)
            (unnamed if suffix in SUFFIXES else passed[suffix]).append(name)
    if passed:
        listed = ", ".join(f"{len(names):,} {suffix}" for suffix, names in sorted(passed.items()))
        pictures = any(suffix in PICTURES for suffix in passed)
        yield Finding(
            "passed_over",
            "look" if pictures else "note",
            f"{many(sum(map(len, passed.values())), 'file')} passed over for their suffix: {listed}",
            sum(map(len, passed.values())),
            "",
            f"images are {' '.join(SUFFIXES)}: convert pictures of other formats" if pictures else "",
            [name for names in passed.values() for name in sorted(names)][:EXAMPLES],
        )
    if unnamed:
        yield Finding(
            "images_without_labels",
            "look",
            f"{many(len(unnamed), 'image')} that no label names",
            len(unnamed),
            "",
            "they are not used: add them to the labels, also those without objects, or remove them",
            sorted(unnamed)[:EXAMPLES],
        )
    yield from lone_labels(splits, used)


def files_in_use(splits: Sequence[Split]) -> tuple[set[str], list[Path]]:
    """Paths of all images and label maps, and the folders to search: those that are in no other."""
    used: set[str] = set()
    parts = [split.samples for split in splits if isinstance(split.samples, Files)]
    for samples in parts:
        root = normal(samples.folder)
        used.update(normal(f"{root}/{samples.files[index]}") for index in range(len(samples)))
        if (masks := getattr(samples, "masks", None)) is not None:
            used.update(normal(masks.path(index)) for index in range(len(samples)))
    every = sorted({Path(normal(samples.folder)) for samples in parts})
    return used, [root for root in every if not any(other in root.parents for other in every)]


def files_of(root: Path) -> Iterator[str]:
    """Paths of all files below a folder, without hidden ones."""
    for place, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if is_of_data(name))
        yield from (f"{place}/{name}" for name in names if not name.startswith("."))


def lone_labels(splits: Sequence[Split], used: set[str]) -> Iterator[Finding]:
    """Label maps beside those in use, named like them, that belong to no image."""
    found: set[str] = set()
    for split in splits:
        masks = getattr(split.samples, "masks", None)
        if not isinstance(masks, LabelFiles) or not len(split.samples):
            continue
        paths = [str(masks.path(index)) for index in range(len(split.samples))]
        ending = common_ending([os.path.basename(path) for path in paths])  # noqa: PTH119
        for folder in {os.path.dirname(path) for path in paths}:  # noqa: PTH120
            with os.scandir(folder) as entries:
                names = [entry.name for entry in entries if entry.name.endswith(ending)]
            every = (normal(f"{folder}/{name}") for name in names if not name.startswith("."))
            found.update(path for path in every if path not in used)
    if found:
        yield Finding(
            "labels_without_image",
            "look",
            f"{many(len(found), 'label file')} without an image",
            len(found),
            "",
            "the images are missing, or named differently",
            [os.path.basename(path) for path in sorted(found)[:EXAMPLES]],  # noqa: PTH119
        )


def common_ending(names: Sequence[str]) -> str:
    """What all names end with, from a separator on: `_gtFine_labelIds.png`, `.png`."""
    ending = names[0]
    for name in names:
        while not name.endswith(ending):
            ending = ending[1:]
    start = min((ending.find(mark) for mark in "_-. " if mark in ending), default=0)
    return ending[start:]
