"""The formats of exported files: their names, precisions and packages. Imports nothing heavy."""

from typing import NamedTuple


class Format(NamedTuple):
    """A file format, named after its runtime.

    Attributes:
        suffix: of the file to open.
        precisions: supported ones; int8 by quantisation.
        packages: installed by its extra to write and run it; their versions are recorded.
    """

    suffix: str
    precisions: tuple[str, ...]
    packages: tuple[str, ...]


FORMATS = {
    "onnx": Format(".onnx", ("fp32", "fp16", "int8"), ("onnx", "onnxruntime", "onnxscript")),
    "openvino": Format(".xml", ("fp32", "fp16", "bf16", "int8"), ("openvino",)),
    "executorch": Format(".pte", ("fp32",), ("executorch",)),
    "torch": Format(".pt2", ("fp32", "fp16", "bf16"), ()),
}
PRECISIONS = ("fp32", "fp16", "bf16", "int8")
OUTPUTS = ("raw", "decoded", "final")
