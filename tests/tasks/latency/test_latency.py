"""Units of networks, how they are measured and kept, and how well they predict networks."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from backbones.blocks import ConvNormAct, HardSwish, ReLU, ReLU6, SqueezeExcite, Swish
from tasks.common.errors import UserError
from tasks.common.stopwatch import Stopwatch, Term
from tasks.common.task_info import nameless
from tasks.latency import whole as wholes
from tasks.latency.table import LatencyTable
from tasks.latency.torch_runtime import TorchRuntime, example, with_values
from tasks.latency.units import Normalise, Shortcut, Unit, counted, units_of
from tasks.search import latency_check as reporting
from tasks.search.networks import Networks
from tests.tasks.latency.test_meters import HERE, learner_of, settings_of

SIZE = (64, 96)
TASKS = {
    "classify": ("backbone=mobilenet_v3_small",),
    "segment": ("backbone=mobilenet_v3_small",),
    "detect": ("backbone=mobilenet_v3_small", "head.extras=[32]"),
}


def test_units_are_the_layers_in_order():
    keys = [unit.key for unit in units_of(learner_of("classify", "backbone=mobilenet_v3_small"), SIZE)]
    assert keys[:6] == [  # table 2 of the paper: stem, first block (stride 2, no expansion), second block's expansion
        "normalise @ 3×64×96",
        "conv 3 stride 2 to 16 Hardswish @ 3×64×96",
        "conv 3 stride 2 groups 16 to 16 ReLU @ 16×32×48",
        "squeeze-excite 8 Hardsigmoid @ 16×16×24",
        "conv 1 stride 1 to 16 @ 16×16×24",
        "conv 1 stride 1 to 72 ReLU @ 16×16×24",
    ]
    assert keys[10] == "conv 1 stride 1 to 24 + shortcut @ 88×8×12, 24×8×12"
    assert keys[-2] == "conv 1 stride 1 to 576 Hardswish @ 96×2×3"
    assert keys[-1].startswith("ClassificationHead ") and keys[-1].endswith(" @ 576×2×3")


def test_heads_that_differ_have_different_keys():
    keys = {
        units_of(learner_of("segment", "backbone=mobilenet_v3_small", f"head.{change}"), SIZE)[-1].key
        for change in ("hidden=128", "hidden=64", "pool_kernel=null", "pool_kernel=25")
    }
    assert len(keys) == 4


@pytest.mark.parametrize("task", TASKS)
def test_units_give_the_shapes_that_follow(task):
    with torch.no_grad():
        for unit in units_of(learner_of(task, *TASKS[task]), SIZE):
            outputs = with_values(unit.module)(*(example(unit, shape) for shape in unit.shapes))
            outputs = (outputs,) if isinstance(outputs, torch.Tensor) else outputs
            assert tuple(tuple(each.shape) for each in outputs) == counted(unit).shapes, unit.key
            assert all(each.isfinite().all() for each in outputs), unit.key


LAYERS = {
    "stem": (ConvNormAct(3, 16, 3, stride=2, act=HardSwish), [(1, 3, 9, 12)]),
    "depthwise": (ConvNormAct(24, 24, 5, dilation=2, groups=24, act=ReLU6), [(1, 24, 9, 12)]),
    "swish": (ConvNormAct(24, 40, act=Swish), [(1, 24, 5, 4)]),
    "linear": (ConvNormAct(24, 40, act=None), [(1, 24, 5, 4)]),
    "shortcut": (Shortcut(ConvNormAct(24, 16, act=ReLU)), [(1, 24, 5, 4), (1, 16, 5, 4)]),
    "excite": (SqueezeExcite(24, 8), [(1, 24, 5, 4)]),
    "sigmoid": (SqueezeExcite(24, 8, nn.Sigmoid), [(1, 24, 5, 4)]),
    "normalise": (Normalise(), [(1, 3, 9, 12)]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_onnx_graphs_compute_what_the_layers_do(name):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from onnx import TensorProto

    from tasks.latency.onnx_graphs import Graph

    module, shapes = LAYERS[name]
    unit = Unit(f"test {name}", module.eval(), tuple(shapes))
    inputs = [example(unit, shape) for shape in shapes]
    graph = Graph()
    dtype = TensorProto.UINT8 if name == "normalise" else TensorProto.FLOAT
    names = [graph.input(f"x{number}", shape, dtype) for number, shape in enumerate(shapes)]
    graph.output(graph.layer(module, names)[0])
    session = onnxruntime.InferenceSession(graph.model().SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, dict(zip(names, (each.numpy() for each in inputs), strict=True)))
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(found), module(*inputs), rtol=1e-4, atol=1e-4)


def test_onnx_measures_layers_and_heads():
    pytest.importorskip("onnxscript")
    from tasks.latency.onnx_runtime import COPIES, OnnxRuntime

    runtime = OnnxRuntime(threads=1)
    units = units_of(learner_of("segment", "backbone=mobilenet_v3_small", "head.hidden=16"), SIZE)
    for unit in (units[0], units[1], units[3], units[-1]):
        full, rest = runtime.unit(unit)
        assert (full.share, rest.share) == (1 / COPIES, -1 / COPIES)
        assert all(np.isfinite(each).all() for each in full.call()), unit.key
        assert len(rest.call()) == COPIES * len(unit.shapes)


def test_a_measurement_is_the_median_of_visits_and_their_fastest():
    stopwatch = Stopwatch(1, swept=False)
    #        warm-up is not timed; each visit: one call of each
    takes = iter([5, 1, 9, 2, 7, 2])  # three visits of 1.0 × full - 0.5 × rest
    stopwatch.once = lambda call: next(takes)
    (ms,) = stopwatch.measure([[Term(1, lambda: None), Term(-0.5, lambda: None)]], seconds=0.0, visits=3)
    assert ms == 6.0  # of 4.5, 8 and 6

    takes = iter([5, 3, 4])
    clock = iter([0.0, 0.1, 0.2, 9.9])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tasks.common.stopwatch.time.perf_counter", lambda: next(clock))
        assert stopwatch.visit([Term(2, lambda: None)], seconds=1.0) == 6


def test_one_thread_has_its_own_clock():
    import time

    assert Stopwatch(1, swept=True).clock is time.thread_time
    assert Stopwatch(2, swept=True).clock is time.perf_counter


def test_tables_of_several_processes_are_joined(tmp_path):
    path = tmp_path / "deep" / "t.json"
    one, other = (LatencyTable(path, HERE, foreign=False) for _ in range(2))
    one.add({"a": 1.0})
    other.add({"a": 5.0, "b": 2.0}, {"32×32": 1.1})
    one.add({"c": 3.0})
    assert json.loads(path.read_text()) == {
        "machine": "here",
        "runtime": "torch",
        "threads": 1,
        "precision": "fp32",
        "factors": {"32×32": 1.1},
        "ms": {"a": 1.0, "b": 2.0, "c": 3.0},
    }
    assert other.ms["a"] == 1.0 and one.factors == {"32×32": 1.1}
    assert [file.name for file in path.parent.iterdir()] == ["t.json"]


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [("machine", "there", "of there, torch"), ("runtime", "onnx", "here, onnx"), ("threads", 2, "2 threads")],
)
def test_a_table_of_other_conditions_is_refused(tmp_path, key, value, said):
    path, there = tmp_path / "t.json", HERE._replace(**{key: value})
    LatencyTable(path, there, foreign=False).add({"a": 1.0})
    with pytest.raises(UserError, match=said) as caught:
        LatencyTable(path, HERE, foreign=False)
    assert str(path) in str(caught.value) and "latency.other_machine=true" in str(caught.value)
    table = LatencyTable(path, HERE, foreign=True)
    assert table.ms == {"a": 1.0} and table.foreign and table.conditions == there


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"machine": "here"', "null", "ms"])
def test_what_is_no_table_is_refused(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(UserError, match=r"t\.json is no table of latencies"):
        LatencyTable(tmp_path / "t.json", HERE, foreign=False)


@pytest.mark.parametrize("value", ['"fast"', "-50.0", "NaN", "Infinity", "true", "null", "1e400"])
@pytest.mark.parametrize("key", ["ms", "factors"])
def test_a_value_that_is_no_time_is_named(tmp_path, key, value):
    table = {**HERE._asdict(), "factors": {}, "ms": {}} | {key: {"conv": "HERE"}}
    (tmp_path / "t.json").write_text(json.dumps(table).replace('"HERE"', value))
    with pytest.raises(UserError, match=f"{key}, conv: .* is not a number from"):
        LatencyTable(tmp_path / "t.json", HERE, foreign=False)


def test_a_whole_network_is_left_as_it_was(monkeypatch):
    monkeypatch.setattr(wholes, "SECONDS", 0.0)
    learner = learner_of("classify", "backbone=mobilenet_v3_small", "task.mirror=true").train()
    assert wholes.torch_latency(learner, SIZE) > 0
    assert learner.training and learner.task("classify").mirror
    network = wholes.single_pass(learner)
    passes = []
    network.backbone.register_forward_hook(lambda *_: passes.append(1))
    TorchRuntime(threads=1).whole(network, SIZE)()
    assert len(passes) == 1


def test_rank_correlation():
    assert reporting.rank_correlation([1, 2, 3, 4], [10, 20, 30, 40]) == pytest.approx(1)
    assert reporting.rank_correlation([1, 2, 3, 4], [40, 30, 20, 10]) == pytest.approx(-1)
    assert reporting.rank_correlation([1, 2, 3, 4], [10, 30, 20, 40]) == pytest.approx(0.8)  # 1 - 6·2 / (4·15)


def test_the_report_compares_sums_with_networks(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(wholes, "SECONDS", 0.0)
    table = tmp_path / "t.json"
    settings = settings_of(
        "classify", "backbone=mobilenet_v3_small", "backbone.width=0.35", f"latency.table={table}",
        "latency.seconds=0.001",
    )  # fmt: skip
    reporting.report_latency(replace(settings.search, networks=2), Networks(settings.run, nameless(5), SIZE), tmp_path)
    said = capsys.readouterr().out
    assert "rank correlation" in said and "network 2" in said
    rows = list(csv.DictReader((tmp_path / "latency.csv").open()))
    factor = json.loads(table.read_text())["factors"]["64×96"]
    assert [row["name"] for row in rows] == ["seed", "network 1", "network 2"]
    for row in rows:
        assert float(row["predicted_ms"]) == pytest.approx(factor * float(row["sum_ms"]), abs=2e-3)
    ratios = sorted(float(row["whole_ms"]) / float(row["sum_ms"]) for row in rows)
    assert ratios[1] == pytest.approx(factor, rel=1e-2)
    assert Image.open(tmp_path / "latency.png").width > 600
