"""LiteRT's files as objects: read, and written with aligned weights and the description in the metadata."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tasks.checkpoint.embedded import KEY

ALIGNED = 16  # bytes: what the format promises of every buffer, though its Python writer does not keep it


def read_file(path: Path) -> Any:
    """A .tflite file's ModelT, with the content of all buffers."""
    from ai_edge_litert.tools import flatbuffer_utils

    return flatbuffer_utils.read_model(str(path))


def write_file(path: Path, model: Any) -> None:
    """Write a ModelT as one flatbuffer, without buffers behind it, which old runtimes do not find."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    class Aligned(schema.BufferT):  # type: ignore[misc]
        def Pack(self, builder: Any) -> int:  # noqa: N802
            data = np.asarray(self.data, np.uint8)
            builder.StartVector(1, data.size, ALIGNED)
            builder.head -= data.size
            builder.Bytes[builder.head : builder.head + data.size] = data.tobytes()
            vector = builder.EndVector()
            schema.BufferStart(builder)
            schema.BufferAddData(builder, vector)
            return int(schema.BufferEnd(builder))

    model.buffers = [buffer if buffer.data is None else Aligned(buffer.data) for buffer in model.buffers]
    path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def describe_inside(path: Path, manifest: Mapping[str, Any]) -> None:
    """Put the description into a file's metadata."""
    from ai_edge_litert import schema_py_generated as schema

    model = read_file(path)
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = np.frombuffer(json.dumps(manifest).encode(), np.uint8)
    entry.name, entry.buffer = KEY, len(model.buffers)
    model.buffers = [*model.buffers, buffer]
    model.metadata = [*(model.metadata or []), entry]
    write_file(path, model)


def operators_of(model: Any) -> list[tuple[str, Any]]:
    """A model's operators in order, each with its kind's name such as CONV_2D."""
    from ai_edge_litert import schema_py_generated as schema

    kinds = names_in(schema.BuiltinOperator)
    codes = [kinds[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in model.operatorCodes]
    return [(codes[operator.opcodeIndex], operator) for operator in model.subgraphs[0].operators]


def names_in(group: Any) -> dict[int, str]:
    """The names of an enumeration in the schema, by number."""
    return {number: name for name, number in vars(group).items() if isinstance(number, int)}


def tensor_name(tensor: Any) -> str:
    """A tensor's name as text."""
    return str(tensor.name.decode())
