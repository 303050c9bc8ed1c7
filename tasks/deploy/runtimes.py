"""The packages that write and run exported files: how to import, open and quiet them."""

import contextlib
import functools
import operator
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError

EXTRAS = {
    "onnx": "ONNX Runtime",
    "openvino": "OpenVINO",
    "litert": "LiteRT",
    "ncnn": "ncnn",
    "executorch": "ExecuTorch",
    "coreml": "coremltools",
}

single = functools.cache(operator.call)  # of a class: this process's one object


def openvino_core() -> Any:
    """The one Core of this process; raises an ImportError without OpenVINO.

    A Core that has compiled a model sets the thread's alternate signal stack, and puts back the one before it when it
    is freed (2026.4). Of two that are freed in the order of their making, the second puts back the freed stack of the
    first: the next signal, such as Ctrl-C, then ends the process with a segmentation fault.
    """
    import openvino

    return single(openvino.Core)


@contextlib.contextmanager
def needed(extra: str, what: object) -> Iterator[None]:
    """Wraps an import; raises a UserError that says how to install what is missing."""
    try:
        yield
    except ImportError as error:
        raise UserError(f'{what} needs {EXTRAS[extra]}: pip install "mobilevision[{extra}]"') from error


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Wraps the opening of a file by a runtime; turns any error into a one-line UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # each runtime has its own exceptions
        raise UserError(f"{path} cannot be opened: {reason(error)}") from error


def reason(error: Exception) -> str:
    """A runtime's message in one line."""
    return " ".join(str(error).split())[:200] or type(error).__name__


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silences standard error: ExecuTorch's native code logs its search for the CPU's name there."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)
