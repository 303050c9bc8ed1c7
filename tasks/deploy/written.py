"""Opens a file that was just written, for comparison: in its runtime, or where there is none, operator by operator."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.checkpoint.manifest import runtime_of
from tasks.common.formats import FORMATS
from tasks.deploy.mil_runner import MilRunner
from tasks.deploy.runners.opening import open_runner
from tasks.deploy.runners.runner import Runner


def open_written(path: Path, manifest: Mapping[str, Any], threads: int | None = None) -> Runner:
    """The file's runner; for a Core ML package on another system than macOS one that computes what its program says.

    Raises:
        UserError: see open_runner() and MilRunner.
    """
    if FORMATS[runtime_of(path)].runs_here:
        return open_runner(path, manifest, threads)
    runner = MilRunner(path, manifest)
    runner.manifest = manifest
    return runner
