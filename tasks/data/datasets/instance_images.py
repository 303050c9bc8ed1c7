"""Finds the images that an instance file lists."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.data.datasets.annotated_files import absent, are_missing
from tasks.data.files.names import locate
from tasks.data.files.opening import shown


def find_files(folder: Path, files: list[str], ids: NDArray[np.int64], source: Path) -> tuple[list[str], list[str]]:
    """The files' names as they are below the folder, and notes about those written differently.

    Raises:
        UserError: for a missing or ambiguous file.
    """
    missing = absent(folder, files)
    if not missing:
        return files, []
    found, problem = locate(folder, files, missing)
    lost = [place for place in missing if place not in found]
    if lost:
        raise are_missing(lost, folder, files, ids, source, problem)
    some = f"{shown(files[missing[0]])} is {shown(found[missing[0]])}"
    more = ", …" if len(missing) > 1 else ""
    note = f"{source.name}: {len(missing)} file names are found by their end or in another case ({some}{more})"
    return [found.get(place, name) for place, name in enumerate(files)], [note]
