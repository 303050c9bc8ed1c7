"""Finds the values or colours that label files hold, to name classes by."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.common.labels import VOID
from tasks.common.palette import Colour
from tasks.data.files.cache import cached, stamp
from tasks.data.files.class_lists import ListedClass, ignored
from tasks.data.files.images import LOSSY
from tasks.data.files.label_values import are_smoothed, edges, packed, read_values, unpacked
from tasks.data.files.opening import opened, shown
from tasks.data.files.stray_values import described, listing, strays

BORDER = (224, 224, 192)  # colour of VOC's 255, which is void (VOC 2012 devkit, VOClabelcolormap)
MOST_CLASSES = 255
LIST = "list them: dataset.classes={name: value, …}"
LIST_COLOURS = "list them: dataset.classes={name: [red,green,blue], …}"
BINARY = 'dataset.nearest=true "dataset.classes={background: 0, object: 255}" takes the nearer of black and white'
NEAR, SHARE = 40, 0.95  # of black or white, for which this is proposed: so many of the pixels


class Content(NamedTuple):
    """What one label file holds.

    Attributes:
        codes: (K,) distinct values, or packed colours.
        coloured: whether they are colours.
        pixels: (K,) number of pixels of each.
        palette: (K, 3) their colours in the file's palette; (0, 3) without one.
        edges: see label_values.edges.
        binary: whether most pixels are nearly black or white.
    """

    codes: NDArray[np.int32]
    pixels: NDArray[np.int64]
    coloured: bool
    palette: NDArray[np.uint8]
    edges: tuple[int, int]
    binary: bool


def find_classes(
    paths: Sequence[Path], ignore: Any, *, palette: bool = False, alpha: bool = False
) -> tuple[list[ListedClass], Any]:
    """The classes that label files hold, named by number or by colour (#804080), and what is void.

    Args:
        ignore: values or colours that are void; None if the user did not say: then 255 is, if it has the colour of
            VOC's borders.
        palette: whether every file must have a palette.
        alpha: the values are those of the alpha channels.

    Raises:
        UserError: if the files do not tell: smoothed edges, values and colours, too many, or 255 beside others.
    """
    found = scan(paths, palette, alpha)
    coloured, codes, steps = bool(found["coloured"]), found["codes"], found["edges"].tolist()
    kind, listing = ("colours", LIST_COLOURS) if coloured else ("values", LIST)
    if are_smoothed(*steps) and len(codes) > 2:
        way = BINARY if bool(found["binary"]) else f"{listing} with dataset.nearest=true"
        raise UserError(
            f"dataset.classes=found: the label files hold {len(codes)} {kind}, and most edges are smoothed, as if "
            f"resized or saved as JPEG once: {way}"
        )
    void, colours = ignored(() if ignore is None else ignore, coloured)
    left = ~np.isin(codes, packed(np.array(colours)) if colours else np.array(void, np.int32))
    if ignore is None and not coloured and len(codes) > 2 - (0 not in codes) and VOID in codes:
        if not (len(found["palette"]) and tuple(found["palette"][codes == VOID][0].tolist()) == BORDER):
            raise UserError(
                f"dataset.classes=found: the label files hold 255 beside {some(codes[codes != VOID])}: set "
                "dataset.ignore=[255] if it is void, as usual, or dataset.ignore=[] if it is a class"
            )
        ignore, left = [VOID], left & (codes != VOID)
    if not left.any():
        raise UserError(f"dataset.classes=found: all {kind} of the label files are in dataset.ignore")
    if left.sum() > MOST_CLASSES:
        raise UserError(
            f"dataset.classes=found: the label files hold {left.sum():,} {kind}, {some(codes, coloured)}: {listing}"
            f"{see_through(paths[0])}"
        )
    drawn = [colour_of(row) for row in found["palette"]] if len(found["palette"]) else [None] * len(codes)
    places = np.flatnonzero(left).tolist()
    if coloured:
        colours = [colour_of(row) for row in unpacked(codes[places])]
        classes = [ListedClass("#{:02x}{:02x}{:02x}".format(*colour), colours=(colour,)) for colour in colours]
    else:
        classes = [ListedClass(str(codes[k]), (int(codes[k]),), drawn=drawn[k]) for k in places]
    names = ", ".join(one.name for one in classes[:12]) + (", …" if len(classes) > 12 else "")
    without = "" if ignore in (None, [], ()) else f"; void: {ignore}"
    print(f"{len(classes)} classes found in {len(paths):,} label files: {names}{without}", flush=True)
    if line := stray_line(classes, found["files"][places], found["pixels"], places, len(paths), ignore):
        print(line, flush=True)
    return classes, ignore


def stray_line(
    classes: Sequence[ListedClass],
    files: NDArray[Any],
    pixels: NDArray[Any],
    places: Sequence[int],
    count: int,
    ignore: Any,
) -> str:
    """A line about the first class that is hardly there; '' for none.

    Args:
        files: (C,) label files with each class.
        pixels: (K,) of all values, also void ones.
        places: (C,) of the classes among these.
        count: of all label files.
        ignore: what is void.
    """
    total, own = int(pixels.sum()), pixels[places]
    odd = strays(files, own, of_files=count, of_pixels=total)
    if not odd:
        return ""
    first = odd[0]
    text = described(classes[first], int(files[first]), int(own[first]), of_files=count, of_pixels=total)
    more = f" (and {len(odd) - 1} more)" if len(odd) > 1 else ""
    left = listing([one for number, one in enumerate(classes) if number not in odd], ignore)
    return f"{text}{more}: a mistake? {left} has it refused"


def scan(paths: Sequence[Path], palette: bool, alpha: bool) -> dict[str, NDArray[Any]]:
    """What all label files hold together: `codes`, `pixels`, `coloured`, `palette` and `edges` of Content, and in
    `files` how many have each code; kept in the cache.

    Raises:
        UserError: for files without a palette if there must be one, or values in some and colours in others.
    """

    def read() -> dict[str, NDArray[Any]]:
        with thread_pool() as pool:
            contents = list(pool.map(lambda path: content_of(path, alpha), paths))
        coloured = [content.coloured for content in contents]
        if any(coloured) and not all(coloured):
            grey, colour = paths[coloured.index(False)], paths[coloured.index(True)]
            raise UserError(f"dataset.classes=found: {colour} has colours, {grey} values: {LIST}")
        every = np.concatenate([content.codes for content in contents])
        codes, first, place, files = np.unique(every, return_index=True, return_inverse=True, return_counts=True)
        pixels = np.zeros(len(codes), np.int64)
        np.add.at(pixels, place, np.concatenate([content.pixels for content in contents]))
        own = [content for content in contents if len(content.palette)]
        colours = np.empty((0, 3))
        if len(own) == len(contents):
            all_colours = np.concatenate([content.palette for content in own])
            colours = all_colours[first]
            other = (all_colours != colours[place]).any(1)
            if other.any():
                index = every[other][0]
                raise UserError(
                    f"dataset.classes=found: the palettes of the label files differ, so their indices mean nothing "
                    f"({index} has several colours): list colours, like dataset.classes={{road: [128,64,128]}}"
                )
        return {
            "codes": codes,
            "files": files,
            "pixels": pixels,
            "coloured": np.array(any(coloured)),
            "palette": np.array(colours, np.uint8).reshape(-1, 3),
            "edges": np.sum([content.edges for content in contents], 0),
            "binary": np.array(all(content.binary for content in contents)),
        }

    try:
        found = dict(cached("masks 3 alpha" if alpha else "masks 3", map(stamp, paths), read))
    except OSError as error:
        raise UserError(f"cannot read labels {error.filename}: {error.strerror}") from error
    if palette and not len(found["palette"]):
        raise UserError("dataset.classes=palette: some label files have no palette (not PNG mode P); try found")
    return found


def content_of(path: Path, alpha: bool = False) -> Content:
    """What a label file holds.

    Raises:
        UserError: if it cannot be decoded, or is JPEG.
    """
    with opened(path, "labels") as image:
        mode, lossy = image.mode, image.format in LOSSY
        coloured = not alpha and mode in ("RGB", "RGBA") and has_colours(np.asarray(image))
        table = (
            np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
            if mode == "P"
            else np.empty((0, 3), np.uint8)
        )
    if lossy:
        plain = is_binary(read_values(path, coloured=False, lossy=True))
        raise UserError(
            f"{shown(path)} is stored as {image.format}, which changes values at edges: "
            f"{BINARY if plain else f'{LIST} with dataset.nearest=true'}"
        )
    values = read_values(path, coloured=coloured, alpha=alpha)
    distinct, pixels = np.unique(packed(values) if coloured else values, return_counts=True)
    codes = distinct.astype(np.int32)
    if len(table) and len(codes) and codes.max() >= len(table):
        table = np.concatenate((table, np.zeros((codes.max() + 1 - len(table), 3), np.uint8)))
    own = table[codes] if len(table) else table
    return Content(codes, pixels, coloured, own, edges(values), not coloured and is_binary(values))


def is_binary(values: NDArray[Any]) -> bool:
    """Whether most pixels of a label map are nearly black or white, as those of one class with soft edges are."""
    return bool(((values <= NEAR) | (abs(values.astype(np.int32) - 255) <= NEAR)).mean() >= SHARE)


def see_through(path: Path) -> str:
    """What to say of photos that are cut out by an alpha channel."""
    with opened(path, "labels") as image:
        return "; if label maps are the alpha channels, dataset.alpha=true" if "A" in image.getbands() else ""


def has_colours(pixels: NDArray[np.uint8]) -> bool:
    """Whether the channels of (H, W, 3 or 4) differ anywhere; alpha does not count."""
    return bool((pixels[..., :1] != pixels[..., 1:3]).any())


def colour_of(row: Any) -> Colour:
    red, green, blue = (int(part) for part in row)
    return red, green, blue


def some(codes: NDArray[np.integer], coloured: bool = False) -> str:
    """The first values or packed colours, for a message."""
    return ", ".join(str(code) if not coloured else f"#{code:06x}" for code in codes[:8].tolist()) + (
        f" and {len(codes) - 8} more" if len(codes) > 8 else ""
    )
