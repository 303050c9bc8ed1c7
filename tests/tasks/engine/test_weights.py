"""Weights to start from and weights to score with, of small checkpoints in files."""

import copy
import json
import re
from types import SimpleNamespace

import pytest
import torch

from tasks.checkpoint.checkpoint import make_metadata
from tasks.checkpoint.saving import save
from tasks.common.errors import UserError
from tasks.engine.build import build
from tasks.engine.weights import (
    check_known,
    classes_of,
    load_for_inference,
    same_classes,
    sources_of,
    start,
    without_label_ids,
)
from tests.test_config import run_of

SMALL = ("recipe=none", "backbone=mobilenet_v3_small", "backbone.width=0.35", "head.hidden=16")
THREE = [["road", 7, [0, 0, 0]], ["car", 26, [0, 0, 9]], ["tree", 21, [0, 9, 0]]]


def made(classes, seed=0, *overrides):
    """A learner for these classes with weights of its own, and the settings of its run."""
    run = run_of(*SMALL, *overrides)
    torch.manual_seed(seed)
    return build(run.learner, {"mask": classes}), run


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A checkpoint of a network for three classes, with its tensors."""
    learner, run = made(THREE)
    path = tmp_path_factory.mktemp("saved") / "best.ckpt"
    metadata = make_metadata("segment", run.stored, {name: task.metadata() for name, task in learner.each_task()})
    save({"state_dict": learner.state_dict(), "mobilevision": metadata}, path)
    return path, copy.deepcopy(learner.state_dict())


def same(learner, state):
    """Names of the tensors that are equal to those of a state."""
    return {name for name, tensor in learner.state_dict().items() if torch.equal(tensor, state[name])}


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ("backbone.width=0.5", "backbone.width=0.35 (here 0.5)"),
        ("backbone=mobilenet_v2", "backbone MobileNetV3 (here MobileNetV2)"),
        ("head.hidden=24", "head.hidden=16 (here 24)"),
    ],
)
def test_another_network_is_named_by_its_settings(saved, other, told):
    path, _ = saved
    learner, run = made(THREE, 1, f"checkpoint={path}", other)
    with pytest.raises(UserError, match=rf"is of another network: .*; it was trained with {re.escape(told)}$"):
        start(run, learner)


def test_a_training_starts_from_all_weights_of_the_same_classes(saved, capsys):
    path, state = saved
    learner, run = made(THREE, 1, f"checkpoint={path}")
    assert "backbone.blocks.0.0.weight" not in same(learner, state)
    assert start(run, learner) == []
    assert same(learner, state) == set(state)
    line = f"weights from {path}: {len(state)} tensors (backbone.blocks.0.0.weight … "
    assert capsys.readouterr().out == f"{line}tasks.segment.head.classify_high.bias)\n"


def test_other_classes_get_last_layers_of_their_own(saved, capsys):
    path, state = saved
    learner, run = made([*THREE[:2], ["sky", 23, [9, 9, 9]]], 1, f"checkpoint={path}")
    fresh = copy.deepcopy(learner.state_dict())
    last = [f"tasks.segment.head.classify_{map}.{kind}" for map in ("low", "high") for kind in ("weight", "bias")]
    assert start(run, learner) == last
    assert all(torch.equal(learner.state_dict()[name], fresh[name]) for name in last)
    assert same(learner, state) >= set(state) - set(last)
    named = "for other classes: tasks.segment.head.classify_low.weight (3, 32, 1, 1), "
    assert named in capsys.readouterr().out


def test_without_a_checkpoint_nothing_is_loaded():
    learner, run = made(THREE, 1)
    before = copy.deepcopy(learner.state_dict())
    assert start(run, learner) == [] and same(learner, before) == set(before)


def test_a_pretrained_backbone_has_nothing_for_the_head():
    learner, run = made(THREE)
    assert start(run, learner) == []
    stored = {**run.stored, "backbone": {**run.stored["backbone"], "pretrained": True}}
    new = start(SimpleNamespace(source=run.source, stored=stored), learner)
    assert new == [name for name in learner.state_dict() if name.startswith("tasks.segment.head.")] and new


def test_what_is_scored_has_all_weights_and_the_same_classes(saved):
    path, state = saved
    learner, run = made(THREE, 1, "mode=evaluate", f"checkpoint={path}")
    load_for_inference(run, learner)
    assert same(learner, state) == set(state)
    for classes, message in (
        (THREE[:2], "knows 3 classes, the data set has 2"),
        ([THREE[0], THREE[2], THREE[1]], r"class 1 is car in .* and tree in the"),
    ):
        learner, run = made(classes, 1, "mode=evaluate", f"checkpoint={path}")
        with pytest.raises(UserError, match=message):
            load_for_inference(run, learner)


def test_label_maps_may_have_other_numbers_for_the_same_classes():
    assert without_label_ids([["road", 7, [0, 0, 0]], ["car", 3]]) == [["road", [0, 0, 0]], ["car", 3]]
    assert without_label_ids(["cat", "dog"]) == ["cat", "dog"]
    same_classes(THREE, [[name, number + 1, [9, 9, number]] for name, number, _ in THREE], "a.ckpt")
    with pytest.raises(UserError, match=r"^class 0 is sky in a\.ckpt and 0 in the data set$"):
        same_classes([["sky", 0, [1, 2, 3]]], [["0", 0, [1, 2, 3]]], "a.ckpt")
    with pytest.raises(UserError, match=r"^class 0 is \['cup', 5\] in a\.ckpt and \['cup', 6\] in the data set$"):
        same_classes([["cup", 5]], [["cup", 6]], "a.ckpt")  # a box's number is COCO's category


def test_what_metadata_says_of_classes_and_data_sets():
    tasks = {
        "segment": {"target": "mask", "classes": ["road"], "datasets": ["town"]},
        "detect": {"target": "boxes", "classes": [["cup", 1]], "datasets": None},
    }
    assert classes_of({"tasks": tasks}) == {"mask": ["road"], "boxes": [["cup", 1]]}
    assert sources_of({"tasks": tasks}) == {"mask": ["town"]}


def test_a_data_set_without_statistics_of_its_own_is_named():
    check_known(["town"], ["town", "coco"], "a.ckpt")
    for names in (["city"], []):
        with pytest.raises(
            UserError, match=r"^a\.ckpt keeps the statistics of town, coco apart: .*datasets=\{town:…\}"
        ):
            check_known(names, ["town", "coco"], "a.ckpt")


def test_what_is_loaded_is_told_in_shapes(tmp_path, capsys):
    """The file is of a classifier of 5 classes with one tensor more; the network has 3."""
    run = run_of("recipe=none", "backbone=mobilenet_v3_small", "backbone.width=0.35", "head.hidden=0", task="classify")
    learner = build(run.learner, {"label": ["a", "b", "c"]})
    channels = learner.task("classify").head.classify.weight.shape[1]
    state = dict(learner.backbone.state_dict()) | {"fc.weight": torch.zeros(5, channels), "fc.bias": torch.zeros(5)}
    torch.save(state, tmp_path / "five.pth")
    run = run_of(*("recipe=none", "backbone=mobilenet_v3_small", "backbone.width=0.35", "head.hidden=0"),
                 f"weights={tmp_path / 'five.pth'}", task="classify")  # fmt: skip
    new = ["tasks.classify.head.classify.weight", "tasks.classify.head.classify.bias"]
    assert start(run, learner, tmp_path) == new
    count, last = len(learner.backbone.state_dict()), list(learner.backbone.state_dict())[-2]  # after it: a counter
    assert last.endswith("running_var")
    assert capsys.readouterr().out == (
        f"weights from {tmp_path / 'five.pth'}: {count} tensors (backbone.blocks.0.0.weight … backbone.{last}); "
        f"reinitialized: {new[0]} (3, {channels}) (was (5, {channels})), {new[1]} (3,) (was (5,)); "
        f"left out: fc.weight (5, {channels}), fc.bias (5,)\n"
    )
    written = json.loads((tmp_path / "weights.json").read_text())
    assert len(written["matched"]) == count
    assert written["reinitialized"][1] == {"name": new[1], "shape": [3], "was": [5]}
    assert written["left_out"] == [{"name": "fc.weight", "shape": [5, channels]}, {"name": "fc.bias", "shape": [5]}]


def test_counters_that_the_file_lacks_are_not_matched(tmp_path, capsys):
    """As of torchvision's older files; and no head reads a map after c4, so the layers after it are not needed."""
    learner, _ = made(THREE, 0, "head.high=[c4]")
    whole = made(THREE, 1)[0].backbone.state_dict()
    state = {n: tensor for n, tensor in whole.items() if not n.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "a.pth")
    run = run_of(*SMALL, "head.high=[c4]", f"weights={tmp_path / 'a.pth'}")
    start(run, learner, tmp_path)
    own = [name for name in learner.backbone.state_dict() if name in state]
    assert 0 < len(own) < len(state)
    assert f": {len(own)} tensors (" in (line := capsys.readouterr().out)
    assert f"; not needed: layers after c4 ({len(state) - len(own)} tensors)" in line and "left out" not in line
    written = json.loads((tmp_path / "weights.json").read_text())
    assert written["matched"] == [f"backbone.{name}" for name in own] and not written["left_out"]
    assert [entry["name"] for entry in written["not_needed"]] == [name for name in state if name not in own]


def test_of_our_checkpoint_too(saved, tmp_path):
    path, state = saved
    learner, run = made([*THREE, ["sky", 23, [9, 9, 9]]], 1, f"checkpoint={path}")
    start(run, learner, tmp_path)
    written = json.loads((tmp_path / "weights.json").read_text())
    assert written["source"] == str(path) and len(written["matched"]) == len(state) - 4
    assert written["reinitialized"][0] == {
        "name": "tasks.segment.head.classify_low.weight", "shape": [4, 32, 1, 1], "was": [3, 32, 1, 1]
    }  # fmt: skip
