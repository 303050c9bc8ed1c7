"""What every opened file can do, whatever its runtime."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.deploy.runtimes import reason
from tasks.deploy.shapes import check_outputs

Arrays = dict[str, NDArray[Any]]
Images = NDArray[np.uint8]
Shape = tuple[int | None, ...]


class Runner(ABC):
    """A file ready to run.

    Attributes:
        names: of its outputs.
        shape: of its input (batch, 3, height, width), whatever its layout; None for dynamic sides.
        layout: of its input, NCHW or NHWC.
        manifest: its description, which outputs are checked against; None if there is none.
    """

    names: list[str]
    shape: Shape
    layout: str = "NCHW"
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
