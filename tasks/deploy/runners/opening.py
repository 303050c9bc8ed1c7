"""Opens an exported file in the runtime that its suffix selects."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tasks.checkpoint.manifest import runtime_of
from tasks.deploy.runners.coreml import CoreMlRunner
from tasks.deploy.runners.executorch import ExecuTorchRunner
from tasks.deploy.runners.litert import LiteRtRunner
from tasks.deploy.runners.ncnn import NcnnRunner
from tasks.deploy.runners.onnx import OnnxRunner
from tasks.deploy.runners.openvino import OpenVinoRunner, computed_in
from tasks.deploy.runners.runner import Runner, Shape
from tasks.deploy.runners.torch import TorchRunner


class Opening(NamedTuple):
    """What runners are made from: the file, its outputs' names, its input's shape (batch, 3, height, width) and layout,
    its precision, and threads per image (None: the runtime's default).
    """

    path: Path
    names: list[str]
    shape: Shape
    layout: str
    precision: str
    threads: int | None


RUNNERS: dict[str, Callable[[Opening], Runner]] = {  # by format
    "onnx": lambda of: OnnxRunner(of.path, of.threads),
    "openvino": lambda of: OpenVinoRunner(of.path, of.names, of.threads, computed_in(of.precision)),
    "litert": lambda of: LiteRtRunner(of.path, of.names, of.layout, of.threads),
    "ncnn": lambda of: NcnnRunner(of.path, of.names, of.shape, of.threads, halves=of.precision == "fp16"),
    "executorch": lambda of: ExecuTorchRunner(of.path, of.names, of.shape, of.threads),
    "coreml": lambda of: CoreMlRunner(of.path, of.names, of.shape),
    "torch": lambda of: TorchRunner(of.path, of.names, of.shape, of.threads),
}


def open_runner(path: Path, manifest: Mapping[str, Any], threads: int | None = None) -> Runner:
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
    layout = takes.get("layout", "NCHW")
    runner = RUNNERS[runtime](Opening(path, names, shape, layout, manifest["precision"], threads))
    runner.manifest = manifest
    return runner
