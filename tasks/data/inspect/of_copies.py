"""Findings about images that are there twice: the same file, or a picture that looks the same."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.data.inspect.finding import EXAMPLES, Finding, Level, Split, many
from tasks.data.inspect.fingerprint import groups, near_pairs

ACROSS = "scores say little about new images: keep all copies of a picture, and frames of a scene, in one split"
WITHIN = "they count twice: remove all but one"


class Place:
    """All images of all splits in one row of numbers."""

    def __init__(self, splits: Sequence[Split]) -> None:
        self.splits = splits
        self.starts = np.cumsum([0, *(len(split.samples) for split in splits)])
        self.scored = np.concatenate([np.full(len(split.samples), split.is_scored) for split in splits])

    def of(self, number: int) -> tuple[Split, int]:
        """The split of an image, and its index there."""
        place = int(np.searchsorted(self.starts, number, side="right")) - 1
        return self.splits[place], number - int(self.starts[place])

    def named(self, group: Sequence[int]) -> str:
        """A group of copies as an example."""
        names = [f"{split.name}/{split.file(index)}" for split, index in map(self.of, group[:4])]
        return " = ".join(names) + (f" and {len(group) - 4} more" if len(group) > 4 else "")


def copies(splits: Sequence[Split]) -> Iterator[Finding]:
    """Exact copies by the hash of the files, near ones by the look of the picture; across splits and within."""
    place = Place(splits)
    digests = np.concatenate([split.examined.digests for split in splits])
    read = np.concatenate([split.examined.read for split in splits])
    exact = equal_groups(digests, read)
    yield from of_groups(place, exact, "exact_duplicates", "wrong", "the same file")
    plain = np.concatenate([split.examined.plain for split in splits])
    first = np.ones(len(digests), bool)  # of the same files only the first is compared
    for group in exact:
        first[group[1:]] = False
    rows = np.flatnonzero(read & ~plain & first)
    hashes = np.concatenate([split.examined.hashes for split in splits])[rows]
    small = np.concatenate([split.examined.small for split in splits])[rows]
    near = [[int(rows[row]) for row in group] for group in groups(near_pairs(hashes, small), len(rows))]
    yield from of_groups(place, near, "near_duplicates", "wrong", "pictures that look the same")


def equal_groups(digests: NDArray[np.uint64], read: NDArray[np.bool_]) -> list[list[int]]:
    """Numbers of images with the same digest."""
    rows = np.flatnonzero(read)
    order = rows[np.argsort(digests[rows], kind="stable")]
    cuts = np.flatnonzero(np.diff(digests[order])) + 1
    return sorted(group.tolist() for group in np.split(order, cuts) if len(group) > 1)


def of_groups(place: Place, found: Sequence[Sequence[int]], key: str, level: Level, what: str) -> Iterator[Finding]:
    """A finding about copies across splits, and one about copies within a split."""
    across = [group for group in found if len(set(place.scored[list(group)].tolist())) == 2]
    if across:
        scored = sum(int(place.scored[list(group)].sum()) for group in across)
        total = int(place.scored.sum())
        yield Finding(
            f"{key}_across",
            level,
            f"{scored:,} of {many(total, 'validation image')} also trained on ({what})",
            scored,
            "",
            ACROSS,
            [place.named(group) for group in across[:EXAMPLES]],
            pictured(place, across),
        )
    within = [group for group in found if len(set(place.scored[list(group)].tolist())) == 1]
    if within:
        surplus = sum(len(group) - 1 for group in within)
        yield Finding(
            key,
            "look",
            f"{many(surplus, 'image')} more than once within a split ({what})",
            surplus,
            "",
            WITHIN,
            [place.named(group) for group in within[:EXAMPLES]],
            pictured(place, within),
        )


def pictured(place: Place, found: Sequence[Sequence[int]]) -> list[tuple[str, int]]:
    """Two images of each example; of copies across splits one of each side."""
    chosen = []
    for group in found[:EXAMPLES]:
        other = next((number for number in group if place.scored[number] != place.scored[group[0]]), group[1])
        chosen += [(split.name, index) for split, index in map(place.of, (group[0], other))]
    return chosen
