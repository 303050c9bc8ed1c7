"""What a folder may be: a data set of ours with its keys, or a layout that a converter reads."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

DRAWN = {"val.share": 0.2, "val.seed": 0}


class Reading(NamedTuple):
    """One way to read a folder.

    Attributes:
        layout: its name, for people.
        option: of the group dataset.
        keys: values of dataset.<key>.
        kinds: of the labels that it has: mask, boxes, label, multilabel.
        facts: what was found: splits, classes, counts.
    """

    layout: str
    option: str
    keys: Mapping[str, Any]
    kinds: frozenset[str]
    facts: Sequence[str]

    def line(self) -> str:
        """One line that says what was found."""
        return f"{self.layout}: {'; '.join(self.facts)}"


class Foreign(NamedTuple):
    """A layout that is not read here, and what converts it."""

    layout: str
    way: str


def splits_or_drawn(splits: Mapping[str, str]) -> dict[str, Any]:
    """The keys for folders or lists of splits: those that exist, or validation images drawn from the training ones."""
    train = {"train_split": splits["train"]} if "train" in splits else {}
    return train | ({"val_split": splits["val"]} if "val" in splits else DRAWN)


def said(splits: Mapping[str, str], counts: Mapping[str, int]) -> str:
    """What the splits are, for people; splits and their images by role."""
    parts = [f"{splits[role]}: {counts[role]:,} images" for role in ("train", "val") if role in splits]
    if "val" not in splits:
        parts.append("no validation images: a fifth is drawn")
    if "test" in splits:
        parts.append(f"{splits['test']} is not used")
    return ", ".join(parts)


def listed(names: Sequence[str]) -> str:
    """Class names, shortened."""
    return f"{len(names)} classes: {', '.join(names[:8])}{', …' if len(names) > 8 else ''}"
