"""The figures of an inspection, for doctor.json and the tables of its page."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from tasks.common.labels import VOID
from tasks.data.inspect.finding import Split
from tasks.data.inspect.inspection import having
from tasks.data.inspect.of_files import mean_and_spread
from tasks.data.inspect.of_labels import counts_of


def summary(splits: Sequence[Split]) -> dict[str, Any]:
    """`splits`: each with its images, most frequent sizes and pixels; `classes`: counts by kind, split and class."""
    return {"splits": {split.name: of_split(split) for split in splits}, "classes": class_table(splits)}


def of_split(split: Split) -> dict[str, Any]:
    """The figures of one split."""
    sizes = Counter(map(tuple, split.examined.sizes[split.examined.read].tolist()))
    entry: dict[str, Any] = {
        "images": len(split.samples),
        "readable": int(split.examined.read.sum()),
        "sizes": [{"width": w, "height": h, "images": count} for (h, w), count in sizes.most_common(20)],
    }
    if split.examined.read.any():
        mean, spread = mean_and_spread(split)
        entry |= {"mean": [round(value, 4) for value in mean], "std": [round(value, 4) for value in spread]}
    if split.examined.shares is not None:
        entry["void_pixels"] = int(split.examined.pixels[VOID])
    return entry


def class_table(splits: Sequence[Split]) -> dict[str, list[dict[str, Any]]]:
    """For each kind of label the classes in order, with `name` and a count for each split; of masks also pixels."""
    table = {}
    for kind in dict.fromkeys(kind for split in splits for kind in split.classes):
        parts = having(splits, kind)
        counts = {split.name: counts_of(split, kind) for split in parts}
        rows = []
        for number, name in enumerate(parts[0].classes[kind] if parts else ()):
            row: dict[str, Any] = {"name": name} | {side: int(count[number]) for side, count in counts.items()}
            if kind == "mask":
                row["pixels"] = {split.name: int(split.examined.pixels[number]) for split in parts}
            rows.append(row)
        table[kind] = rows
    return table
