"""The description inside an ONNX file, without onnx: a message's fields may stand at its end."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def embed(path: Path, manifest: Mapping[str, Any]) -> None:
    """Write a description behind what an ONNX file without one has: field 14, with a key in field 1, a value in 2."""
    text = json.dumps({key: value for key, value in manifest.items() if key != "sha256"}).encode()
    entry = b"\x0a\x0cmobilevision\x12" + varint(len(text)) + text
    path.write_bytes((path.read_bytes() if path.is_file() else b"") + b"\x72" + varint(len(entry)) + entry)


def varint(number: int) -> bytes:
    """A number of seven bits per byte, lowest first."""
    return bytes([number]) if number < 128 else bytes([number % 128 + 128]) + varint(number // 128)
