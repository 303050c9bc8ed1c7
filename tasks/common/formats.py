"""The formats of exported files: their names, precisions and packages. Imports nothing heavy."""

import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from tasks.common.errors import UserError


class Format(NamedTuple):
    """A file format, named after its runtime; docs/architecture.md says what else a new one needs.

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
        folder: whether its files are folders, which their system shows as one file.
        system: the only one that can run it, as in sys.platform; "" for any.
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
    folder: bool = False
    system: str = ""

    @property
    def runs_here(self) -> bool:
        """Whether its files can be run by this system, if the packages are installed."""
        return not self.system or sys.platform == self.system

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
    "coreml": Format(
        ".mlpackage",
        ("fp32", "fp16"),
        ("coremltools",),
        "coremltools",
        dynamic=False,
        one=True,
        folder=True,
        system="darwin",
    ),
    "torch": Format(".pt2", ("fp32", "fp16", "bf16"), (), "torch"),
}
PRECISIONS = ("fp32", "fp16", "bf16", "int8")
LAYOUTS = ("NCHW", "NHWC")  # of images: planes of colours, or pixels of three bytes
OUTPUTS = ("raw", "decoded", "final")


def is_there(path: Path) -> bool:
    """Whether a file exists, or a folder that counts as one."""
    return path.is_file() or (is_package(path) and path.is_dir())


def is_package(path: Path) -> bool:
    """Whether a name is one of a format whose files are folders."""
    return any(entry.folder and path.suffix == entry.suffix for entry in FORMATS.values())


def check_runs_here(path: Path) -> None:
    """Raises a UserError for a file that this system cannot run, whatever is installed."""
    for entry in FORMATS.values():
        if path.suffix == entry.suffix and not entry.runs_here:
            others = ", ".join(name for name, other in FORMATS.items() if other.runs_here)
            raise UserError(f"model={path} needs macOS, where Core ML runs; here do files of export.format={others}")


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files in a folder that counts as one."""
    parts = path.rglob("*") if path.is_dir() else [path]
    return sum(part.stat().st_size for part in parts if part.is_file())


def remove(path: Path) -> None:
    """Remove a file, or a folder that counts as one, if it is there."""
    if is_package(path) and path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
