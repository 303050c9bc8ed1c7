"""Findings from the reader's own check: labels that do not belong to their image, and values that are no class."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from tasks.common.errors import UserError
from tasks.data.files.images import image_size
from tasks.data.inspect.finding import EXAMPLES, Finding, Split, many


class Words(NamedTuple):
    """How a kind of problem is said: of one label file, of several, and what to do."""

    one: str
    several: str
    advice: str


TEXTS = {
    "labels_unreadable": Words("cannot be read", "cannot be read", "save them again from the source"),
    "values_no_class": Words(
        "has values or colours that belong to no class",
        "have values or colours that belong to no class",
        "correct these files if they are mistakes; otherwise name the values in dataset.classes, or as void in "
        "dataset.ignore",
    ),
    "size_mismatch": Words(
        "is on another size than its image",
        "are on another size than their images",
        "export labels and images again from one source: places do not fit",
    ),
}


def problems(split: Split) -> Iterator[Finding]:
    """What the reader's check reports of files that can be decoded, by kind, and about the split as a whole."""
    kinds: dict[str, list[int]] = defaultdict(list)
    for index in sorted(split.problems):
        if index not in split.examined.errors:
            kinds[kind_of(split.samples, index)].append(index)
    for kind, rows in kinds.items():
        words = TEXTS[kind]
        yield Finding(
            kind,
            "wrong",
            f"{many(len(rows), 'label file' if kind != 'size_mismatch' else 'label')} of {len(split.samples):,} "
            f"{words.several if len(rows) > 1 else words.one}",
            len(rows),
            split.name,
            words.advice,
            [split.problems[index] for index in rows[:EXAMPLES]],
            [(split.name, index) for index in rows[:EXAMPLES]],
        )
    if split.complaint:
        yield Finding("refused", "wrong", split.complaint, 1, split.name, "training stops with this message")
    for remark in split.remarks:
        yield Finding("remark", "note", remark, 1, split.name)


def kind_of(samples: Any, index: int) -> str:
    """Which of the kinds above a problem is."""
    masks = getattr(samples, "masks", None)
    if masks is None:
        return "size_mismatch"
    try:
        image_size(masks.path(index))
    except UserError:
        path = masks.path(index)
        if path.suffix.lower() not in (".json", ".xml", ".txt"):
            return "labels_unreadable"
    try:
        masks.read(index)
    except UserError:
        return "values_no_class"
    return "size_mismatch"
