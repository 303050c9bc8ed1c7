"""Validation images drawn from a data set that has no split of its own: `dataset.val.share=0.2`."""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Container, Mapping, Sequence
from typing import Any, NamedTuple, Self

from tasks.common.console import report
from tasks.common.errors import UserError

GROUP = "group "  # before a group's text, so that it is no image's name
NAMED = 3  # groups in the report


class DrawnSplit(NamedTuple):
    """How validation images are drawn; the same ones in every run, whatever the order of the files.

    Attributes:
        share: of the images.
        seed: another number draws others.
        group: regular expression; images for whose names it finds the same text (its first group, if it has one) stay
            on one side, such as frames of one video. Other images are drawn one by one.
    """

    share: float
    seed: int = 0
    group: str | None = None

    @classmethod
    def of(cls, val: Mapping[str, Any] | None) -> Self | None:
        """The rule in a data set's key `val`; None if it has no share.

        Raises:
            UserError: for a share outside 0-1 or an invalid regular expression.
        """
        if val is None or val.get("share") is None:
            return None
        share, group = val["share"], val.get("group")
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
            raise UserError(f"dataset.val.share={share} is not a number between 0 and 1")
        try:
            re.compile(group or "")
        except re.error as error:
            raise UserError(f"dataset.val.group={group} is no regular expression: {error}") from error
        return cls(float(share), int(val.get("seed") or 0), group)

    def sides(self, names: Sequence[str], labels: Sequence[int] | None = None) -> tuple[list[int], list[int]]:
        """Indices of the images to train on and of those to score, each in order.

        Args:
            names: of the images, unique; their paths below the data set's folder.
            labels: class numbers: the share is drawn of each class, at least one image if there are two to choose from.

        Raises:
            UserError: if a side would be empty, or `group` finds nothing in any name.
        """
        members: dict[str, list[int]] = defaultdict(list)
        for index, key in enumerate(self.keys(names)):
            members[key].append(index)
        by_class: dict[int, list[str]] = defaultdict(list)
        for key, group in members.items():
            common = 0 if labels is None else Counter(labels[index] for index in group).most_common(1)[0][0]
            by_class[int(common)].append(key)
        val: list[int] = []
        for keys in by_class.values():
            val += self.drawn({key: members[key] for key in keys})
        chosen = set(val)
        train = [index for index in range(len(names)) if index not in chosen]
        if not train or not val:
            if self.group and len(members) == 1:
                only = next(iter(members)).removeprefix(GROUP)
                raise UserError(
                    f"dataset.val.group={self.group} puts all {len(names)} images in one group ({only}), which is not "
                    "divided: match what differs from video to video, as in dataset.val.group='^[^_]+'"
                )
            groups = f" in {len(members)} groups" if self.group else ""
            if labels is not None and not self.group and len(by_class) == len(members) > 1:
                raise UserError(
                    f"dataset.val.share={self.share:g} draws images of each class, but none of the {len(by_class)} "
                    "classes has two images, one to train on and one to score"
                )
            raise UserError(
                f"dataset.val.share={self.share:g} draws {len(val)} of {len(names)} images{groups} to score and leaves "
                f"{len(train)} to train on: set another share"
            )
        if self.group:
            report(self.line(members, chosen))
        return train, sorted(val)

    def line(self, members: Mapping[str, list[int]], val: Container[int]) -> str:
        """What `group` found: how many groups there are and which are scored.

        Args:
            members: indices of images by group.
            val: indices of the images that are scored.
        """
        groups = {key.removeprefix(GROUP): numbers for key, numbers in members.items() if key.startswith(GROUP)}
        scored = [key for key, numbers in groups.items() if numbers[0] in val]
        alone = len(members) - len(groups)
        return (
            f"dataset.val.group={self.group}: {len(groups)} groups, {len(scored)} of them in val"
            + (f" ({', '.join(scored[:NAMED])}{', …' if len(scored) > NAMED else ''})" if scored else "")
            + (f"; {alone} images in no group, drawn one by one" if alone else "")
        )

    def drawn(self, members: Mapping[str, list[int]]) -> list[int]:
        """The images of some groups that are scored; at least one group stays for training."""
        order = sorted(members, key=lambda key: hashlib.sha256(f"{self.seed}:{key}".encode()).digest())
        total = sum(map(len, members.values()))
        wanted, val = max(1, round(self.share * total)), list[int]()
        for key in order[:-1]:
            if len(val) >= wanted:
                break
            val += members[key]
        return val

    def keys(self, names: Sequence[str]) -> list[str]:
        """The group of each image; its own name if it is in none."""
        if not self.group:
            return list(names)
        pattern = re.compile(self.group)
        found = [pattern.search(name) for name in names]
        if not any(found):
            raise UserError(f"dataset.val.group={self.group} finds nothing in the images' names ({names[0]}, …)")
        return [
            name if match is None else f"{GROUP}{match[1] if pattern.groups else match[0]}"
            for name, match in zip(names, found, strict=True)
        ]
