"""Structure arrays of MAT files, version 5 ("MAT-File Format", MathWorks), as far as ImageNet's devkit needs them."""

import struct
import zlib
from typing import Any

import numpy as np

HEADER = 128
LARGEST = 64_000_000  # bytes, unpacked
MOST = 1_000_000  # elements of an array
MATRIX, COMPRESSED = 14, 15
TYPES = {
    1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8",
    16: "u1", 17: "u2", 18: "u4",
}  # fmt: skip  # the last three are characters: UTF-8, UTF-16, UTF-32
CELL, STRUCT, CHARACTERS, SPARSE = 1, 2, 4, 5


def read_structs(content: bytes, name: str) -> list[dict[str, Any]]:
    """The elements of the structure array `name`: numbers as arrays, characters as a string, cells as None.

    Raises:
        ValueError: for another kind of file, or one without that variable.
    """
    try:
        if content[126:128] not in (b"IM", b"MI"):
            raise ValueError("not a MAT file of version 5")
        order = "<" if content[126:128] == b"IM" else ">"
        at = HEADER
        while at < len(content):
            kind, data, at = element(content, at, order)
            if kind == COMPRESSED:
                kind, data, _ = element(unpack(data), 0, order)
            if kind == MATRIX:
                found, value = matrix(data, order)
                if found == name and isinstance(value, list):
                    return value
    except (struct.error, zlib.error, IndexError, KeyError, OverflowError, RecursionError) as error:
        raise ValueError(f"damaged MAT file ({error})") from error
    raise ValueError(f"no structure array {name}")


def unpack(data: bytes) -> bytes:
    """Compressed data, of which ImageNet's file has less than a megabyte.

    Raises:
        zlib.error: for more than that.
    """
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(data, LARGEST)
    if unpacker.unconsumed_tail:
        raise zlib.error(f"more than {LARGEST:,} bytes")
    return content


def element(content: bytes, at: int, order: str) -> tuple[int, bytes, int]:
    """Type and bytes of the element at an offset, and the offset of the next."""
    kind, size = struct.unpack_from(f"{order}II", content, at)
    if kind >> 16:  # up to four bytes stand in the tag itself
        kind, size = kind & 0xFFFF, kind >> 16
        return kind, content[at + 4 : at + 4 + size], at + 8
    start = at + 8
    if len(content) < start + size:
        raise IndexError("cut off")
    padding = 0 if kind == COMPRESSED else -size % 8
    return kind, content[start : start + size], start + size + padding


def matrix(content: bytes, order: str) -> tuple[str, Any]:
    """Name and value of a matrix."""
    if not content:  # an empty one may have no body
        return "", np.empty(0)
    _, flags, at = element(content, 0, order)
    kind = struct.unpack_from(f"{order}I", flags)[0] & 0xFF
    _, shape, at = element(content, at, order)
    count = int(np.prod(np.frombuffer(shape, f"{order}i4")))
    if not 0 <= count <= MOST:
        raise IndexError(f"an array of {count} elements")
    _, name, at = element(content, at, order)
    value: Any = None
    if kind == STRUCT:
        _, width, at = element(content, at, order)
        _, names, at = element(content, at, order)
        length = struct.unpack_from(f"{order}i", width)[0]
        fields = [names[i : i + length].split(b"\0")[0].decode() for i in range(0, len(names), length)]
        value = []
        for _ in range(count):
            entry = {}
            for field in fields:
                _, data, at = element(content, at, order)
                entry[field] = matrix(data, order)[1]
            value.append(entry)
    elif kind not in (CELL, SPARSE):
        stored, data, at = element(content, at, order)
        value = np.frombuffer(data, order + TYPES[stored])
        if kind == CHARACTERS:
            value = "".join(map(chr, value)) if stored != 16 else data.decode()
    return name.decode(), value
