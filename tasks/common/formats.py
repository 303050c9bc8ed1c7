"""The formats of exported files: their names, precisions and packages. Imports nothing heavy."""

from pathlib import Path
from typing import NamedTuple


class Format(NamedTuple):
    """A file format, named after its runtime.

    Attributes:
        suffix: of the file to open.
        precisions: supported ones; int8 by quantisation.
        packages: installed by its extra to write and run it; their versions are recorded.
        module: that runs it; what is before the first dot is the package whose version counts.
        weights: suffix of the file beside it that has the weights; "" if they are inside.
        layouts: of the input that it can take, the default first.
        dynamic: whether batch and size can be left open.
        one: whether it takes one image at a time.
        labels: whether its operators can choose labels; if not, its outputs are the numbers that they are chosen from.
    """

    suffix: str
    precisions: tuple[str, ...]
    packages: tuple[str, ...]
    module: str
    weights: str = ""
    layouts: tuple[str, ...] = ("NCHW",)
    dynamic: bool = True
    one: bool = False
    labels: bool = True

    def files(self, path: Path) -> list[Path]:
        """The file at this path, and what belongs beside it."""
        return [path, path.with_suffix(self.weights)] if self.weights else [path]


FORMATS = {
    "onnx": Format(".onnx", ("fp32", "fp16", "int8"), ("onnx", "onnxruntime", "onnxscript"), "onnxruntime"),
    "openvino": Format(".xml", ("fp32", "fp16", "bf16", "int8"), ("openvino",), "openvino", ".bin"),
    "litert": Format(
        ".tflite",
        ("fp32", "fp16", "int8"),
        ("litert-torch", "ai-edge-quantizer", "ai-edge-litert"),
        "ai_edge_litert.interpreter",
        layouts=("NHWC", "NCHW"),
        dynamic=False,
    ),
    "ncnn": Format(".param", ("fp32", "fp16"), ("pnnx", "ncnn"), "ncnn", ".bin", dynamic=False, one=True, labels=False),
    "executorch": Format(".pte", ("fp32",), ("executorch",), "executorch.runtime"),
    "torch": Format(".pt2", ("fp32", "fp16", "bf16"), (), "torch"),
}
PRECISIONS = ("fp32", "fp16", "bf16", "int8")
LAYOUTS = ("NCHW", "NHWC")  # of images: planes of colours, or pixels of three bytes
OUTPUTS = ("raw", "decoded", "final")
