"""Files beside label maps that list their classes."""

from collections.abc import Sequence
from pathlib import Path

from tasks.common.errors import UserError
from tasks.data.files.walk import found_in

USUAL = ("class_dict.csv", "_classes.csv", "labelmap.txt", "label_colors.txt")  # found without being named


def usual_file(folders: Sequence[Path]) -> str | None:
    """The file that lists the classes, if there is exactly one of the usual names.

    Args:
        folders: where it is looked for; the data set's root first.

    Raises:
        UserError: for several.
    """
    there = [name for name in USUAL if any((folder / name).is_file() for folder in folders)]
    if len(there) > 1:
        raise UserError(f"{folders[0]} has {' and '.join(there)}: set dataset.classes to one")
    if there:
        print(f"classes of {place_of(there[0], folders)}", flush=True)
    return there[0] if there else None


def place_of(name: str, folders: Sequence[Path]) -> Path:
    """Path of a file of classes in the first folder that has it.

    Raises:
        UserError: if there is none.
    """
    found = next((path for folder in folders if (path := folder / name).is_file()), None)
    if found is None and ":" in name:
        raise UserError(
            f"dataset.classes={name} is one item of braces that the shell took apart: quote them, "
            '"dataset.classes={name: value, …}"'
        )
    if found is None:
        raise UserError(
            f"dataset.classes={name}: no such file in {folders[0]} ({found_in(folders[0])}); or palette, found, or "
            "{name: value}"
        )
    return found
