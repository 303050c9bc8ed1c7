"""model.json says what is so: sizes, classes, anchors, hashes, and the same inside the file."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tasks.checkpoint.manifest import read_manifest, sha256
from tasks.common.errors import UserError
from tasks.data.streets.dataset import Streets
from tasks.data.transforms.letterbox import Letterbox, Stretch
from tasks.data.transforms.resize import ResizeCentreCrop
from tasks.deploy.describe import rule_of
from tasks.deploy.trained import trained
from tests.tasks.deploy.conftest import SIZE


@pytest.fixture
def manifest(model):
    return read_manifest(model)


def test_what_the_file_takes(manifest):
    takes = manifest["input"]
    assert [takes[key] for key in ("name", "type", "layout", "colours")] == ["image", "uint8", "NCHW", "RGB"]
    assert [takes[key] for key in ("batch", "height", "width")] == [1, *SIZE]
    resize = takes["resize"]
    assert [resize[key] for key in ("rule", "height", "width")] == ["stretch", *SIZE] and takes["upright"] is True
    assert resize["filter"] == "bilinear" and resize["antialias"] is True
    assert resize["convention"].startswith("PyTorch: interpolate") and "align_corners=False" in resize["convention"]
    assert takes["normalisation"].startswith("inside the file: give it bytes")
    assert takes["mean"] == [0.485, 0.456, 0.406] and takes["std"] == [0.229, 0.224, 0.225]


def test_what_the_file_is(manifest, model, best):
    said = {key: manifest[key] for key in ("format", "task", "file", "runtime", "precision", "outputs")}
    assert said == {
        "format": 1,
        "task": "multitask",
        "file": "model.onnx",
        "runtime": "onnx",
        "precision": "fp32",
        "outputs": "raw",
    }
    assert manifest["checkpoint"] == {"name": "best.ckpt", "sha256": sha256(best)}
    assert manifest["sha256"] == {"model.onnx": sha256(model)}
    assert manifest["versions"]["torch"] == torch.__version__.partition("+")[0]
    assert {"onnx", "onnxruntime"} <= manifest["versions"].keys()


def test_what_was_trained(manifest):
    said = manifest["trained"]
    assert said["network"]["detect"] == "MobileNetV3 + SSDLite" and len(said["network"]) == 3


def test_a_checkpoint_alone_says_only_its_network(tmp_path):
    task = SimpleNamespace(head=SimpleNamespace(title="Head"))
    learner = SimpleNamespace(backbone=object(), each_task=lambda: [("a", task)], score_keys=["top1"])
    only = {"network": {"a": "object + Head"}, "date": None, "scores": {}}
    (tmp_path / "report").mkdir()
    for broken in ('{"top1": "high", "started": "soon"}', "[]", "{", "{}"):
        for name in ("metrics.json", "report/run.json"):
            (tmp_path / name).write_text(broken)
        assert trained(learner, str(tmp_path / "checkpoints" / "best.ckpt")) == only
    (tmp_path / "metrics.json").write_text('{"top1": 0.5}')
    assert trained(learner, str(tmp_path / "checkpoints" / "last.ckpt")) == only == trained(learner, None)
    (tmp_path / "report" / "run.json").write_text('{"started": "2026-11-29T23:05:32+00:00"}')
    whole = trained(learner, str(tmp_path / "checkpoints" / "best.ckpt"))
    assert whole == only | {"scores": {"top1": 0.5}, "date": "2026-11-29"}


def test_the_classes_are_the_checkpoints(manifest, model, best):
    tasks, metadata = manifest["tasks"], torch.load(best, weights_only=True)["mobilevision"]
    masks = [[entry["name"], entry["id"], entry["colour"]] for entry in tasks["segment"]["classes"]]
    assert masks == metadata["tasks"]["segment"]["classes"] and len(masks) == 19
    boxes = [[entry["name"], entry["id"]] for entry in tasks["detect"]["classes"]]
    assert boxes == metadata["tasks"]["detect"]["classes"] and len(boxes) == len(Streets.classes["boxes"])
    assert tasks["classify"]["classes"] == list(Streets.classes["label"])
    assert json.loads(model.with_name("card.json").read_text())["tasks"] == metadata["tasks"]


def test_outputs_have_the_names_of_the_file(manifest, model):
    onnx = pytest.importorskip("onnx")
    names = [name for task in manifest["tasks"].values() for name in task["outputs"].values()]
    assert names == [output.name for output in onnx.load(model).graph.output]
    assert names == ["segment_logits", "detect_logits", "detect_offsets", "classify_logits"]


def test_anchors_can_be_made_of_their_recipe(manifest, shipped):
    learner = shipped("torch", "raw").learner
    head, recipe, (height, width) = learner.task("detect").head, manifest["tasks"]["detect"]["anchors"], SIZE
    boxes = []
    for (rows, columns), shapes in zip(recipe["cells"], recipe["shapes"], strict=True):
        for row in range(rows):
            for column in range(columns):
                x, y = (column + 0.5) / columns * width, (row + 0.5) / rows * height
                for wide, high in np.array(shapes) * min(SIZE) / 2:
                    boxes.append([x - wide, y - high, x + wide, y + high])
    expected = head.anchors.boxes(head.cells(SIZE), SIZE, "cpu")
    np.testing.assert_allclose(boxes, expected.numpy(), rtol=1e-5, atol=1e-4)
    with torch.inference_mode():
        raw = learner(torch.zeros(1, 3, *SIZE, dtype=torch.uint8))["detect"]
    assert raw.logits.shape[1] == len(boxes) and [[*cells] for cells in raw.cells] == recipe["cells"]


def test_it_says_whose_pixels_outputs_are_in(manifest):
    said = {name: task["pixels"] for name, task in manifest["tasks"].items()}
    assert "in the input's pixels" in said["detect"] and "the photo's size" in said["segment"]


def test_how_boxes_are_kept(manifest):
    detect = manifest["tasks"]["detect"]
    assert detect["threshold"] is None, "nothing was scored, so no score is known where F1 is best"
    assert detect["select"] == {"threshold": 0.001, "overlap": 0.55, "per_class": 300, "detections": 40}
    assert detect["score"] == "softmax" and detect["holes"] == [] and detect["weights"] == [10, 10, 5, 5]
    assert detect["largest"] == pytest.approx(4.135166556742356)


def test_the_file_says_the_same(manifest, model):
    onnx = pytest.importorskip("onnx")
    (entry,) = (entry for entry in onnx.load(model).metadata_props if entry.key == "mobilevision")
    manifest.pop("sha256")
    assert json.loads(entry.value) == manifest


def test_openvinos_file_says_the_same(shipped):
    openvino = pytest.importorskip("openvino")
    made = shipped("openvino", "final")
    model = openvino.Core().read_model(made.folder / "model.xml")
    beside = json.loads((made.folder / "model.json").read_text())
    assert beside.pop("sha256") == {name: sha256(made.folder / name) for name in ("model.xml", "model.bin")}
    assert json.loads(model.get_rt_info(["mobilevision"]).astype(str)) == beside
    assert beside["versions"].keys() == {"torch", "openvino"}


def test_nothing_is_told_of_the_machine(model):
    text = model.with_name("model.json").read_text()
    assert '"/' not in text  # no absolute path
    config = json.loads(model.with_name("card.json").read_text())["config"]
    assert not {"checkpoint", "resume", "weights", "input", "model"} & config.keys()


class OwnFit:
    """A view of the user's own that does not say how it works."""


@pytest.mark.parametrize(
    ("fit", "rule"),
    [
        (None, {"rule": "none"}),
        (Stretch([4, 6]), {"rule": "stretch", "height": 4, "width": 6}),
        (Letterbox([4, 6], 9), {"rule": "letterbox", "height": 4, "width": 6, "fill": 9}),
        (
            ResizeCentreCrop(256, 224),
            {"rule": "resize_centre_crop", "lengths": [256], "crop": 224, "interpolation": "bilinear"},
        ),
    ],
)
def test_rules_of_resizing(fit, rule):
    said = json.loads(json.dumps(rule_of(fit)))
    assert {key: said[key] for key in rule} == rule


def test_a_fit_without_a_rule_is_refused():
    with pytest.raises(UserError, match=r"data\.fit=OwnFit has no rule\(\)"):
        rule_of(OwnFit())
