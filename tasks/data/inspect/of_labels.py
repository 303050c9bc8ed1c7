"""Findings about classes: those that are rare, absent from a split or alone, and images without any label."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.common.annotations import HOLE
from tasks.common.labels import VOID
from tasks.data.files.boxes import PackedBoxes
from tasks.data.inspect.finding import EXAMPLES, Finding, Level, Split, many, some

FEW = 10  # objects or images of a class in the scored split: fewer give a score that chance decides
Counts = NDArray[np.int64]
WORDS = {"boxes": ("box", "boxes"), "mask": ("image", "images"), "label": ("image", "images")}


def names_of(classes: Sequence[Any]) -> list[str]:
    """Names of the classes of a data set, whatever else is stored of each."""
    return [entry if isinstance(entry, str) else str(entry[0]) for entry in classes]


def kinds_of(samples: Any, classes: Mapping[str, Sequence[str]]) -> list[str]:
    """The kinds of labels that a split has."""
    have = {"boxes": isinstance(getattr(samples, "boxes", None), PackedBoxes)}
    have["label"] = getattr(samples, "labels", None) is not None
    have["mask"] = getattr(samples, "masks", None) is not None
    return [kind for kind in classes if have.get(kind)]


def counts_of(split: Split, kind: str) -> Counts:
    """(C,) of a kind of label: boxes of each class, images with a pixel of it, or images of it."""
    classes = len(split.classes[kind])
    if kind == "boxes":
        return counted_boxes(split.samples.boxes, classes)
    if kind == "label":
        return counted_labels(split.samples.labels, classes)
    assert split.examined.shares is not None
    counts: Counts = (split.examined.shares[:, :classes] > 0).sum(0)
    return counts


def counted_boxes(boxes: PackedBoxes, classes: int) -> Counts:
    """(C,) boxes of each class, without crowds."""
    return np.bincount(boxes.labels[~boxes.crowd], minlength=classes)[:classes]


def counted_labels(labels: NDArray[Any], classes: int) -> Counts:
    """(C,) images of each class.

    Args:
        labels: (N,) class numbers, or (N, C) whether an image has each class.
    """
    return labels.astype(np.int64).sum(0) if labels.ndim == 2 else np.bincount(labels, minlength=classes)[:classes]


def images_with(split: Split, kind: str, label: int) -> NDArray[np.int64]:
    """Indices of the images with a class."""
    if kind == "boxes":
        boxes = split.samples.boxes
        owners = np.repeat(np.arange(len(boxes.sizes)), np.diff(boxes.ends))
        return np.unique(owners[(boxes.labels == label) & ~boxes.crowd])
    if kind == "label":
        labels = split.samples.labels
        return np.flatnonzero(labels[:, label] if labels.ndim == 2 else labels == label)
    assert split.examined.shares is not None
    shares = split.examined.shares[:, label]
    rows = np.flatnonzero(shares > 0)
    return rows[np.argsort(-shares[rows], kind="stable")]


def balance(splits: Sequence[Split], kind: str) -> Iterator[Finding]:
    """Classes that are absent, rare or alone, of the splits that have this kind of label."""
    having = [split for split in splits if kind in kinds_of(split.samples, split.classes)]
    if not having:
        return
    names = having[0].classes[kind]
    real = [number for number, name in enumerate(names) if name != HOLE]
    counts = {side: total(having, kind, scored=side == "val") for side in ("train", "val")}
    learned, scored = counts["train"], counts["val"]
    shown = {side: [0] * len(names) if count is None else count.tolist() for side, count in counts.items()}
    one, several = WORDS[kind]

    def about(key: str, level: Level, chosen: Sequence[int], text: str, side: str, advice: str) -> Iterator[Finding]:
        if chosen:
            listed = [f"{names[n]}" + (f" ({shown[side][n]})" if shown[side][n] else "") for n in chosen]
            yield Finding(
                key,
                level,
                f"{many(len(chosen), 'class', 'classes')} {text}",
                len(chosen),
                side,
                advice,
                listed[:EXAMPLES],
            )

    if learned is not None:
        absent = [n for n in real if not learned[n]]
        unused = [n for n in absent if scored is None or not scored[n]]
        yield from about(
            "classes_never_trained", "look", [n for n in absent if n not in unused],
            f"without {one} in train, but in val: their score stays 0", "train", "add such images to train",
        )  # fmt: skip
        yield from about(
            "classes_unused", "note", unused, f"without any {one}", "train", "drop them from the classes",
        )  # fmt: skip
        present = [n for n in real if learned[n]]
        if len(present) == 1:
            yield from about(
                "one_class", "look" if kind != "boxes" else "note", present, f"alone in train: every {one} is of it",
                "train", "" if kind == "boxes" else "there is nothing to tell apart",
            )  # fmt: skip
    if scored is not None:
        absent = [n for n in real if not scored[n] and (learned is None or learned[n])]
        rare = [n for n in sorted(real, key=lambda n: scored[n]) if 0 < scored[n] < FEW]
        yield from about(
            "classes_not_scored", "look", absent, f"without {one} in val: they are not scored", "val",
            "move some images that show them to val",
        )  # fmt: skip
        yield from about(
            "classes_too_rare", "look", rare, f"with fewer than {FEW} {several} in val: chance decides their score",
            "val", "put more of them into val, or do not read their scores one by one",
        )  # fmt: skip


def total(splits: Sequence[Split], kind: str, *, scored: bool) -> Counts | None:
    """(C,) counts over the splits of one side; None if there is none."""
    counts = [counts_of(split, kind) for split in splits if split.is_scored == scored]
    return np.sum(counts, axis=0) if counts else None


def without_labels(split: Split, kind: str) -> Iterator[Finding]:
    """Images without a box, or whose label map is void everywhere."""
    if kind == "boxes":
        rows = np.flatnonzero(np.diff(split.samples.boxes.ends) == 0)
        text, advice = "without a box", "right if nothing is there: they teach what is background"
    elif kind == "mask" and split.examined.shares is not None:
        shares = split.examined.shares
        rows = np.flatnonzero((shares.sum(1) > 0) & (shares[:, :VOID].sum(1) == 0))
        text, advice = "whose label map is void everywhere", "label them or remove them"
    elif kind == "label" and split.samples.labels.ndim == 2:
        rows = np.flatnonzero(~split.samples.labels.astype(bool).any(1))
        text, advice = "without a label", "right if no class is there"
    else:
        return
    if len(rows):
        mostly = len(rows) > len(split.samples) / 2
        yield Finding(
            "images_without_boxes" if kind == "boxes" else "images_without_label",
            "look" if mostly or kind == "mask" else "note",
            f"{many(len(rows), 'image')} of {len(split.samples):,} {text}",
            len(rows),
            split.name,
            advice,
            [split.file(index) for index in rows[:EXAMPLES].tolist()],
            [(split.name, index) for index in rows[:EXAMPLES].tolist()],
        )


def class_pixels(split: Split) -> Iterator[Finding]:
    """The share of pixels of each class, and of void."""
    if split.examined.shares is None or not split.examined.pixels.sum():
        return
    counts, names = split.examined.pixels, split.classes["mask"]
    order = [n for n in np.argsort(-counts[: len(names)], kind="stable").tolist() if counts[n]]
    listed = [f"{names[n]} {counts[n] / counts.sum():.2%}" for n in order]
    yield Finding(
        "class_pixels",
        "note",
        f"pixels: {some(listed)}; void {counts[VOID] / counts.sum():.2%}",
        int(counts.sum()),
        split.name,
    )
