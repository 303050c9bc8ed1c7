"""Palettes of label files that do not agree."""

from pathlib import Path

from tasks.data.files.class_values import ClassValues
from tasks.data.files.label_values import palette_of
from tasks.data.files.masks import LabelFiles, Masks


def differing_palettes(masks: Masks) -> str:
    """A line about palettes in which a listed value has several colours, which may be what was meant; '' if none."""
    if not isinstance(masks, LabelFiles) or not isinstance(masks.convert, ClassValues) or masks.convert.coloured:
        return ""
    seen: dict[int, tuple[list[int], Path]] = {}
    for path in map(masks.path, range(len(masks.paths))):
        table = palette_of(path)
        for value in masks.convert.codes[masks.convert.codes < len(table)].tolist():
            colour, first = seen.setdefault(value, (table[value], path))
            if colour != table[value]:
                return (
                    f"the palettes of label files differ: value {value} is {colour} in {first} and {table[value]} in "
                    f"{path}; if the colours are what counts, list those: dataset.classes={{road: [128,64,128], …}}"
                )
    return ""
