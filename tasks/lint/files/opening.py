"""Reads the operators of a file by the format that its suffix tells."""

from collections.abc import Callable
from pathlib import Path

from tasks.common.errors import UserError, check_file
from tasks.common.formats import FORMATS, is_there
from tasks.lint.operators import Operator

RUNTIMES = {FORMATS[name].suffix: name for name in ("onnx", "litert", "openvino", "executorch")}
READ_BY = {"xnnpack": ("litert", "executorch")}  # delegates that more than one format has


def runtime_of(path: Path) -> str:
    """The format of a file.

    Raises:
        UserError: if there is no such file, or none of its operators can be read.
    """
    if not is_there(path):
        check_file("model", path, [f"*{suffix}" for suffix in RUNTIMES])
    if path.suffix not in RUNTIMES:
        raise UserError(f"model={path}: tasks.lint reads {', '.join(RUNTIMES)}, not {path.suffix or 'this'} files")
    return RUNTIMES[path.suffix]


def operators_of(path: Path) -> list[Operator]:
    """The operators in the file's order.

    Raises:
        UserError: for a damaged file, and if a package that reads it is missing.
    """
    from tasks.lint.files import executorch, litert, onnx, openvino  # nothing heavy before the arguments are checked

    readers: dict[str, Callable[[Path], list[Operator]]] = {
        "onnx": onnx.operators_of,
        "litert": litert.operators_of,
        "openvino": openvino.operators_of,
        "executorch": executorch.operators_of,
    }
    return readers[runtime_of(path)](path)
