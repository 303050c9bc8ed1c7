"""Costs that are sums over units."""

import functools

import pytest
from hydra import compose, initialize_config_module

from heads.sizes import measure
from tasks.app.resolve import resolve
from tasks.common.errors import UserError
from tasks.common.stopwatch import Term
from tasks.common.task_info import nameless
from tasks.engine.build import build
from tasks.latency.meters import Latency, make_meter
from tasks.latency.table import Conditions, LatencyTable
from tasks.latency.torch_runtime import TorchRuntime
from tasks.latency.units import units_of

SIZE = (64, 96)
HERE = Conditions("here", "torch", 1, "fp32")


def settings_of(task, *overrides):
    with initialize_config_module("conf", version_base="1.3"):
        config = compose(task, [f"task={task}", "mode=search", "recipe=none", "search=latency", *overrides])
    return resolve(task, config)


@functools.cache
def learner_of(task, *overrides):
    return build(settings_of(task, *overrides).run.learner, nameless(5))


@pytest.mark.parametrize(
    ("task", "backbone"),
    [
        ("classify", "mobilenet_v3_small"),
        ("segment", "mobilenet_v3_large"),
        ("segment", "resnet50"),
        ("detect", "mobilenet_v4_conv_small"),
    ],
)
def test_counts_are_those_of_the_papers_convention(task, backbone):
    learner = learner_of(task, f"backbone={backbone}")
    ((_, only),) = learner.each_task()
    counted = {
        name: make_meter(settings_of(task).search.latency, name, SIZE).of(learner) for name in ("params", "madds")
    }
    size = measure(learner.backbone, only.head, *SIZE)
    assert counted == {"params": size.params, "madds": size.madds}


def test_the_mirror_image_is_not_counted():
    meter = make_meter(settings_of("classify").search.latency, "madds", SIZE)
    assert meter.of(learner_of("classify", "task.mirror=true")) == meter.of(learner_of("classify"))


class CountingRuntime(TorchRuntime):
    """Units take no time, and are remembered."""

    def __init__(self):
        super().__init__(threads=1)
        self.asked = []

    def unit(self, unit):
        self.asked.append(unit.key)
        return [Term(1, lambda: None)]


def test_each_unit_is_measured_once_and_then_looked_up(tmp_path):
    runtime, learner = CountingRuntime(), learner_of("classify", "backbone=mobilenet_v3_small")
    keys = [unit.key for unit in units_of(learner, SIZE)]
    meter = Latency(runtime, LatencyTable(tmp_path / "t.json", HERE, foreign=False), 0.0, SIZE)
    meter.of(learner)
    assert sorted(runtime.asked) == sorted(set(keys)) and len(set(keys)) < len(keys)
    again = Latency(runtime, LatencyTable(tmp_path / "t.json", HERE, foreign=False), 0.0, SIZE)
    again.table.ms = dict.fromkeys(again.table.ms, 2.0)
    again.table.factors = {"64×96": 1.5, "32×32": 7.0}
    assert again.of(learner) == 1.5 * 2.0 * len(keys)
    assert len(runtime.asked) == len(set(keys))


def test_nothing_is_added_to_another_machines_table(tmp_path):
    LatencyTable(tmp_path / "t.json", HERE._replace(machine="there"), foreign=False).add({"a": 1.0})
    meter = Latency(CountingRuntime(), LatencyTable(tmp_path / "t.json", HERE, foreign=True), 0.0, SIZE)
    with pytest.raises(UserError, match=r"t\.json lacks normalise @ 3×64×96; only there, torch, one thread"):
        meter.of(learner_of("classify", "backbone=mobilenet_v3_small"))


def test_the_table_is_named_after_what_it_was_measured_by(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    meter = make_meter(settings_of("classify", "latency.threads=2").search.latency, "latency", SIZE)
    assert str(meter.table.path) == "outputs/latency/torch_2_fp32.json"
    assert meter.table.conditions.runtime.startswith("torch ") and meter.table.conditions.threads == 2
