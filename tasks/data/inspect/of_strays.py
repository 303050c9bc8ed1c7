"""Findings about classes that label files hold by mistake."""

from collections.abc import Iterator, Sequence

import numpy as np

from tasks.data.files.class_values import ClassValues
from tasks.data.files.masks import Masks
from tasks.data.files.stray_values import described, listing, strays
from tasks.data.inspect.finding import EXAMPLES, Finding, Split
from tasks.data.inspect.of_labels import counts_of, images_with


def stray_classes(splits: Sequence[Split]) -> Iterator[Finding]:
    """Classes found in label files that are in very few of them and in few pixels: a mistake made them."""
    parts = [split for split in splits if split.examined.shares is not None and found_in(split)]
    values = found_in(parts[0]) if parts else None
    if values is None:
        return
    classes = values.listed
    files = np.sum([counts_of(split, "mask") for split in parts], axis=0)
    pixels = np.sum([split.examined.pixels for split in parts], axis=0)
    count, whole = sum(int(split.examined.read.sum()) for split in parts), int(pixels.sum())
    odd = strays(files, pixels[: len(classes)], of_files=count, of_pixels=whole)
    if not odd:
        return
    texts = [
        described(classes[n], int(files[n]), int(pixels[n]), of_files=count, of_pixels=whole) for n in odd[:EXAMPLES]
    ]
    shown = [(split, int(index), n) for n in odd for split in parts for index in images_with(split, "mask", n)[:1]]
    shown = shown[:EXAMPLES]
    left = listing([one for number, one in enumerate(classes) if number not in odd], values.ignore)
    yield Finding(
        "stray_classes",
        "look",
        f"{'; '.join(texts)}{f' and {len(odd) - EXAMPLES} more' if len(odd) > EXAMPLES else ''}: "
        f"{'a mistake' if len(odd) == 1 else 'mistakes'}?",
        len(odd),
        "",
        f"list the classes to have {'it' if len(odd) == 1 else 'them'} refused: {left}",
        [f"{split.file(index)} ({classes[n].name})" for split, index, n in shown],
        [(split.name, index) for split, index, _ in shown],
    )


def found_in(split: Split) -> ClassValues | None:
    """See Masks.found."""
    masks = getattr(split.samples, "masks", None)
    return masks.found() if isinstance(masks, Masks) else None
