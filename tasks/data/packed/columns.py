"""What is known of a split's samples, as arrays in one file of NumPy's format: no pickle, no compression."""

import io
import tokenize
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError

Columns = Mapping[str, NDArray[Any]]
LONGEST = 1 << 20  # pixels of a side
# By name: dtype and shape; N samples, C classes of an image, A boxes, B bytes.
FORMS: dict[str, tuple[str, tuple[str | int, ...]]] = {
    "offset": ("int64", ("N",)),  # of the image's bytes in its shard
    "length": ("int64", ("N",)),
    "names": ("uint8", ("B",)),  # all names one after the other
    "name_ends": ("int64", ("N+1",)),
    "sizes": ("int64", ("N", 2)),  # height and width as read
    "turned": ("bool", ("N",)),  # whether the image is turned by its EXIF orientation
    "mask_offset": ("int64", ("N",)),
    "mask_length": ("int64", ("N",)),
    "mask_sizes": ("int64", ("N", 2)),
    "mask_pixels": ("int64", (256,)),  # of each class, and of void, in all label maps
    "label": ("int64", ("N",)),
    "multilabel": ("uint8", ("N", "C")),
    "image_ids": ("int64", ("N",)),  # from here on: of boxes, as in their file
    "box_sizes": ("int64", ("N", 2)),
    "box_ends": ("int64", ("N+1",)),
    "boxes": ("float64", ("A", 4)),
    "box_labels": ("int64", ("A",)),
    "areas": ("float64", ("A",)),
    "crowd": ("bool", ("A",)),
}
ALWAYS = ("offset", "length", "names", "name_ends", "sizes", "turned")
OF_KIND = {
    "mask": ("mask_offset", "mask_length", "mask_sizes", "mask_pixels"),
    "label": ("label",),
    "multilabel": ("multilabel",),
    "boxes": ("image_ids", "box_sizes", "box_ends", "boxes", "box_labels", "areas", "crowd"),
}
# What zipfile and NumPy raise for files that are not theirs: the header of an array is Python, which they parse.
DAMAGE = (
    ValueError, TypeError, OSError, EOFError, LookupError, ArithmeticError, MemoryError, RuntimeError, SyntaxError,
    tokenize.TokenError, zipfile.BadZipFile,
)  # fmt: skip


def as_bytes(columns: Columns) -> bytes:
    """The file's content, the same for equal columns."""
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **columns)
    return file.getvalue()


def from_bytes(content: bytes, samples: int, classes: Mapping[str, int], where: str) -> Columns:
    """Read and check the columns.

    Args:
        samples: of the split, as the index says.
        classes: number of them, by kind of label.
        where: the file, for messages.

    Raises:
        UserError: for a damaged file, missing columns, or any value that does not fit; nothing is unpickled.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            if any(each.compress_type != zipfile.ZIP_STORED for each in file.infolist()):
                raise ValueError("it is compressed")
            if sum(each.file_size for each in file.infolist()) > len(content):
                raise ValueError("its parts are larger than itself")
        needed = [*ALWAYS, *(name for kind in classes for name in OF_KIND[kind])]
        with np.load(io.BytesIO(content), allow_pickle=False) as file:
            if missing := [name for name in needed if name not in file.files]:
                raise UserError(f"{where} lacks the column {missing[0]}")
            columns = {name: file[name] for name in needed}
    except DAMAGE as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(f"{where} is damaged or not of tasks.pack: {said}") from error
    check_forms(columns, samples, classes, where)
    check_values(columns, classes, where)
    return columns


def check_forms(columns: Columns, samples: int, classes: Mapping[str, int], where: str) -> None:
    """Raise UserError for a column of another type or shape."""
    sides = {"N": samples, "N+1": samples + 1, "C": classes.get("multilabel", 0)}
    sides["B"] = np.size(columns["names"])
    sides["A"] = np.size(columns["boxes"]) // 4 if "boxes" in columns else 0
    for name, column in columns.items():
        dtype, shape = FORMS[name]
        if not isinstance(column, np.ndarray):  # a file in it that has not NumPy's form comes as bytes
            raise UserError(f"{where}: {name} is no array")
        wanted = tuple(sides[side] if isinstance(side, str) else side for side in shape)
        if column.dtype != np.dtype(dtype) or column.shape != wanted:
            raise UserError(f"{where}: {name} is {column.dtype} {column.shape}, not {dtype} {wanted}")


def check_values(columns: Columns, classes: Mapping[str, int], where: str) -> None:
    """Raise UserError for classes, ends and places that cannot be."""
    for name, last in (("name_ends", len(columns["names"])), ("box_ends", len(columns.get("boxes", ())))):
        if name in columns:
            ends = columns[name]
            if ends[0] != 0 or ends[-1] != last or (np.diff(ends) < 0).any():
                raise UserError(f"{where}: {name} does not divide {last} entries")
    for name, kind in (("label", "label"), ("box_labels", "boxes")):
        if name in columns and len(labels := columns[name]) and not 0 <= labels.min() <= labels.max() < classes[kind]:
            raise UserError(f"{where}: {name} has the class {labels.max()}, of {classes[kind]}")
    if "multilabel" in columns and (columns["multilabel"] > 1).any():
        raise UserError(f"{where}: multilabel has values other than 0 and 1")
    for name in ("offset", "length", "mask_offset", "mask_length", "mask_pixels"):
        if name in columns and (columns[name] < 0).any():
            raise UserError(f"{where}: {name} has a number below 0")
    for name in ("sizes", "mask_sizes", "box_sizes"):
        if name in columns and ((columns[name] < 1) | (columns[name] > LONGEST)).any():
            raise UserError(f"{where}: {name} has a side that is not from 1 to {LONGEST:,}")
    if "mask_pixels" in columns and columns["mask_pixels"][classes["mask"] : 255].any():
        raise UserError(f"{where}: mask_pixels counts more classes than there are, {classes['mask']}")
    for name in ("boxes", "areas"):
        if name in columns and not np.isfinite(columns[name]).all():
            raise UserError(f"{where}: {name} has a number that is not finite")
    if "image_ids" in columns and len(np.unique(columns["image_ids"])) < len(columns["image_ids"]):
        raise UserError(f"{where}: image_ids has a number twice")
