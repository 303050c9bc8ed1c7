"""Tells label maps from photos by what they hold."""

from collections.abc import Sequence
from unicodedata import normalize

import numpy as np

from tasks.common.errors import UserError
from tasks.data.files.opening import opened
from tasks.data.files.patterns import ANY
from tasks.data.recognise.listing import Listing, join
from tasks.data.recognise.name_groups import Names

FEW = 64  # values or colours of a label map; soft edges have more, in few pixels
PLAIN = 0.9  # of its pixels have one of the 8 most frequent
TRIED = 3  # pairs


def is_label_map(listing: Listing, images: tuple[str, Names], masks: tuple[str, Names], stems: Sequence[str]) -> bool:
    """Whether files of a group hold few values, those of the other more, and both are of one size."""
    tried = 0
    for stem in stems[:: max(1, len(stems) // TRIED)]:
        paths = [path_of(listing, folder, names, stem) for folder, names in (images, masks)]
        if None in paths:
            continue
        try:
            (size, many, _), (other, few, plain) = (look(listing, str(path)) for path in paths)
        except UserError:
            continue
        if size != other or (few > FEW and plain < PLAIN) or many < 2 * few:
            return False
        tried += 1
    return tried > 0


def path_of(listing: Listing, folder: str, names: Names, stem: str) -> str | None:
    """Path of the file of a stem; None if there is none."""
    for name in listing.images(folder):
        composed = normalize("NFC", name)
        if (composed.rpartition(".")[0] if names.suffix == ANY else composed) == names.of(stem).removesuffix(ANY):
            return join(folder, name)
    return None


def look(listing: Listing, path: str) -> tuple[tuple[int, ...], int, float]:
    """Size of an image, number of its values or colours, and the share of pixels that have the 8 most frequent."""
    with opened(listing.root / path) as image:
        pixels = np.asarray(image.convert("RGB") if len(image.getbands()) > 1 else image)
    codes = pixels if pixels.ndim == 2 else pixels.astype(np.int64) @ np.array([65536, 256, 1])
    counts = np.sort(np.unique(codes, return_counts=True)[1])[::-1]
    return codes.shape, len(counts), float(counts[:8].sum() / codes.size)
