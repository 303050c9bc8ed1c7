"""Units and networks in ONNX Runtime on the CPU."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tasks.common.stopwatch import Term, Terms
from tasks.deploy.network import trace
from tasks.deploy.runtimes import needed
from tasks.deploy.writers import write_onnx
from tasks.engine.learner import Learner
from tasks.latency.units import Unit

COPIES = 3  # of a unit in its graph: ONNX Runtime's own work for a call weighs less


class OnnxRuntime:
    """Runs what tasks/deploy exports: normalisations folded, one image at a time.

    A layer alone would take and give maps in another order than its neighbours in a network do, and the call itself
    would take longer than many a layer. So a unit's time is the difference between two graphs, with it and without.

    Args:
        threads: that work on an image.

    Attributes:
        name: what a table says of it.

    Raises:
        UserError: where the extra is missing.
    """

    def __init__(self, threads: int) -> None:
        with needed("onnx", "latency.runtime=onnx"):
            import onnx  # noqa: F401 - graphs are built with it
            import onnxruntime
            import onnxscript  # noqa: F401 - what PyTorch's exporter is made of
        self.threads = threads
        self.options = onnxruntime.SessionOptions()
        self.options.log_severity_level = 3
        self.options.intra_op_num_threads = threads
        self.options.inter_op_num_threads = 1
        self.session = partial(
            onnxruntime.InferenceSession, sess_options=self.options, providers=["CPUExecutionProvider"]
        )
        self.name = f"onnxruntime {version('onnxruntime')}"

    @contextmanager
    def ready(self) -> Iterator[None]:
        """Around measuring."""
        yield

    def unit(self, unit: Unit) -> Terms:
        """Copies of a unit less what is around them."""
        from tasks.latency.onnx_graphs import model_of  # needs onnx

        both = (model_of(unit, COPIES, empty=empty).SerializeToString() for empty in (False, True))
        full, rest = (self.call(model) for model in both)
        return [Term(1 / COPIES, full), Term(-1 / COPIES, rest)]

    def whole(self, network: Learner, size: tuple[int, int]) -> Callable[[], object]:
        """A pass over an image of this (height, width)."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            write_onnx(trace(network, batch=1, size=size), path, {}, "fp32")
            return self.call(str(path))

    def call(self, model: bytes | str) -> Callable[[], object]:
        """A run of a model on inputs of some value."""
        session = self.session(model)
        generator = np.random.default_rng(0)
        inputs: dict[str, Any] = {
            each.name: generator.integers(0, 256, each.shape, np.uint8)
            if each.type == "tensor(uint8)"
            else generator.standard_normal(each.shape, np.float32)
            for each in session.get_inputs()
        }
        return partial(session.run, None, inputs)
