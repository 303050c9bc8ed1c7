"""Core ML packages, on macOS by coremltools. No other system can run them."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.common.errors import UserError
from tasks.common.formats import check_runs_here
from tasks.deploy.runners.runner import Arrays, Images, Runner, Shape
from tasks.deploy.runtimes import needed, readable


class CoreMlRunner(Runner):
    """Core ML on the CPU, which chooses its own number of threads.

    Args:
        path: the package.
        names: of its outputs.
        shape: of its input; one image at a time.

    Raises:
        UserError: on another system than macOS, and for a package that is damaged or has other outputs.
    """

    def __init__(self, path: Path, names: list[str], shape: Shape) -> None:
        check_runs_here(path)
        with needed("coreml", path):
            from coremltools import ComputeUnit
            from coremltools.models import MLModel
        with readable(path):
            self.model = MLModel(str(path), compute_units=ComputeUnit.CPU_ONLY)
            there = [output.name for output in self.model.get_spec().description.output]
        if missing := [name for name in names if name not in there]:
            raise UserError(
                f"{path} has no output {missing[0]}, which its description names; it has {', '.join(there)}"
            )
        self.names, self.shape = names, shape

    def of_batch(self, images: Images) -> Arrays:
        found = self.model.predict({"image": Image.fromarray(np.ascontiguousarray(images[0].transpose(1, 2, 0)))})
        return {name: as_described(found[name]) for name in self.names}


def as_described(values: NDArray[Any]) -> NDArray[Any]:
    """An output in the type that other formats give: Core ML has no bytes, which label maps (N, H, W) are."""
    if values.dtype.kind == "f":
        return values.astype(np.float32)
    return values.astype(np.uint8 if values.ndim == 3 else np.int32)
