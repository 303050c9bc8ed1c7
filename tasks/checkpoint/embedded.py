"""Reads the description inside an exported file from its bytes, without running or importing anything from it."""

import itertools
import json
import lzma
import struct
import uuid
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

KEY = "mobilevision"
MARK = f"# {KEY} "  # begins a line behind the layers of a .param file, where ncnn no longer reads
METADATA, NAME, VALUE = 14, 1, 2  # field numbers of ModelProto.metadata_props, StringStringEntryProto.key and .value
LARGEST = 2**22  # bytes of a description in an archive; ours have a few thousand
BUFFERS, ENTRIES = 4, 6  # field numbers of LiteRT's Model.buffers and Model.metadata; of Metadata: name 0, buffer 1
BYTES = 2  # protobuf's wire type of strings and messages
PACKAGE = {  # files of an .mlpackage as we write it, by what they are; its Manifest.json names them
    "specification": "Data/com.apple.CoreML/model.mlmodel",
    "weights": "Data/com.apple.CoreML/weights/weight.bin",
    "contents": "Manifest.json",
}
DESCRIPTION, FACTS, OWN = 2, 100, 100  # field numbers of Core ML's Model.description, .metadata, .userDefined
UNREADABLE = (  # raised by json, zipfile and ElementTree for arbitrary bytes; RuntimeError for encrypted entries
    *(ValueError, IndexError, RuntimeError, EOFError, OSError, struct.error, zlib.error, lzma.LZMAError),
    *(zipfile.BadZipFile, ElementTree.ParseError),
)


def read_inside(path: Path) -> Any:
    """The description inside an exported file; None if it is missing or unreadable."""
    try:
        text = READERS[path.suffix](path)
        return None if text is None else json.loads(text)
    except KeyError:  # no reader: ExecuTorch's format cannot hold one
        return None
    except UNREADABLE:
        return None


def of_onnx(path: Path) -> str | None:
    """The entry in the model's metadata."""
    for number, value in fields(memoryview(path.read_bytes())):
        if number == METADATA:
            entry = {inner: bytes(content).decode() for inner, content in fields(value) if inner in (NAME, VALUE)}
            if entry.get(NAME) == KEY:
                return entry.get(VALUE)
    return None


