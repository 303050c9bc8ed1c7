"""Opens an exported file in the runtime that its suffix selects."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.checkpoint.manifest import runtime_of
from tasks.deploy.runners.coreml import CoreMlRunner
from tasks.deploy.runners.executorch import ExecuTorchRunner
from tasks.deploy.runners.litert import LiteRtRunner
from tasks.deploy.runners.ncnn import NcnnRunner
from tasks.deploy.runners.onnx import OnnxRunner
from tasks.deploy.runners.openvino import OpenVinoRunner, computed_in
from tasks.deploy.runners.runner import Runner
from tasks.deploy.runners.torch import TorchRunner


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
    runner: Runner
    if runtime == "onnx":
        runner = OnnxRunner(path, threads)
    elif runtime == "openvino":
        runner = OpenVinoRunner(path, names, threads, computed_in(manifest["precision"]))
    elif runtime == "litert":
        runner = LiteRtRunner(path, names, takes.get("layout", "NCHW"), threads)
    elif runtime == "ncnn":
        runner = NcnnRunner(path, names, shape, threads, halves=manifest["precision"] == "fp16")
    elif runtime == "coreml":
        runner = CoreMlRunner(path, names, shape)
    elif runtime == "executorch":
        runner = ExecuTorchRunner(path, names, shape, threads)
    else:
        runner = TorchRunner(path, names, shape, threads)
    runner.manifest = manifest
    return runner
