"""Arrays in one .npz file as numpy.savez writes it, read as the file's pages instead of copies."""

import math
import mmap
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

ALIGNED = 64  # bytes
HEADER = 30  # bytes of a ZIP member's local header, before its name and extra field
PADDING = 0xD935  # the extra field that Android's zipalign pads with


def write_arrays(file: IO[bytes], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays without pickled objects, so that numpy.load and read_arrays() can read them.

    Raises:
        ValueError: for an array of objects.
    """
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy")
            member.file_size = array.nbytes + ALIGNED * 4
            place = file.tell() + HEADER + len(member.filename) + 4
            member.extra = struct.pack("<HH", PADDING, -place % ALIGNED) + bytes(-place % ALIGNED)
            with archive.open(member, "w") as opened:
                np.lib.format.write_array(opened, array, allow_pickle=False)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of a file. They may be changed, which the file does not notice.

    Raises:
        OSError: if it cannot be read.
        ValueError, EOFError, KeyError, zipfile.BadZipFile: if it is damaged, compressed, or holds objects.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive:
            pages = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
            members = archive.infolist()
            return {member.filename.removesuffix(".npy"): array_of(pages, archive, member) for member in members}
    except (RuntimeError, TokenError) as error:  # the archive's flags or an array's header are damaged
        raise ValueError(f"{path} is damaged: {error}") from error


def array_of(pages: mmap.mmap, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """An array of a mapped file."""
    with archive.open(member) as opened:  # compares the member's own header with the file's list
        version = np.lib.format.read_magic(opened)
        if member.compress_type != zipfile.ZIP_STORED or version != (1, 0):
            raise ValueError(f"{member.filename} is no array as write_arrays writes it")
        shape, in_columns, dtype = np.lib.format.read_array_header_1_0(opened)
        begin = opened.tell()
    if dtype.hasobject:
        raise ValueError(f"{member.filename} holds objects")
    count = math.prod(shape)
    if begin + count * dtype.itemsize != member.file_size:
        raise ValueError(f"{member.filename} does not hold {shape} of {dtype}")
    if not count:
        return np.zeros(shape, dtype)
    name, extra = struct.unpack("<HH", pages[member.header_offset + HEADER - 4 : member.header_offset + HEADER])
    start = member.header_offset + HEADER + name + extra + begin
    return np.frombuffer(pages, dtype, count, start).reshape(shape, order="F" if in_columns else "C")
