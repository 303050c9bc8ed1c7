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
from tasks.deploy.writers.onnx import write_onnx
from tasks.engine.learner import Learner
from tasks.latency.units import Unit

COPIES = 3  # of a unit in its graph, to reduce the share of ONNX Runtime's overhead per call


class OnnxRuntime:
    """Runs what tasks/deploy exports: normalisations folded, one image at a time.

    A single layer would use another memory layout for its maps than it does between its neighbours in a network, and
    the call itself would take longer than many layers. So a unit's time is the difference between a graph with it and
    one without.

    Args:
        threads: number that work on an image.

    Attributes:
        name: of the runtime in a table.

    Raises:
        UserError: if the extra is not installed.
    """

    def __init__(self, threads: int) -> None:
        with needed("onnx", "latency.runtime=onnx"):
            import onnx  # noqa: F401 - used to build graphs
            import onnxruntime
            import onnxscript  # noqa: F401 - required by PyTorch's exporter
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
        """Context for measuring."""
        yield

    def unit(self, unit: Unit) -> Terms:
        """Time of copies of a unit minus that of their surroundings."""
        from tasks.latency.onnx_graphs import model_of  # needs onnx

        both = (model_of(unit, COPIES, empty=empty).SerializeToString() for empty in (False, True))
        full, rest = (self.call(model) for model in both)
        return [Term(1 / COPIES, full), Term(-1 / COPIES, rest)]

    def whole(self, network: Learner, size: tuple[int, int]) -> Callable[[], object]:
        """Callable for one pass over an image of this (height, width)."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            write_onnx(trace(network, batch=1, size=size), path, {}, "fp32")
            return self.call(str(path))

    def call(self, model: bytes | str) -> Callable[[], object]:
        """Callable that runs a model on random inputs."""
        session = self.session(model)
        generator = np.random.default_rng(0)
        inputs: dict[str, Any] = {
            each.name: generator.integers(0, 256, each.shape, np.uint8)
            if each.type == "tensor(uint8)"
            else generator.standard_normal(each.shape, np.float32)
            for each in session.get_inputs()
        }
        return partial(session.run, None, inputs)
