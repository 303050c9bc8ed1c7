"""Pictures that look the same, found by perceptual hash (dHash, N. Krawetz, 2013) without comparing all with all."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Hashes = NDArray[np.uint64]
SIDE = 9  # of the small picture that is hashed: 8 differences in each row and column
PLAIN = 8  # grey levels: pictures with less contrast at that size have nothing to compare
NEAR = 6  # bits of 128 that may differ
ALIKE = 3.0  # mean difference of the small pictures, in grey levels
BANDS = 8  # of 16 bits: pictures that differ in fewer bits than there are bands agree in one of them
BLOCK = 1024  # rows compared with all others of their band at once


class Fingerprint(NamedTuple):
    """What is kept of a picture.

    Attributes:
        hash: (2,) uint64; 64 bits whether each pixel is darker than its right neighbour, 64 for the one below.
        small: (81,) uint8, the grey picture at 9×9.
        plain: whether it has almost no contrast, such as a black frame.
    """

    hash: Hashes
    small: NDArray[np.uint8]
    plain: bool


def fingerprint(image: Image.Image) -> Fingerprint:
    """The fingerprint of an RGB or grey picture; scaling and saving it again change it little."""
    small = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.BOX))
    across = small[:-1, 1:] > small[:-1, :-1]  # (8, 8)
    down = small[1:, :-1] > small[:-1, :-1]
    packed = np.packbits(np.stack((across, down))).view(np.uint64)
    return Fingerprint(packed, small.ravel(), int(small.max()) - int(small.min()) < PLAIN)


def near_pairs(hashes: Hashes, small: NDArray[np.uint8]) -> NDArray[np.int64]:
    """(P, 2) pairs of rows that look the same, i < j, each once.

    Of many equal hashes only the pairs with the first one are compared, so that a thousand copies give a thousand
    pairs.

    Args:
        hashes: (N, 2) of pictures that are not plain.
        small: (N, 81) of the same pictures.
    """
    if len(hashes) < 2:
        return np.empty((0, 2), np.int64)
    _, first, kind = np.unique(hashes, axis=0, return_index=True, return_inverse=True)
    same = np.column_stack((first[kind.ravel()], np.arange(len(hashes))))
    found = [same[same[:, 0] != same[:, 1]]]
    chosen = np.sort(first)
    bands = np.ascontiguousarray(hashes[chosen]).view(np.uint16).reshape(len(chosen), BANDS)
    for band in bands.T:
        for rows in equal_rows(band):
            found += [chosen[pair] for pair in close(hashes[chosen[rows]], rows)]
    pairs = np.unique(np.sort(np.concatenate(found), axis=1), axis=0)
    difference = np.abs(small[pairs[:, 0]].astype(np.int16) - small[pairs[:, 1]]).mean(1)
    alike: NDArray[np.int64] = pairs[difference <= ALIKE]
    return alike


def equal_rows(band: NDArray[np.uint16]) -> Iterator[NDArray[np.int64]]:
    """Rows that share a value with others, value by value."""
    order = np.argsort(band, kind="stable")
    cuts = np.flatnonzero(np.diff(band[order])) + 1
    yield from (rows for rows in np.split(order, cuts) if len(rows) > 1)


def close(hashes: Hashes, rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """(P, 2) pairs of `rows` whose hashes differ in few bits, block by block."""
    for start in range(0, len(rows), BLOCK):
        block = hashes[start : start + BLOCK]
        bits = np.bitwise_count(block[:, None, 0] ^ hashes[None, start:, 0])
        bits += np.bitwise_count(block[:, None, 1] ^ hashes[None, start:, 1])
        i, j = np.nonzero(bits <= NEAR)
        later = j > i
        yield np.column_stack((rows[start + i[later]], rows[start + j[later]]))


def groups(pairs: NDArray[np.int64], count: int) -> list[list[int]]:
    """Rows joined by pairs, directly or through others; groups in the order of their first row.

    Args:
        pairs: (P, 2).
        count: of all rows.
    """
    root = list(range(count))

    def find(row: int) -> int:
        while root[row] != row:
            root[row] = root[root[row]]
            row = root[row]
        return row

    for one, other in pairs.tolist():
        a, b = find(one), find(other)
        root[max(a, b)] = min(a, b)
    members: dict[int, list[int]] = {}
    for row in np.unique(pairs).tolist():
        members.setdefault(find(row), []).append(row)
    return [members[key] for key in sorted(members)]
