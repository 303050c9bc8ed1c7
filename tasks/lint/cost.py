"""What each operator costs in the file's own runtime on this machine's CPU, on one thread."""

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tasks.checkpoint.embedded import read_inside
from tasks.deploy.runners.onnx import CPU
from tasks.deploy.runners.openvino import computed_in
from tasks.deploy.runtimes import needed, openvino_core, readable
from tasks.lint.files.executorch import seconds_of
from tasks.lint.operators import Operator

RUNS = 10
KEYS = ("execTimeMcs", "layerType", "originalLayersNames")  # of a node of OpenVINO's compiled graph
FUSED_OVER = 8  # operators from the last to the first one that a runtime may have fused
TYPES = {"tensor(uint8)": "uint8", "tensor(float)": "float32", "tensor(int8)": "int8", "tensor(float16)": "float16"}


class Cost(NamedTuple):
    """Seconds of one run.

    Attributes:
        of: by operator's name; what a runtime fuses is counted once, at the heaviest of the fused.
        own: by kind, of what the runtime added or what fits no operator: changes of layout.
    """

    of: dict[str, float]
    own: dict[str, float]

    def add(self, name: str, kind: str, seconds: float) -> None:
        """Count an operator's seconds; without its name, those of what the runtime added."""
        group, key = (self.of, name) if name else (self.own, kind)
        group[key] = group.get(key, 0.0) + seconds

    def added_to(self, operators: Iterable[Operator]) -> list[Operator]:
        """The operators with their cost."""
        return [operator._replace(cost=self.of.get(operator.name, 0.0)) for operator in operators]


def measured(path: Path, runtime: str) -> Cost | None:
    """The median of some runs; None for a runtime that does not tell, and for a file of any size.

    Raises:
        UserError: if the runtime cannot run the file.
    """
    tell = {"onnx": of_onnx, "openvino": of_openvino, "executorch": of_executorch}
    return tell[runtime](path) if runtime in tell else None


def of_onnx(path: Path) -> Cost | None:
    """By ONNX Runtime's profiler."""
    with needed("onnx", path):
        import onnx
        import onnxruntime
    with tempfile.TemporaryDirectory() as folder, readable(path):
        options = onnxruntime.SessionOptions()
        options.log_severity_level, options.intra_op_num_threads = 4, 1  # what fails is raised, too
        options.enable_profiling, options.profile_file_prefix = True, str(Path(folder) / "profile")
        session = onnxruntime.InferenceSession(str(path), options, providers=[CPU], enable_fallback=0)
        inputs = session.get_inputs()
        if any(not isinstance(side, int) for entry in inputs for side in entry.shape):
            session.end_profiling()
            return None
        feed = {entry.name: np.zeros(entry.shape, TYPES.get(entry.type, "float32")) for entry in inputs}
        for _ in range(RUNS):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        graph = onnx.load(str(path), load_external_data=False).graph
    return attributed(events, graph)


def attributed(events: Iterable[Mapping[str, Any]], graph: Any) -> Cost:
    """The profiler's events by operator of the file; each is named after an operator, or after what it computes."""
    producer = {name: node for node in graph.node for name in node.output}
    by_name = {node.name: node for node in graph.node}
    times: dict[tuple[str, str, str], list[float]] = {}  # by operator, kind, and the runtime's own name
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith("_kernel_time"):
            kind = event["args"]["op_name"].removeprefix("Fused").removeprefix("com.microsoft:")
            name = event["name"].removesuffix("_kernel_time")
            node = by_name.get(name) or producer.get(name.removesuffix("_nchwc"))
            times.setdefault((origin(node, kind, producer), kind, name), []).append(event["dur"] / 1e6)
    cost = Cost({}, {})
    for (name, kind, _), seconds in times.items():
        cost.add(name, kind, float(np.median(seconds)))
    return cost


def origin(node: Any, kind: str, producer: Mapping[str, Any]) -> str:
    """The name of the operator of a kind that was fused with those after it up to `node`; "" if there is none."""
    for _ in range(FUSED_OVER):
        if node is None:
            return ""
        if node.op_type == kind:
            return str(node.name)
        node = next((producer[name] for name in node.input if name in producer), None)
    return ""


def hint_of(path: Path) -> str:
    """What OpenVINO computes a file in: as in predictions for ours, in float32 for others."""
    inside = read_inside(path)
    return computed_in(str(inside.get("precision")) if isinstance(inside, dict) else "fp32")


def of_openvino(path: Path) -> Cost | None:
    """By OpenVINO's counters of the compiled graph."""
    with needed("openvino", path):
        core = openvino_core()
    with readable(path):
        options = {"PERF_COUNT": "YES", "INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": hint_of(path)}
        model = core.read_model(str(path))
        if any(port.get_partial_shape().is_dynamic for port in model.inputs):
            return None
        kinds = {node.get_friendly_name(): node.get_type_name() for node in model.get_ops()}
        compiled = core.compile_model(model, "CPU", options)
        request = compiled.create_infer_request()
        feed = [np.zeros(list(port.get_shape()), port.get_element_type().to_dtype()) for port in compiled.inputs]
        for _ in range(RUNS):
            request.infer(feed)
        cost = Cost({}, {})
        for node in compiled.get_runtime_model().get_ops():
            facts = node.get_rt_info()
            spent, kind, fused = (str(facts[key].astype(str)) if key in facts else "" for key in KEYS)
            if spent.isdigit() and int(spent):
                names = [name for name in fused.split(",") if name in kinds]
                name = next((name for name in names if "Convolution" in kinds[name]), names[0] if names else "")
                cost.add(name, kind, int(spent) / 1e6)
    return cost


def of_executorch(path: Path) -> Cost | None:
    """By ExecuTorch's event tracer: a delegated part of the graph is one operator."""
    seconds = seconds_of(path, RUNS)
    return None if seconds is None else Cost(seconds, {})
