"""Exported files in their runtimes: uint8 images in, named arrays out. PyTorch is needed only for its own files."""

import contextlib
import functools
import operator
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.checkpoint.manifest import runtime_of
from tasks.common.errors import UserError
from tasks.deploy.shapes import check_outputs

Arrays = dict[str, NDArray[Any]]
Images = NDArray[np.uint8]
EXTRAS = {"onnx": "ONNX Runtime", "openvino": "OpenVINO", "executorch": "ExecuTorch"}


class Runner(ABC):
    """A file ready to run.

    Attributes:
        names: of its outputs.
        shape: of its input (batch, 3, height, width); None for dynamic sides.
        manifest: its description, which outputs are checked against; None if there is none.
    """

    names: list[str]
    shape: tuple[int | None, ...]
    manifest: Mapping[str, Any] | None = None

    @abstractmethod
    def of_batch(self, images: Images) -> Arrays:
        """The outputs for images of exactly the file's input shape."""

    def run(self, images: Images) -> Arrays:
        """Outputs by name for (N, 3, H, W) RGB, whatever batch size the file takes.

        Raises:
            UserError: for images of an unsupported size, and outputs that do not match the description.
        """
        for got, takes, side in zip(images.shape[2:], self.shape[2:], ("high", "wide"), strict=True):
            if takes is not None and got != takes:
                raise UserError(f"images are {got} pixels {side}; the exported file takes {takes}")
        if self.manifest is None:
            return self.in_batches(images)
        try:
            outputs = self.in_batches(images)
        except Exception as error:  # each runtime has its own exceptions
            raise UserError(f"{self.manifest['file']} cannot be run: {reason(error)}") from error
        check_outputs(outputs, self.manifest)
        return outputs

    def in_batches(self, images: Images) -> Arrays:
        """The outputs for any number of images of the right size."""
        count, batch = len(images), self.shape[0]
        if batch is None or batch == count:
            return self.of_batch(np.ascontiguousarray(images))
        padded = np.concatenate([images, np.repeat(images[-1:], -count % batch, 0)])
        parts = [self.of_batch(padded[start : start + batch]) for start in range(0, len(padded), batch)]
        return {name: np.concatenate([part[name] for part in parts])[:count] for name in self.names}


class OnnxRunner(Runner):
    """ONNX Runtime on the CPU.

    Args:
        path: the file.
        threads: per image; None for as many as there are cores.
    """

    def __init__(self, path: Path, threads: int | None) -> None:
        with needed("onnx", path):
            import onnxruntime
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only; it warns about its own graph passes
        if threads is not None:
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
        with readable(path):
            self.session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
            (image,) = self.session.get_inputs()
        self.input = image.name
        self.shape = tuple(side if isinstance(side, int) else None for side in image.shape)
        self.names = [output.name for output in self.session.get_outputs()]

    def of_batch(self, images: Images) -> Arrays:
        return dict(zip(self.names, self.session.run(None, {self.input: images}), strict=True))


class OpenVinoRunner(Runner):
    """OpenVINO on the CPU.

    Args:
        path: the .xml; the .bin is next to it.
        names: of its outputs; compiling renames them.
        threads: per image; None for as many as there are cores.
        precision: of the computation if the CPU supports it: "f32" or "bf16"; by default it would choose itself.
    """

    def __init__(self, path: Path, names: list[str], threads: int | None, precision: str) -> None:
        with needed("openvino", path):
            core = openvino_core()
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        if threads is not None:
            options |= {"INFERENCE_NUM_THREADS": threads}
        with readable(path):
            self.model = core.compile_model(str(path), "CPU", options)
        if len(self.model.outputs) != len(names):
            raise UserError(
                f"{path} has {len(self.model.outputs)} outputs, its description names {len(names)}: {', '.join(names)}"
            )
        self.request = self.model.create_infer_request()
        shape = self.model.input(0).get_partial_shape()
        self.shape = tuple(side.get_length() if side.is_static else None for side in shape)
        self.names = names

    def of_batch(self, images: Images) -> Arrays:
        self.request.infer([images], share_inputs=True)
        return {name: self.request.get_output_tensor(number).data.copy() for number, name in enumerate(self.names)}


class ExecuTorchRunner(Runner):
    """ExecuTorch's XNNPACK and portable kernels.

    Args:
        path: the file.
        names: of its outputs, which the file does not contain.
        shape: of its input.
        threads: per image, for this whole process; None for ExecuTorch's default.
    """

    def __init__(self, path: Path, names: list[str], shape: tuple[int | None, ...], threads: int | None) -> None:
        with needed("executorch", path), quiet():
            import torch
            from executorch.extension.pybindings._C import _unsafe_reset_threadpool  # there is no public way
            from executorch.runtime import Runtime
        self.from_numpy = torch.from_numpy
        with readable(path), quiet():
            if threads is not None:
                _unsafe_reset_threadpool(threads)
            self.program = Runtime.get().load_program(path)
            self.method = self.program.load_method("forward")
        self.names, self.shape = names, shape

    def of_batch(self, images: Images) -> Arrays:
        outputs = self.method.execute([self.from_numpy(images)])
        return {name: output.numpy().copy() for name, output in zip(self.names, outputs, strict=True)}


class TorchRunner(Runner):
    """PyTorch's own exported program.

    Args:
        path: the file.
        names: of its outputs.
        shape: of its input.
        threads: per image; None for PyTorch's default.
    """

    def __init__(self, path: Path, names: list[str], shape: tuple[int | None, ...], threads: int | None) -> None:
        import torch

        from tasks.deploy.pt2 import load_program

        if threads is not None:
            torch.set_num_threads(threads)
        self.torch = torch
        with readable(path):
            self.module = load_program(path).module()
        self.names, self.shape = names, shape

    def of_batch(self, images: Images) -> Arrays:
        with self.torch.inference_mode():
            outputs = self.module(self.torch.from_numpy(images))
        return {name: output.numpy() for name, output in zip(self.names, outputs, strict=True)}


def open_runner(path: Path, manifest: dict[str, Any], threads: int | None = None) -> Runner:
    """Open a file in the runtime that its suffix selects.

    Args:
        path: the file.
        manifest: its description.
        threads: per image; None for the runtime's default.

    Raises:
        UserError: for a file that is damaged, or whose runtime is not installed.
    """
    runtime = runtime_of(path)
    takes = manifest["input"]
    shape = (takes["batch"], 3, takes["height"], takes["width"])
    names = [name for task in manifest["tasks"].values() for name in task["outputs"].values()]
    runner: Runner
    if runtime == "onnx":
        runner = OnnxRunner(path, threads)
    elif runtime == "openvino":
        runner = OpenVinoRunner(path, names, threads, "bf16" if manifest["precision"] == "bf16" else "f32")
    elif runtime == "executorch":
        runner = ExecuTorchRunner(path, names, shape, threads)
    else:
        runner = TorchRunner(path, names, shape, threads)
    runner.manifest = manifest
    return runner


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
