import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tasks.checkpoint.embedded import read_inside
from tasks.common.errors import UserError
from tasks.deploy.quantise.plan import mixed_plan, open_quantiser, sensitivity
from tasks.deploy.runtimes import openvino_core

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

ROOT = Path(__file__).parents[3]
SUFFIXES = [".onnx", ".xml"]
KINDS = {
    "stem": "first",
    "depthwise": "depthwise",
    "reduce": "excite",
    "widen": "excite",
    "gate": "excite",
    "project": "other",
    "sum": "other",
    "classify": "last",
    "locate": "boxes",
}

LAYERS = {
    ".onnx": ("QLinearConv", "QLinearMul", "QLinearAdd"),
    ".xml": ("Convolution", "GroupConvolution", "Eltwise"),
}
SORTS = {
    ".onnx": {"conv": "QLinearConv", "depthwise": "QLinearConv", "mul": "QLinearMul"},
    ".xml": {"conv": "Convolution", "depthwise": "GroupConvolution", "mul": "Eltwise"},
}

CPU = Path("/proc/cpuinfo")
# without such instructions x86's int8 kernels add pairs of products in 16 bits, where the largest are cut off
EXACT = not CPU.is_file() or "vnni" in CPU.read_text() or "asimd" in CPU.read_text()
CLOSE = 0.05 if EXACT else 0.15