def fields(message: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Yield the strings and messages in a protobuf message, by number (protobuf.dev/programming-guides/encoding).

    Raises:
        ValueError: if it is not a protobuf message.
        IndexError: if it is truncated.
    """
    at = 0
    while at < len(message):
        tag, at = varint(message, at)
        kind = tag & 7
        if kind == BYTES:
            length, at = varint(message, at)
            if at + length > len(message):
                raise IndexError(f"{length} bytes are announced, {len(message) - at} are left")
            yield tag >> 3, message[at : at + length]
            at += length
        elif kind == 0:
            _, at = varint(message, at)
        elif kind in (1, 5):  # 64 and 32 bits
            at += 8 if kind == 1 else 4
        else:
            raise ValueError(f"there is no wire type {kind}")


def varint(message: memoryview, at: int) -> tuple[int, int]:
    """Decode a number of seven bits per byte, lowest first; returns it and the position after it."""
    value = 0
    for shift in range(0, 70, 7):
        byte = message[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number is longer than 64 bits")


def of_openvino(path: Path) -> str | None:
    """The entry in the model's runtime information."""
    for _, element in ElementTree.iterparse(path):
        if element.tag == KEY:
            return element.get("value")
    return None


def of_torch(path: Path) -> str | None:
    """The extra file in the archive."""
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.rpartition("/")[2] == KEY:
                if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > LARGEST:
                    raise ValueError("PyTorch compresses nothing")  # uncompressed, it could exceed memory
                return archive.read(entry).decode()
    return None


def of_litert(path: Path) -> str | None:
    """The entry in the model's metadata, whose text is in one of the model's buffers."""
    file = Flatbuffer(path.read_bytes())
    model = file.uint32(0)
    for entry in file.tables(file.field(model, ENTRIES)):
        if (name := file.field(entry, 0)) and file.bytes_of(name) == KEY.encode():
            place = file.field(entry, 1)
            number = file.uint32(place) if place else 0
            buffer = next(itertools.islice(file.tables(file.field(model, BUFFERS)), number, None), 0)
            text = file.field(buffer, 0) if buffer else 0
            return file.bytes_of(text).decode() if text else None
    return None


def of_ncnn(path: Path) -> str | None:
    """The last line of the text, behind the layers."""
    line = path.read_bytes().rstrip(b"\n").rpartition(b"\n")[2]
    return line.removeprefix(MARK.encode()).decode() if line.startswith(MARK.encode()) else None


def of_coreml(path: Path) -> str | None:
    """The entry in the model's user-defined metadata."""
    if (path / PACKAGE["contents"]).read_bytes() != contents():
        return None  # another specification may be the one that runs
    parts = [memoryview((path / PACKAGE["specification"]).read_bytes())]
    for wanted in (DESCRIPTION, FACTS, OWN):
        parts = [value for part in parts for number, value in fields(part) if number == wanted]
    for part in parts:
        entry = {number: bytes(value).decode() for number, value in fields(part)}
        if entry.get(1) == KEY:
            return entry.get(2)
    return None


def contents() -> bytes:
    """The Manifest.json of an .mlpackage, which names its files by identifiers.

    Those that coremltools writes are random; ours follow from the names, so that a package's bytes are the same again.
    """
    entries = {
        "model.mlmodel": ("CoreML Model Specification", "com.apple.CoreML/model.mlmodel"),
        "weights": ("CoreML Model Weights", "com.apple.CoreML/weights"),
    }
    items = {
        str(uuid.uuid5(uuid.NAMESPACE_OID, place)): {
            "author": "com.apple.CoreML",
            "description": text,
            "name": name,
            "path": place,
        }
        for name, (text, place) in entries.items()
    }
    whole = {"fileFormatVersion": "1.0.0", "itemInfoEntries": items, "rootModelIdentifier": next(iter(items))}
    return (json.dumps(whole, indent=4) + "\n").encode()  # as coremltools writes it again when it opens a package


class Flatbuffer:
    """Reads tables, vectors and strings of a flatbuffer by their positions (flatbuffers.dev, internals).

    A position outside the file raises struct.error or IndexError.
    """

    def __init__(self, content: bytes) -> None:
        self.content = content

    def uint32(self, at: int) -> int:
        """The number at a position."""
        return self.number("<I", at)

    def number(self, kind: str, at: int) -> int:
        """The number of a kind of struct's at a position."""
        if at < 0:
            raise IndexError("a position is before the file")
        return int(struct.unpack_from(kind, self.content, at)[0])

    def field(self, table: int, number: int) -> int:
        """Position of a table's field; 0 if it has none."""
        slots = table - self.number("<i", table)
        if 4 + 2 * number >= self.number("<H", slots):
            return 0
        offset = self.number("<H", slots + 4 + 2 * number)
        return table + offset if offset else 0

    def tables(self, field: int) -> Iterator[int]:
        """Positions of the tables in a vector that a field points to."""
        if field:
            vector = field + self.uint32(field)
            for at in range(vector + 4, vector + 4 + 4 * self.uint32(vector), 4):
                yield at + self.uint32(at)

    def bytes_of(self, field: int) -> bytes:
        """The string or vector of bytes that a field points to."""
        vector = field + self.uint32(field)
        length = self.uint32(vector)
        if vector + 4 + length > len(self.content):
            raise IndexError("a vector goes on behind the file")
        return self.content[vector + 4 : vector + 4 + length]


READERS: dict[str, Callable[[Path], str | None]] = {
    ".onnx": of_onnx,
    ".xml": of_openvino,
    ".tflite": of_litert,
    ".param": of_ncnn,
    ".mlpackage": of_coreml,
    ".pt2": of_torch,
}
