"""What the gate decides: for int8 the metric over results; a remedy for what is refused; a warning where wanted."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tasks.common.errors import UserError
from tasks.deploy import parity_check
from tasks.deploy.images_to_compare import MOST, images_to_compare
from tasks.deploy.parity import LIMITS, Difference, relative_to_itself
from tasks.deploy.verdict import said

FEWER = Difference("detect: 90 boxes with a partner", 0.4, 0.6, at_least=True)


@pytest.fixture
def judge(monkeypatch, tmp_path):
    """The gate for a file with these rows and scores; returns gate.json."""

    def run(precision, rows, before=0.5, after=0.5, described=(), **changes):
        settings = {"gate": "fail", "tolerance": None, "images": 1, "metric": False, "mixed": False, "budget": 0.01}
        export = SimpleNamespace(**{**settings, "calibration": 128, **changes})
        scores = iter([{"mAP": before}, {"mAP": after}])
        image = np.zeros((4, 5, 3), np.uint8)
        for name, value in {
            "images_to_compare": lambda *_: [image],
            "compare": lambda *_: list(rows),
            "of_checkpoint": lambda *_: None,
            "of_file": lambda *_: None,
            "scored": lambda *_: next(scores),
            "ExportedLearner": lambda *_: None,
        }.items():
            monkeypatch.setattr(parity_check, name, value)
        manifest = {"precision": precision, "file": "model.onnx", "outputs": "raw", "tasks": {}}
        manifest["input"] = {"height": 4, "width": 5, "batch": 1}
        reference = SimpleNamespace(
            learner=SimpleNamespace(score_keys=["mAP"]), fit=None, rows=lambda *_: list(described)
        )
        data, runner = SimpleNamespace(input_size=lambda: (4, 5)), SimpleNamespace(shape=(1, 3, 4, 5))
        parity_check.check_parity(reference, export, None, data, manifest, runner, tmp_path, tmp_path)
        return {row["what"]: row for row in json.loads((tmp_path / "gate.json").read_text())}

    return run


def test_int8_is_kept_where_the_metric_did_not_fall(judge):
    rows = judge("int8", [FEWER], before=0.5, after=0.495)
    assert rows[FEWER.what]["limit"] is None and rows["loss of mAP"]["holds"]
    judge("int8", [FEWER], before=0.5, after=0.6)
    with pytest.raises(UserError, match=r"boxes with a partner is 0\.4, allowed from 0\.6"):
        judge("fp32", [FEWER])
    with pytest.raises(UserError, match="input bytes"):
        judge("int8", [Difference("input bytes", 3, 0, at_least=False)])
    with pytest.raises(UserError, match="boxes with a partner is nan"):
        judge("int8", [FEWER._replace(worst=float("nan"))])


@pytest.mark.parametrize("before", [0.0, None])
def test_results_decide_where_no_metric_can_fall(judge, before, capsys):
    with pytest.raises(UserError, match=r"boxes with a partner is 0\.4"):
        judge("int8", [FEWER], before=before, after=before)
    assert "the results themselves are compared" in capsys.readouterr().out


def test_what_is_refused_names_a_remedy(judge, tmp_path):
    with pytest.raises(UserError) as error:
        judge("int8", [], after=0.4)
    message = str(error.value)
    assert "loss of mAP is 0.1, allowed up to 0.01" in message and "\n" not in message
    for remedy in ("export.mixed=true", "export.calibration=128", "export.gate=warn", "export.budget", "each layer"):
        assert remedy in message
    with pytest.raises(UserError, match="all layers that may stay in float do, see the table of layers"):
        judge("int8", [], after=0.4, mixed=True)
    with pytest.raises(UserError, match=r"gate\.json\); export\.gate=warn keeps the file$"):
        judge("fp32", [FEWER])
    other = Difference("decode.py", 0.0, 1.0, at_least=True, note="not the one of this version")
    with pytest.raises(UserError, match=r"gate\.json\); export\.gate=warn keeps the file$"):
        judge("int8", [], described=[other])  # which no float layer mends


def test_what_differs_in_words_is_told_in_words(judge):
    row = Difference("model.json's input.upright", 1.0, 0.0, at_least=False, note="true, and false in the checkpoint")
    with pytest.raises(UserError, match=r"does: model.json's input.upright is true, and false in the checkpoint \("):
        judge("int8", [], described=[row])


def images_of(total, results, classes=("a", "b"), form="final", precision="fp32"):
    """The images that are compared, of so many, whose label maps are these in turn."""
    read = []

    class Val:
        def __len__(self):
            return total

        def read(self, index):
            read.append(index)
            return {"image": np.full((1, 1, 3), index % 256, np.uint8)}

    task = SimpleNamespace(class_names=classes)
    learner = SimpleNamespace(each_task=lambda: [("segment", task)])
    manifest = {"input": {"height": 1}, "outputs": form, "precision": precision}
    expected = lambda image: SimpleNamespace(results={"segment": {"labels": results(int(image[0, 0, 0]))}})  # noqa: E731
    data = SimpleNamespace(val=Val())
    images = images_to_compare(expected, learner, SimpleNamespace(images=4), data, manifest)
    assert len(images) == len(read) == len(set(read))
    return len(images)


def test_more_images_until_every_class_is_seen(capsys):
    assert images_of(100, lambda index: np.array([[0, 1]])) == 4
    assert images_of(100, lambda index: np.array([[0]]), form="raw") == 4
    assert images_of(100, lambda index: np.array([[0]]), precision="int8") == 4
    assert "unproved" not in capsys.readouterr().out
    some = images_of(100, lambda index: np.array([[int(40 < index < 45)]]))
    assert 4 < some < 50 and "unproved" not in capsys.readouterr().out
    assert images_of(9, lambda index: np.array([[0]])) == 9
    assert "unproved  segment: no pixel is b on 9 of 9 validation images" in capsys.readouterr().out
    assert MOST <= images_of(5000, lambda index: np.array([[0]])) < 3 * MOST


def test_a_warning_keeps_the_file(judge, capsys):
    rows = judge("fp32", [FEWER], gate="warn")
    assert not rows[FEWER.what]["holds"]
    said = capsys.readouterr().out
    assert "warning   model.onnx does not do what the checkpoint does" in said and "export.gate=warn says" in said


@pytest.mark.parametrize(
    ("worst", "limit", "at_least", "told"),
    [
        (1.0, 1.0, True, ("all equal", "all equal")),
        (0.98765, 0.95, True, ("98.77 %", "≥ 95 %")),
        (0.5, None, True, ("50 %", "–")),
        (2.5e-6, 1e-4, False, ("2.5e-06", "≤ 0.0001")),
    ],
)
def test_rows_say_what_was_compared(worst, limit, at_least, told):
    assert said(Difference("labels", worst, limit, at_least)) == told
    assert said(Difference("decode.py", 0.0, 1.0, at_least=True, note="another one")) == ("another one", "–")


def test_a_sound_sigmoid_of_unlikely_boxes_passes():
    """ONNX Runtime's is wrong by up to 8e-8: a detector after one epoch was refused for scores of 1e-6."""
    onnx, runtime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    shape = [2_001]
    tensors = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name in ("x", "y")]
    graph = onnx.helper.make_graph([onnx.helper.make_node("Sigmoid", ["x"], ["y"])], "g", tensors[:1], tensors[1:])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9)
    logits = np.linspace(-20, 0, *shape, dtype=np.float32)
    found = runtime.InferenceSession(model.SerializeToString()).run(None, {"x": logits})[0]
    sound = torch.from_numpy(logits).sigmoid().numpy()
    assert relative_to_itself(found, sound) < LIMITS["fp32"].shares / 2
    assert relative_to_itself(np.where(sound < 1e-3, 1.02 * sound, sound), sound) > LIMITS["fp32"].shares
