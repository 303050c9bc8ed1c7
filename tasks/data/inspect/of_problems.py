"""Findings from the reader's own check: labels that do not belong to their image, and values that are no class."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from tasks.common.errors import UserError
from tasks.data.files.images import image_size
from tasks.data.inspect.finding import EXAMPLES, Finding, Split, many

TEXTS = {
    "labels_unreadable": ("cannot be read", "save them again from the source"),
    "values_no_class": (
        "have values or colours that are no class",
        "name them in the data set's classes, or as void; see the message",
    ),
    "size_mismatch": (
        "are on another size than their image",
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
        text, advice = TEXTS[kind]
        yield Finding(
            kind,
            "wrong",
            f"{many(len(rows), 'label file' if kind != 'size_mismatch' else 'label')} of {len(split.samples):,} "
            f"{text if len(rows) > 1 else text.replace('have', 'has').replace('are', 'is', 1)}",
            len(rows),
            split.name,
            advice,
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
