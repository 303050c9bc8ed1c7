"""Small ONNX graphs for the tests of tasks.lint."""

from collections.abc import Callable
from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")


@pytest.fixture
def graph_file(tmp_path) -> Callable[..., Path]:
    """Writes a file of operators (kind, attributes) that follow each other on one float32 input."""

    def write(*operators: tuple[str, dict], shape: tuple[int, ...] = (1, 8, 6, 6), opset: int = 20) -> Path:
        helper, kind = onnx.helper, onnx.TensorProto.FLOAT
        nodes, constants, before = [], [], "image"
        for number, (name, given) in enumerate(operators):
            attributes = dict(given)
            inputs = [before]
            if name == "Conv":
                weight = onnx.numpy_helper.from_array(attributes.pop("weight"), f"weight{number}")
                constants.append(weight)
                inputs.append(weight.name)
            nodes.append(helper.make_node(name, inputs, [f"out{number}"], name=f"{name}_{number}", **attributes))
            before = f"out{number}"
        graph = helper.make_graph(
            nodes,
            "small",
            [helper.make_tensor_value_info("image", kind, shape)],
            [helper.make_tensor_value_info(before, kind, None)],
            constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
        path = tmp_path / "small.onnx"
        onnx.save(model, str(path))
        return path

    return write
