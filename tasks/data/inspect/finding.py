"""What the inspection reports: findings with counts, examples and advice, and the split they are about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from tasks.data.inspect.examine import Examined

Level = Literal["wrong", "look", "note"]
LEVELS: tuple[Level, ...] = ("wrong", "look", "note")  # worst first
EXAMPLES = 3


class Split(NamedTuple):
    """One data set's split after its files were looked at.

    Attributes:
        name: "train" or "val"; in a mixture with the data set's name, as in "coco train".
        samples: see tasks/data/files/samples.py.
        problems: errors of the reader's own check by index: unreadable files, wrong sizes, values that are no class.
        complaint: what it raised about the split as a whole; '' for nothing.
        remarks: what it printed about it.
        examined: of its files.
        classes: names by kind of label.
    """

    name: str
    samples: Any
    problems: Mapping[int, str]
    complaint: str
    remarks: Sequence[str]
    examined: Examined
    classes: Mapping[str, Sequence[str]]

    @property
    def is_scored(self) -> bool:
        return self.name.endswith("val")

    def file(self, index: int) -> str:
        """The name that examples show: the file below the data set's folder, or the sample's name."""
        files = getattr(self.samples, "files", None)
        name: str = self.samples.name(index) if files is None else files[index]
        return name


@dataclass(frozen=True)
class Finding:
    """Something to know about the data.

    Attributes:
        key: of its kind, stable: for doctor.json.
        level: "wrong": training stops, or scores would not mean what they seem to; "look": costs accuracy, or needs a
            decision; "note": to know.
        text: one line with the count.
        count: of files, boxes or classes.
        split: of a Split; '' for all.
        advice: what to do.
        examples: up to three, named.
        images: (split's name, index) of the examples that can be drawn.
        boxes: (4,) xyxy in the image's pixels for each of `images`, drawn over it, or None.
        upright: for each of `images` whether it is drawn upright (True) or as stored (False), to compare both; () for
            as the data set reads it.
    """

    key: str
    level: Level
    text: str
    count: int
    split: str = ""
    advice: str = ""
    examples: Sequence[str] = ()
    images: Sequence[tuple[str, int]] = ()
    boxes: Sequence[Any] = field(default=(), compare=False)
    upright: Sequence[bool] = ()

    def record(self) -> dict[str, Any]:
        """For doctor.json."""
        return {
            "key": self.key,
            "level": self.level,
            "split": self.split,
            "count": self.count,
            "text": self.text,
            "examples": list(self.examples),
            "advice": self.advice,
        }


def sorted_findings(findings: Sequence[Finding]) -> list[Finding]:
    """Worst first; in the order of their making within a level."""
    return sorted(findings, key=lambda finding: LEVELS.index(finding.level))


def some(names: Sequence[str], count: int | None = None) -> str:
    """The first names, and how many more there are."""
    more = (len(names) if count is None else count) - len(names[:EXAMPLES])
    return ", ".join(names[:EXAMPLES]) + (f" and {more:,} more" if more > 0 else "")


def many(count: int, one: str, several: str = "") -> str:
    """A count with its noun: 1 file, 2 files."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"
