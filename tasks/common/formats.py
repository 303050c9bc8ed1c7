"""The formats of exported files: what each is called, what it can hold, and what writes it. Nothing heavy here."""

from typing import NamedTuple


class Format(NamedTuple):
    """A file format, named after its runtime.

    Attributes:
        suffix: of the file that is opened.
        precisions: that it has, int8 by quantisation.
        packages: that its extra installs to write and run it, and whose versions count.
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
