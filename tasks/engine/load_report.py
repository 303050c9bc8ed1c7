"""What became of the tensors of a file that a training starts from: a line for the user, and weights.json."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from backbones.base import Backbone
from backbones.state_dicts import without_counters
from tasks.common.ranks import is_first
from tasks.common.writing import write_text

SHOWN = 4  # tensors of a kind in the line; of more, only the first and the last
Shapes = dict[str, tuple[int, ...]]  # of tensors, by name


class Reinitialized(NamedTuple):
    """A tensor that was not loaded, and the shape of the file's in its place, if there is one."""

    name: str
    shape: tuple[int, ...]
    was: tuple[int, ...] | None

    def __str__(self) -> str:
        return f"{self.name} {self.shape}" + (f" (was {self.was})" if self.was not in (None, self.shape) else "")


class NotNeeded(NamedTuple):
    """The file's tensors of the backbone's layers after the last map that a head reads."""

    after: str
    tensors: Shapes

    def __str__(self) -> str:
        return f"not needed: layers after {self.after} ({len(self.tensors)} tensors)"


class LoadReport(NamedTuple):
    """What was loaded.

    Attributes:
        source: name of the weights, or path of the file.
        matched: names of our tensors that were loaded, in order.
        reinitialized: those of ours that were not.
        left_out: the file's others, that nothing here takes.
        notes: differences that shapes do not show (eps, normalisation, padding).
    """

    source: str
    matched: list[str]
    reinitialized: list[Reinitialized]
    left_out: Shapes
    not_needed: NotNeeded
    notes: tuple[str, ...] = ()

    @classmethod
    def of_state(
        cls,
        source: str,
        ours: Mapping[str, Tensor],
        theirs: Mapping[str, Tensor],
        new: Collection[str],
        backbone: Backbone,
        ignored: str,
    ) -> "LoadReport":
        """For a file whose tensors have our names.

        Args:
            new: names of ours that were not loaded.
            backbone: whose names begin with "backbone.".
            ignored: prefix of names that are no part of the network.
        """
        names = [name for name in ours if not name.startswith(ignored)]
        made = [
            Reinitialized(name, tuple(ours[name].shape), tuple(theirs[name].shape) if name in theirs else None)
            for name in names
            if name in new
        ]
        left = shapes_of({n: t for n, t in theirs.items() if n not in ours and not n.startswith(ignored)})
        dropped = {f"backbone.{name}" for name in backbone.dropped}
        not_needed = NotNeeded(backbone.deepest, {name: left.pop(name) for name in list(left) if name in dropped})
        return cls(source, [name for name in names if name not in new], made, left, not_needed)

    def line(self, heads: Collection[str] = (), dropped: Collection[str] = (), why: str = "") -> str:
        """One line: how many tensors were loaded, and the first and last of those that were not, with their shapes.

        No BatchNorm counter is named, but counts include them.

        Args:
            heads: names of those that the file does not have; their tensors are not listed.
            dropped: names of those that only the file has; neither are theirs.
            why: reason for which others were reinitialized.
        """
        named = without_counters(self.matched)
        parts = [f"weights from {self.source}: {len(self.matched)} tensors ({named[0]} … {named[-1]})"]
        if heads:
            parts.append(f"new heads: {', '.join(heads)}")
        if dropped:
            parts.append(f"dropped: {', '.join(dropped)}")
        listed_above = tuple(f"tasks.{head}." for head in (*heads, *dropped))
        made = {entry.name: str(entry) for entry in self.reinitialized if not entry.name.startswith(listed_above)}
        if made:
            parts.append(f"reinitialized{why}: {listed([made[name] for name in without_counters(made)], len(made))}")
        if self.not_needed.tensors:
            parts.append(str(self.not_needed))
        others = [name for name in self.left_out if not name.startswith(listed_above)]
        if left := [f"{name} {self.left_out[name]}" for name in without_counters(others)]:
            parts.append(f"left out: {listed(left, len(others))}")
        return "; ".join([*parts, *self.notes])

    def write(self, folder: Path) -> None:
        """Write weights.json with every tensor by name and shape; only the first process does."""
        entries = {
            "source": self.source,
            "matched": self.matched,
            "reinitialized": [entry._asdict() for entry in self.reinitialized],
            "not_needed": [{"name": name, "shape": shape} for name, shape in self.not_needed.tensors.items()],
            "left_out": [{"name": name, "shape": shape} for name, shape in self.left_out.items()],
            "notes": self.notes,
        }
        if is_first():
            write_text(folder / "weights.json", json.dumps(entries, indent=1) + "\n")


def listed(texts: list[str], count: int) -> str:
    """The texts, or the first and the last of many and how many tensors they stand for."""
    if len(texts) <= SHOWN:
        return ", ".join(texts)
    return f"{texts[0]} … {texts[-1]} ({count} tensors)"


def shapes_of(state: Mapping[str, Tensor]) -> Shapes:
    """The shapes of tensors, by name."""
    return {name: tuple(tensor.shape) for name, tensor in state.items()}
