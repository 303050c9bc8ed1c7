"""What became of the tensors of a file that a training starts from: a line for the user, and weights.json."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from tasks.common.ranks import is_first
from tasks.common.writing import write_text

SHOWN = 4  # tensors of a kind in the line


class Reinitialized(NamedTuple):
    """A tensor that was not loaded, and the shape of the file's in its place, if there is one."""

    name: str
    shape: tuple[int, ...]
    was: tuple[int, ...] | None

    def __str__(self) -> str:
        return f"{self.name} {self.shape}" + (f" (was {self.was})" if self.was not in (None, self.shape) else "")


class LoadReport(NamedTuple):
    """What was loaded.

    Attributes:
        source: name of the weights, or path of the file.
        matched: names of our tensors that were loaded, in order.
        reinitialized: those of ours that were not.
        left_out: names and shapes of the file's that nothing here takes.
        notes: how the network differs from that of the weights in what tensors do not say.
    """

    source: str
    matched: list[str]
    reinitialized: list[Reinitialized]
    left_out: dict[str, tuple[int, ...]]
    notes: tuple[str, ...] = ()

    @classmethod
    def of_state(
        cls, source: str, ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], new: Collection[str], ignored: str
    ) -> "LoadReport":
        """For a file whose tensors have our names.

        Args:
            new: names of ours that were not loaded.
            ignored: prefix of names that are no part of the network.
        """
        names = [name for name in ours if not name.startswith(ignored)]
        made = [
            Reinitialized(name, tuple(ours[name].shape), tuple(theirs[name].shape) if name in theirs else None)
            for name in names
            if name in new
        ]
        left = {n: tuple(t.shape) for n, t in theirs.items() if n not in ours and not n.startswith(ignored)}
        return cls(source, [name for name in names if name not in new], made, left)

    def line(self, heads: Collection[str] = (), dropped: Collection[str] = (), why: str = "") -> str:
        """One line: how many tensors were loaded, and the first and last of those that were not, with their shapes.

        Args:
            heads: names of those that the file does not have; their tensors are not listed.
            dropped: names of those that only the file has; neither are theirs.
            why: reason for which others were reinitialized.
        """
        count = len(self.matched)
        parts = [f"weights from {self.source}: {count} tensors ({self.matched[0]} … {self.matched[-1]})"]
        if heads:
            parts.append(f"new heads: {', '.join(heads)}")
        if dropped:
            parts.append(f"dropped: {', '.join(dropped)}")
        listed_above = tuple(f"tasks.{head}." for head in (*heads, *dropped))
        if made := [str(entry) for entry in self.reinitialized if not entry.name.startswith(listed_above)]:
            parts.append(f"reinitialized{why}: {listed(made)}")
        if left := [f"{name} {shape}" for name, shape in self.left_out.items() if not name.startswith(listed_above)]:
            parts.append(f"left out: {listed(left)}")
        return "; ".join([*parts, *self.notes])

    def write(self, folder: Path) -> None:
        """Write weights.json with every tensor by name and shape; only the first process does."""
        entries = {
            "source": self.source,
            "matched": self.matched,
            "reinitialized": [entry._asdict() for entry in self.reinitialized],
            "left_out": [{"name": name, "shape": shape} for name, shape in self.left_out.items()],
            "notes": self.notes,
        }
        if is_first():
            write_text(folder / "weights.json", json.dumps(entries, indent=1) + "\n")


def listed(texts: list[str]) -> str:
    """The texts, or the first and the last of many."""
    if len(texts) <= SHOWN:
        return ", ".join(texts)
    return f"{texts[0]} … {texts[-1]} ({len(texts)} tensors)"
