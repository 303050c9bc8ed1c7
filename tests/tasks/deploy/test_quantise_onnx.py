"""The rewrites that give MobileNetV3 int8 kernels in ONNX Runtime: equal in float, int8 throughout afterwards."""

import numpy as np
import pytest

from tasks.deploy.quantise.onnx_graph import name_nodes
from tasks.deploy.quantise.plan import open_quantiser

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

from tasks.deploy.quantise.onnx_activations import use_int8_kernels  # noqa: E402
from tasks.deploy.quantise.onnx_channels import align_channels  # noqa: E402
from tasks.deploy.quantise.onnx_editor import Editor  # noqa: E402
from tasks.deploy.quantise.onnx_stem import read_bytes  # noqa: E402

MEAN, DEVIATION = np.float32([[[123.7]], [[116.3]], [[103.5]]]), np.float32([[[58.4]], [[57.1]], [[57.4]]])


def network(channels: int = 24, keepdims: int = 1):
    """A stem with hard-swish, a depthwise block with squeeze-and-excite, a mean, classes; as the exporter writes it."""
    random = np.random.default_rng(0)
    nodes, constants = [], {"mean": MEAN, "deviation": DEVIATION, "axes": np.int64([2, 3])}

    def add(operator, name, *inputs, **attributes):
        nodes.append(onnx.helper.make_node(operator, inputs, [name], **attributes))
        return name

    def convolution(name, source, into, out, kernel=1, group=1, **attributes):
        weight = random.normal(0, 1.5 * (into * kernel**2 / group) ** -0.5, (out, into // group, kernel, kernel))
        constants[f"{name}.weight"] = weight.astype(np.float32)
        constants[f"{name}.bias"] = random.normal(0, 0.3, out).astype(np.float32)
        both = (source, f"{name}.weight", f"{name}.bias")
        return add("Conv", name, *both, group=group, pads=[kernel // 2] * 4, **attributes)

    x = add("Div", "divided", add("Sub", "centred", add("Cast", "float", "image", to=1), "mean"), "deviation")
    x = add("HardSwish", "stem_act", convolution("stem", x, 3, 16, 3, strides=[2, 2]))
    x = add("HardSwish", "wide_act", convolution("widen", x, 16, channels))
    x = deep = add("Relu", "deep", convolution("depthwise", x, channels, channels, 3, group=channels))
    x = add("Relu", "squeezed", convolution("reduce", add("ReduceMean", "pooled", x, "axes"), channels, 8))
    x = add("HardSigmoid", "opened", convolution("expand", x, 8, channels), alpha=1 / 6, beta=0.5)
    x = convolution("project", add("Mul", "gate", x, deep), channels, 16)
    x = add("ReduceMean", "mean_of_all", x, "axes", keepdims=keepdims)
    constants["classes"] = random.normal(0, 1, (16, 5)).astype(np.float32)
    convolution("logits", x, 16, 5) if keepdims else add("Gemm", "logits", x, "classes")
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        nodes,
        "network",
        [value("image", onnx.TensorProto.UINT8, [1, 3, 24, 32])],
        [value("logits", onnx.TensorProto.FLOAT, None)],
        [onnx.numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)
    name_nodes(model.graph.node)
    return model


def images(count=1, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 3, 24, 32), dtype=np.uint8)


def outputs(model, *names):
    """What a model, or its file, gives for an image; tensors inside it by name."""
    model = onnx.load(model) if not isinstance(model, onnx.ModelProto) else model
    for name in names:
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None))
    return onnxruntime.InferenceSession(model.SerializeToString()).run(list(names) or None, {"image": images()})


def test_the_stem_on_bytes_is_the_stem_on_the_normalised_image_up_to_its_borders():
    exact, model = outputs(network(), "stem")[0], network()
    zero = read_bytes(Editor(model.graph))
    assert zero == round(float(MEAN.mean())) and "Div" not in {node.op_type for node in model.graph.node}
    assert np.abs(outputs(model, "stem")[0] - exact).max() < 1e-4 * np.abs(exact).max()


def test_a_graph_that_begins_otherwise_keeps_its_stem():
    model = network()
    model.graph.node[1].op_type = "Add"
    before = model.SerializeToString()
    assert read_bytes(Editor(model.graph)) is None and model.SerializeToString() == before


@pytest.mark.parametrize(("channels", "wide", "changed"), [(24, 32, 1), (32, 32, 0)])
def test_channels_are_filled_up_to_sixteens_and_change_nothing(channels, wide, changed):
    model = network(channels)
    for node in model.graph.node:  # as use_int8_kernels() leaves it
        if node.op_type == "ReduceMean":
            node.op_type = "GlobalAveragePool"
            del node.input[1:], node.attribute[:]
    exact = outputs(onnx.ModelProto.FromString(model.SerializeToString()))[0]
    editor = Editor(model.graph)
    assert align_channels(editor) == changed
    layer = next(node for node in model.graph.node if node.output[0] == "depthwise")
    assert len(editor.constants[layer.input[1]]) == wide
    assert np.abs(outputs(model)[0] - exact).max() < 1e-5 * np.abs(exact).max()


def test_channels_that_something_else_reads_stay():
    model = network()
    model.graph.output.append(onnx.helper.make_tensor_value_info("deep", onnx.TensorProto.FLOAT, None))
    assert align_channels(Editor(model.graph)) == 0


def test_a_hard_swish_has_no_use_for_what_is_below_minus_three():
    model = network()
    ranges = dict.fromkeys(("stem", "widen", "opened", "pooled", "mean_of_all"), (-5.0, 4.0))
    use_int8_kernels(Editor(model.graph), {node.name for node in model.graph.node}, ranges)
    assert ranges["stem"] == ranges["widen"] == (pytest.approx(-3.0), 4.0)
    assert ranges["opened"] == ranges["stem_act/gate"] == (0.0, 1.0)
    assert not {node.op_type for node in model.graph.node} & {"HardSwish", "ReduceMean"}


@pytest.mark.parametrize("keepdims", [1, 0])
def test_everything_between_image_and_logits_runs_in_int8(tmp_path, keepdims):
    source, target = tmp_path / "model.onnx", tmp_path / "int8.onnx"
    onnx.save(network(keepdims=keepdims), source)
    quantiser = open_quantiser(source, [images(16, seed=1)])
    done = quantiser.write(target)
    assert not done.floats and done.counts()[1] <= 1
    assert done.int8["QLinearAdd"] == 2 and done.int8["QLinearMul"] == 3  # a sum for each hard-swish's gate
    exact, rounded = outputs(source)[0], outputs(target)[0]
    assert 0 < np.abs(rounded - exact).mean() < 0.05 * np.abs(exact).std() + 0.05 * np.abs(exact).mean()
    graph = onnx.load(target).graph
    assert {entry.name for entry in graph.initializer} <= {name for node in graph.node for name in node.input}


def test_a_product_that_is_kept_is_float_though_its_gate_could_be_int8(tmp_path):
    source, target = tmp_path / "model.onnx", tmp_path / "int8.onnx"
    onnx.save(network(), source)
    quantiser = open_quantiser(source, [images(16, seed=1)])
    (gate,) = (layer.name for layer in quantiser.layers if layer.operator == "mul")
    done = quantiser.write(target, [gate])
    assert done.int8["QLinearMul"] == 2 and {"Mul", "HardSigmoid"} <= done.floats.keys()
