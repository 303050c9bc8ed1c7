"""Readers of the other formats, each on a file of two operators: kinds, facts, and what is asked here."""

import json
from pathlib import Path

import numpy as np
import pytest

from tasks.checkpoint.embedded import KEY
from tasks.deploy.network import Traced
from tasks.deploy.writers.executorch import write_executorch
from tasks.lint.cost import hint_of, measured
from tasks.lint.files.opening import operators_of
from tasks.lint.rules import NATIVE, read_list


def test_litert(tmp_path: Path):
    schema = pytest.importorskip("ai_edge_litert.schema_py_generated")
    from ai_edge_litert.tools import flatbuffer_utils

    def tensor(name: str, kind: int, buffer: int) -> object:
        made = schema.TensorT()
        made.name, made.type, made.shape, made.buffer = name, kind, np.array([1, 4, 4, 2], np.int32), buffer
        return made

    def operator(code: int, output: int, options: object = None) -> object:
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = (
            code,
            np.array([output - 1], np.int32),
            np.array([output], np.int32),
        )
        if options is not None:
            made.builtinOptionsType, made.builtinOptions = options
        return made

    model, graph = schema.ModelT(), schema.SubGraphT()
    model.version, model.subgraphs, model.buffers = 3, [graph], [schema.BufferT()]
    model.operatorCodes = []
    for number in (schema.BuiltinOperator.CAST, schema.BuiltinOperator.HARD_SWISH):
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = number
        code.version = 1
        model.operatorCodes.append(code)
    kinds = (schema.TensorType.UINT8, schema.TensorType.FLOAT32, schema.TensorType.FLOAT32)
    graph.tensors = [tensor(f"t{number}", kind, 0) for number, kind in enumerate(kinds)]
    graph.inputs, graph.outputs = np.array([0], np.int32), np.array([2], np.int32)
    graph.operators = [operator(0, 1, (schema.BuiltinOptions.CastOptions, schema.CastOptionsT())), operator(1, 2)]
    path = tmp_path / "small.tflite"
    path.write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    cast, swish = operators_of(path)
    assert (cast.kind, swish.kind) == ("CAST", "HARD_SWISH")
    assert cast.facts["type"] == "uint8" and cast.facts["to"] == swish.facts["type"] == "float32"
    assert swish.facts["rank"] == 4 and swish.facts["runtime_inputs"] == 1
    assert (cast.here, swish.here) == (False, True)  # XNNPACK, as the list says
    gpu = read_list("litert-gpu")
    assert gpu.verdict(cast).what != NATIVE and gpu.verdict(swish).what == NATIVE


def test_openvino(tmp_path: Path):
    openvino = pytest.importorskip("openvino")
    from openvino import opset13 as opset

    image = opset.parameter([1, 2, 4, 4], np.uint8, name="image")
    swish = opset.hswish(opset.convert(image, "f32"))
    path = tmp_path / "small.xml"
    openvino.save_model(openvino.Model([swish], [image], "small"), path)
    found = operators_of(path)
    assert [operator.kind for operator in found] == ["Convert", "HSwish"]
    assert found[0].facts["type"] == "uint8" and found[1].facts["type"] == "float32"
    assert all(operator.here for operator in found)
    cost = measured(path, "openvino")
    assert cost is not None and set(cost.of) <= {operator.name for operator in found}


@pytest.mark.parametrize(
    ("inside", "computed"),
    [(None, "f32"), ({"precision": "fp16"}, "f16"), ({"precision": "int8"}, "f32"), ({"precision": [1]}, "f32")],
)
def test_openvino_is_timed_as_it_predicts(inside, computed, tmp_path: Path):
    value = "" if inside is None else f"<{KEY} value='{json.dumps(inside)}'/>"
    path = tmp_path / "model.xml"
    path.write_text(f"<net><rt_info>{value}</rt_info></net>", encoding="utf-8")
    assert hint_of(path) == computed


def test_executorch_tells_the_time_of_each_operator(tmp_path: Path):
    """One that XNNPACK takes, and one that it leaves: each has its own time."""
    pytest.importorskip("executorch")
    import torch
    from torch import nn

    class Small(nn.Module):
        def forward(self, image):
            return image.float().mul(2).cumsum(1)

    program = torch.export.export(Small(), (torch.zeros(1, 3, 32, 32, dtype=torch.uint8),))
    path = tmp_path / "small.pte"
    write_executorch(Traced(program, {}, (1, 3, 32, 32), 0), path, {}, "fp32")
    found = operators_of(path)
    assert "XnnpackBackend" in {operator.kind for operator in found} and "aten::cumsum.out" in {o.kind for o in found}
    cost = measured(path, "executorch")
    assert cost is not None and list(cost.of) == [operator.name for operator in found]
    assert all(0 < seconds < 1 for seconds in cost.of.values()) and len(set(cost.of.values())) > 1


def test_weights_of_an_int8_onnx_file_are_constants_to_nnapi(tmp_path: Path):
    """NNAPI's provider takes a Conv and its DequantizeLinear as one operator; a weight that is computed it leaves."""
    onnx = pytest.importorskip("onnx")
    helper, array = onnx.helper, onnx.numpy_helper.from_array
    nodes = [
        helper.make_node("DequantizeLinear", ["stored", "scale"], ["weight"], name="weight"),
        helper.make_node("Conv", ["image", "weight"], ["between"], name="constant"),
        helper.make_node("Sigmoid", ["weight"], ["moved"], name="moved"),
        helper.make_node("Conv", ["between", "moved"], ["result"], name="computed"),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", onnx.TensorProto.FLOAT, (1, 2, 4, 4))],
        [helper.make_tensor_value_info("result", onnx.TensorProto.FLOAT, None)],
        [array(np.ones((2, 2, 1, 1), np.int8), "stored"), array(np.float32(0.5), "scale")],
    )
    path = tmp_path / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), str(path))
    verdicts = {operator.name: read_list("nnapi").verdict(operator).what for operator in operators_of(path)}
    assert verdicts["constant"] == NATIVE != verdicts["computed"]
