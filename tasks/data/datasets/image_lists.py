"""Finds the images that an instance file lists, and their sizes if it lacks them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tasks.common.cpu import thread_pool
from tasks.data.datasets.annotated_files import absent, are_missing
from tasks.data.files.images import opened_size
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


def complete_sizes(sizes: NDArray[np.int64], folder: Path, files: Sequence[str], *, upright: bool) -> NDArray[np.int64]:
    """(N, 2) heights and widths, with 0 replaced by the sizes in the files' headers, of upright or stored photos.

    Raises:
        UserError: for a file that is not an image.
    """
    places = np.flatnonzero(~sizes.all(1))
    with thread_pool() as pool:
        read = list(pool.map(lambda place: opened_size(folder / files[place]).seen(upright), places))
    sizes = sizes.copy()
    sizes[places] = read
    return sizes