def network(wide: float = 1.0, gain: float = 1.0):
    """A small network as the exporter writes it: normalisation, a block with squeeze-and-excite, two predictors.

    Args:
        wide: what one channel that the projection reads is larger by than the others.
        gain: of the stem.
    """
    random = np.random.default_rng(0)
    nodes, constants = [], {"mean": np.float32([127.0]), "deviation": np.float32([64.0]), "axes": np.int64([2, 3])}

    def add(operator, name, *inputs, **attributes):
        nodes.append(onnx.helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def convolution(name, source, channels, out, kernel=1, group=1):
        weight = random.normal(0, (channels * kernel**2 / group) ** -0.5, (out, channels // group, kernel, kernel))
        constants[f"{name}.weight"] = weight.astype(np.float32)
        return add("Conv", name, source, f"{name}.weight", group=group, pads=[kernel // 2] * 4)

    x = add("Div", "divided", add("Sub", "centred", add("Cast", "float", "image", to=1), "mean"), "deviation")
    stem = add("Relu", "rectified", convolution("stem", x, 3, 16, 3))
    x = deep = add("Relu", "act", convolution("depthwise", stem, 16, 16, 3, group=16))
    x = add("Relu", "squeezed", convolution("reduce", add("ReduceMean", "pooled", x, "axes"), 16, 4))
    x = add("Mul", "gate", add("HardSigmoid", "opened", convolution("widen", x, 4, 16)), deep)
    x = add("Add", "sum", stem, convolution("project", x, 16, 16))
    convolution("classify", x, 16, 5)
    add("Mul", "offsets", convolution("locate", x, 16, 4), "deviation")
    constants["stem.weight"] *= gain
    constants["depthwise.weight"][0] *= wide
    constants["project.weight"][:, 0] /= wide

    def value(name, kind, channels):
        return onnx.helper.make_tensor_value_info(name, kind, [2, channels, 12, 16])

    graph = onnx.helper.make_graph(
        nodes,
        "network",
        [value("image", onnx.TensorProto.UINT8, 3)],
        [value("classify", onnx.TensorProto.FLOAT, 5), value("offsets", onnx.TensorProto.FLOAT, 4)],
        [onnx.numpy_helper.from_array(values, name) for name, values in constants.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)


def written(folder, suffix, **changes):
    """The network's file in this format."""
    path = folder / "model.onnx"
    onnx.save(network(**changes), path)
    if suffix == ".onnx":
        return path
    openvino = quiet_openvino()
    openvino.save_model(openvino.Core().read_model(path), path.with_suffix(suffix), compress_to_fp16=False)
    return path.with_suffix(suffix)


def quiet_openvino():
    pytest.importorskip("nncf")
    return pytest.importorskip("openvino")


def batches(count=16):
    """Images (2, 3, 12, 16)."""
    random = np.random.default_rng(1)
    return [random.integers(0, 256, (2, 3, 12, 16), dtype=np.uint8) for _ in range(count // 2)]


def outputs(path, images):
    """What the file gives for images."""
    if path.suffix == ".onnx":
        return onnxruntime.InferenceSession(path).run(None, {"image": images})
    quiet_openvino()
    model = openvino_core().compile_model(path, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return list(model(images).values())


def error(path, other):
    """The largest relative error of the outputs."""
    pairs = zip(outputs(path, batches()[0]), outputs(other, batches()[0]), strict=True)
    return max(np.abs(a - b).mean() / np.abs(a).mean() for a, b in pairs)


@pytest.fixture(params=SUFFIXES)
def suffix(request):
    return request.param


def test_an_int8_file_gives_nearly_the_same_and_says_how_much_of_it_is_int8(tmp_path, suffix):
    source = written(tmp_path, suffix)
    quantiser = open_quantiser(source, batches())
    done = quantiser.write(tmp_path / f"int8{suffix}")
    assert {layer.name: layer.kind for layer in quantiser.layers} == KINDS
    assert 0 < error(source, tmp_path / f"int8{suffix}") < CLOSE
    int8, conversions, floats = done.counts()
    assert str(done).startswith(
        f"{int8} of {int8 + conversions + floats} operators of the optimised graph run in int8; "
    )
    if suffix == ".onnx":  # nothing but the last product, with the deviation of the boxes, is left in float
        kernels = {"QLinearConv": 7, "QLinearMul": 1, "QLinearAdd": 1, "QLinearGlobalAveragePool": 1, "Pad": 1}
        assert {name: number for name, number in done.int8.items() if name != "Transpose"} == kernels
        assert done.floats == {"Mul": 1} and done.conversions == {"DequantizeLinear": 2}
    else:
        assert done.int8["Convolution"] >= 4


def test_layers_that_are_kept_are_not_int8(tmp_path, suffix):
    source = written(tmp_path, suffix)
    quantiser = open_quantiser(source, batches())
    all_int8 = quantiser.write(tmp_path / f"int8{suffix}").int8
    sorts = SORTS[suffix]
    for name, sort in (("depthwise", "depthwise"), ("project", "conv"), ("classify", "conv"), ("gate", "mul")):
        mixed = quantiser.write(tmp_path / f"mixed{suffix}", [name]).int8
        assert mixed.get(sorts[sort], 0) == max(0, all_int8.get(sorts[sort], 0) - 1), name
    done = quantiser.write(tmp_path / f"float{suffix}", [layer.name for layer in quantiser.layers])
    assert not set(done.int8) & set(sorts.values())
    assert error(source, tmp_path / f"float{suffix}") < 1e-4


def test_layers_whose_channels_differ_a_lot_are_found(tmp_path, suffix):
    quantiser = open_quantiser(written(tmp_path, suffix, wide=1000.0), batches())
    ranked = sensitivity(quantiser)
    wide = [loss for layer, loss in ranked if layer.name in ("gate", "project")]  # that give or take the wide channel
    assert [loss for _, loss in ranked] == sorted((loss for _, loss in ranked), reverse=True)
    assert ranked[0][0].name == "project" and min(wide) > 0.2
    assert not EXACT or all(
        loss < CLOSE for layer, loss in ranked if layer.name not in ("gate", "project", "depthwise")
    )


def test_a_plan_keeps_as_many_layers_as_it_takes(tmp_path, suffix):
    source, target = written(tmp_path, suffix), tmp_path / f"mixed{suffix}"
    quantiser = open_quantiser(source, batches())
    quantiser.write(target)
    budget = 0.8 * error(source, target)
    plan = mixed_plan(quantiser, target, lambda path: -error(source, path), exact=0.0, budget=budget)
    assert plan.fits and -error(source, target) == pytest.approx(plan.score) and plan.score >= -budget
    assert plan.kept == [layer.name for layer, _, kept in plan.table if kept]
    assert 0 < len(plan.kept) < len(quantiser.layers) - 1
    in_int8 = sum(number for name, number in plan.quantised.int8.items() if name in LAYERS[suffix])
    assert in_int8 <= len(quantiser.layers) - len(plan.kept)


def test_a_plan_that_nothing_satisfies_says_so(tmp_path):
    quantiser = open_quantiser(written(tmp_path, ".onnx"), batches())
    seen = []
    plan = mixed_plan(quantiser, tmp_path / "mixed.onnx", lambda path: seen.append(path) or 0.0, exact=1.0, budget=0.5)
    assert not plan.fits and plan.score == 0.0
    kept = {layer.name for layer, _, kept in plan.table if kept}
    assert {"stem", "classify", "locate", "reduce", "widen", "gate"} <= kept
    assert len(seen) <= 4  # 1, 2, 4, all
    assert not any(path.exists() for path in seen)


def test_a_layer_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match=r"model\.onnx has no layer stern"):
        open_quantiser(written(tmp_path, ".onnx"), batches()).write(tmp_path / "int8.onnx", ["stern"])


@pytest.mark.parametrize("count", [0, 6])
def test_too_few_images(tmp_path, suffix, count):
    with pytest.raises(UserError, match=f"needs 8 images or more to calibrate with; there are {count}"):
        open_quantiser(written(tmp_path, suffix), batches(count))


@pytest.mark.filterwarnings("ignore:overflow")
def test_numbers_that_are_not_finite(tmp_path, suffix):
    with pytest.raises(UserError, match="not finite"):
        open_quantiser(written(tmp_path, suffix, gain=1e38), batches())


def test_a_file_that_is_cut_off(tmp_path, suffix):
    path = written(tmp_path, suffix)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(UserError, match="cannot be opened"):
        open_quantiser(path, batches())


@pytest.mark.parametrize(("suffix", "package", "extra"), [(".onnx", "onnx", "onnx"), (".xml", "nncf", "openvino")])
def test_a_missing_package(tmp_path, monkeypatch, suffix, package, extra):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=rf'pip install "mobilevision\[{extra}\]"'):
        open_quantiser(tmp_path / f"model{suffix}", batches())


def test_openvino_and_nncf_report_to_nobody():
    quiet_openvino()
    code = (
        "import sys, tasks\n"
        "import openvino, nncf\n"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.endswith("[]\n")


def test_the_description_stays_inside(tmp_path, suffix):
    source = written(tmp_path, suffix)
    said = {"format": 1, "precision": "int8"}
    if suffix == ".onnx":
        model = onnx.load(source)
        entry = model.metadata_props.add()
        entry.key, entry.value = "mobilevision", json.dumps(said)
        onnx.save(model, source)
    else:
        openvino = quiet_openvino()
        model = openvino.Core().read_model(source)
        model.set_rt_info(json.dumps(said), ["mobilevision"])
        source = source.with_stem("described")
        openvino.save_model(model, source, compress_to_fp16=False)
    open_quantiser(source, batches()).write(tmp_path / f"int8{suffix}")
    assert read_inside(tmp_path / f"int8{suffix}") == said


def test_nothing_is_printed(tmp_path, suffix, capfd, caplog):
    with caplog.at_level(logging.WARNING):
        open_quantiser(written(tmp_path, suffix), batches()).write(tmp_path / f"int8{suffix}")
    assert capfd.readouterr() == ("", "")
    assert not caplog.records
