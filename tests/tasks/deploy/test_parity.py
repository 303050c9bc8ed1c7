"""The parity gate: what it lets pass, and that it refuses files which do something else than the checkpoint."""

import json
import shutil

import numpy as np
import pytest
import torch

from tasks.deploy.parity import LIMITS, Outcome, compare
from tasks.deploy.writers.by_format import WRITERS
from tests.tasks.deploy.conftest import rewritten

onnx = pytest.importorskip("onnx")

SEEN = np.zeros((1, 3, 4, 5), np.uint8)
NO_BOXES = {"boxes": np.zeros((0, 4), np.float32), "scores": np.zeros(0), "labels": np.zeros(0, int)}


def found(boxes, scores=None, labels=None):
    """Detections of an image."""
    count = len(boxes)
    return {
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "scores": np.full(count, 0.8) if scores is None else np.array(scores),
        "labels": np.zeros(count, int) if labels is None else np.array(labels),
    }


def table(ours, theirs, precision="fp32"):
    """The rows by what they compare, for two lists of outcomes."""
    images = [np.full((1, 1, 3), number, np.uint8) for number in range(len(ours))]
    rows = compare(
        lambda image: ours[image[0, 0, 0]], lambda image: theirs[image[0, 0, 0]], images, precision, LIMITS[precision]
    )
    return {row.what: row for row in rows}


def of_tensor(values):
    return Outcome(SEEN, {"logits": np.array(values, np.float32)}, {})


def of_task(name, **result):
    return Outcome(SEEN, {}, {name: {key: np.array(value) for key, value in result.items()}})


def test_one_bit_of_the_input_is_too_much():
    other = SEEN.copy()
    other[0, 1, 2, 3] = 1
    row = table([of_tensor([1.0])], [of_tensor([1.0])._replace(seen=other)])["input bytes"]
    assert row.worst == 1 and not row.holds
    smaller = of_tensor([1.0])._replace(seen=SEEN[..., :4])
    assert not table([of_tensor([1.0])], [smaller])["input bytes"].holds


@pytest.mark.parametrize(
    ("theirs", "worst", "holds"),
    [
        ([100.0, 2], 0, True),
        ([100.005, 2], 5e-5, True),
        ([100.0, 2.02], 2e-4, False),  # a share of the largest, 100
        ([100.0, np.nan], np.nan, False),
        ([100.0, np.inf], np.inf, False),
        ([100.0, 2, 0], np.inf, False),
    ],
)
def test_tensors_may_differ_by_a_share_of_their_largest_value(theirs, worst, holds):
    fine = of_tensor([100.0, 2])
    row = table([fine, fine, fine], [fine, of_tensor(theirs), fine])["tensor logits"]
    assert row.worst == pytest.approx(worst, rel=1e-2, nan_ok=True) and row.holds == holds


@pytest.mark.parametrize("precision", LIMITS)
def test_what_is_no_number_never_holds(precision):
    row = table([of_tensor([1.0, 2])], [of_tensor([1.0, np.nan])], precision)["tensor logits"]
    assert not row.holds
    assert table([of_tensor([1.0, 2])], [of_tensor([1.0, 2])], precision)["tensor logits"].holds


def test_the_worst_label_map_counts():
    labels = np.arange(2000).reshape(40, 50) % 19
    other = labels.copy()
    other[0, :3] += 1
    same = of_task("segment", labels=labels)
    (row,) = (
        row for row in table([same] * 5, [same] * 4 + [of_task("segment", labels=other)]).values() if row.at_least
    )
    assert row.worst == 1 - 3 / 2000 and not row.holds
    assert table([same], [of_task("segment", labels=labels[:-1])])["segment: same label, worst image"].worst == 0


BOX = [10, 10, 30, 40]
PARTNERS = {  # ours, theirs: found and counted, of both sides
    "the same": (found([BOX]), found([BOX]), (2, 2)),
    "a little beside": (found([BOX]), found([[10, 10, 30, 41]]), (2, 2)),
    "too far beside": (found([BOX]), found([[10, 10, 30, 46]]), (0, 2)),
    "another class": (found([BOX]), found([BOX], labels=[1]), (0, 2)),
    "less sure": (found([BOX], scores=[0.31]), found([BOX], scores=[0.2]), (2, 2)),
    "far less sure": (found([BOX]), found([BOX], scores=[0.1]), (0, 1)),
    "lost": (found([BOX, [0, 0, 5, 5]]), found([BOX]), (2, 3)),
    "invented": (found([BOX]), found([BOX, [0, 0, 5, 5]]), (2, 3)),
    "nothing is sure": (found([BOX], scores=[0.2]), NO_BOXES, (0, 1)),
    "nothing is found": (NO_BOXES, NO_BOXES, (0, 0)),
    "no number": (found([BOX]), found([[np.nan] * 4]), (0, 2)),
}


@pytest.mark.parametrize("case", PARTNERS)
def test_sure_boxes_of_int8_have_partners(case):
    ours, theirs, (partners, count) = PARTNERS[case]
    rows = table([of_task("detect", **ours)], [of_task("detect", **theirs)], "int8")
    row = rows[f"detect: {count} sure boxes with a partner"]
    assert row.worst == pytest.approx(partners / count if count else 1) and row.holds == (row.worst >= 0.6)


def test_the_likeliest_class_is_the_same():
    ours = of_task("classify", logits=[1.0, 3, 2])
    for theirs, same in (([0.0, 9, 8], 1), ([3.1, 3, 2], 0), ([1.0, 3, np.nan], 0)):
        row = table([ours], [of_task("classify", logits=theirs)])["classify: same likeliest class"]
        assert row.worst == same and row.holds == bool(same)


def rewired(model, old: str, new: str) -> None:
    """Every node that reads one value reads another."""
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name == old and node.output[0] != new:
                node.input[place] = new


def flip_channels(model) -> None:
    order = onnx.numpy_helper.from_array(np.array([2, 1, 0]), "bgr_order")
    model.graph.initializer.append(order)
    rewired(model, "image", "bgr")
    model.graph.node.insert(0, onnx.helper.make_node("Gather", ["image", "bgr_order"], ["bgr"], axis=1))


def drop_normalisation(model) -> None:
    """The first convolution reads what is between 0 and 255."""
    for operator in ("Sub", "Div"):
        node = next(node for node in model.graph.node if node.op_type == operator)
        rewired(model, node.output[0], node.input[0])


def forget_numbers(model) -> None:
    """Whatever the first convolution gives is multiplied by what is no number."""
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.float32([np.nan]), "no_number"))
    node = next(node for node in model.graph.node if node.op_type == "Conv")
    rewired(model, node.output[0], "nowhere")
    place = list(model.graph.node).index(node) + 1
    model.graph.node.insert(place, onnx.helper.make_node("Mul", [node.output[0], "no_number"], ["nowhere"]))


SABOTAGES = {"channel order": flip_channels, "normalisation": drop_normalisation, "no numbers": forget_numbers}


def sabotage(path, how) -> None:
    """Change the graph of a file, and its hash in model.json as well."""
    graph = onnx.load(path)
    how(graph)
    onnx.checker.check_model(graph)
    onnx.save(graph, path)
    rewritten(path)


@pytest.fixture
def gate(command, model, best, scenes, tmp_path):
    """mode=evaluate of the file beside its checkpoint: the command's result and the gate's rows."""

    def run(checkpoint=best):
        folder = tmp_path / "gate"
        result = command(
            "multitask", "mode=evaluate", f"model={model}", f"checkpoint={checkpoint}", f"hydra.run.dir={folder}"
        )
        written = folder / "gate.json"
        rows = json.loads(written.read_text()) if written.is_file() else []
        return result, {row["what"]: row for row in rows}, folder

    return run


def of(rows: dict, what: str) -> dict:
    """The row whose title has this in it: counts of boxes and ties differ."""
    (found,) = (row for each, row in rows.items() if what in each)
    return found


def test_a_file_that_was_not_touched_passes_and_is_scored(gate, model):
    result, rows, folder = gate()
    assert result.status == 0, result.err
    assert len(rows) == 19 and all(row["holds"] for row in rows.values())
    (boxes,) = (int(what.split()[1]) for what in rows if "same set" in what)
    assert boxes > 20, "there is something to compare"
    assert "segment: same label, worst image" in result.out and "DIFFERS" not in result.out
    scores = json.loads((folder / "metrics.json").read_text())
    assert scores["images"] == 4 and scores["segment/mIoU"] > 0


@pytest.mark.parametrize(("key", "value"), [("overlap", 0.6), ("per_class", 5), ("detections", 20)])
def test_another_suppression_is_refused(gate, model, key, value):
    tasks = json.loads(model.with_name("model.json").read_text())["tasks"]
    assert tasks["detect"]["select"][key] != value
    tasks["detect"]["select"][key] = value
    rewritten(model, tasks=tasks)
    result, rows, _ = gate()
    said = f"does not do what the checkpoint does: model.json's tasks.detect.select.{key} is {value}, and "
    assert result.status == 2 and said in result.err
    assert not rows["detect: suppression of equal boxes"]["holds"]
    assert rows["tensor detect_logits"]["holds"] and of(rows, "segment: same label, worst image")["holds"]


@pytest.mark.parametrize("how", SABOTAGES)
def test_a_changed_graph_is_refused(gate, model, how):
    sabotage(model, SABOTAGES[how])
    result, rows, folder = gate()
    assert result.status == 2 and "model.onnx does not do what the checkpoint does" in result.err
    assert result.err.count("\n") == 1 and "DIFFERS" in result.out
    for name in ("segment_logits", "detect_logits", "detect_offsets", "classify_logits"):
        assert not rows[f"tensor {name}"]["holds"]
    assert rows["input bytes"]["holds"] and not of(rows, "segment: same label, worst image")["holds"]
    assert not of(rows, "detect: boxes, pixels")["holds"] and not of(rows, "the same set")["holds"]
    assert not (folder / "metrics.json").exists()


def test_neither_model_json_nor_card_json_has_a_say(gate, model, best, tmp_path):
    """Both say the same falsehood, and so does the description inside the file: the checkpoint says otherwise."""
    manifest, card = (json.loads(model.with_name(name).read_text()) for name in ("model.json", "card.json"))
    checkpoint = torch.load(best, weights_only=True)
    checkpoint["mobilevision"]["config"]["upright"] = manifest["input"]["upright"]  # as a training stores it
    torch.save(checkpoint, tmp_path / "best.ckpt")
    manifest["tasks"]["detect"]["select"]["detections"] = 39
    card["config"]["detect"]["task"]["select"]["detections"] = 39
    manifest["input"]["upright"] = card["config"]["upright"] = not manifest["input"]["upright"]
    model.with_name("card.json").write_text(json.dumps(card))
    rewritten(model, **manifest)
    result, rows, _ = gate(tmp_path / "best.ckpt")
    assert result.status == 2 and "model.json's input.upright is " in result.err
    wrong = {what for what, row in rows.items() if not row["holds"]}
    follows = {what for what in rows if "same set" in what or "suppression" in what or what.startswith("golden/")}
    assert wrong == {"model.json's input.upright", "model.json's tasks.detect.select.detections", *follows}


RESIZES = {
    "nearest pixels": {"rule": "resize_centre_crop", "lengths": [48, 96], "crop": None, "interpolation": "nearest"},
    "another filter": {"rule": "resize_centre_crop", "lengths": [48, 96], "crop": None, "interpolation": "bicubic"},
    "another size": {"rule": "stretch", "height": 96, "width": 48},
    "no resizing": {"rule": "none"},
    "unknown": {"rule": "squeeze"},
}


@pytest.mark.parametrize("how", RESIZES)
def test_another_resize_rule_is_refused(gate, model, how):
    manifest = json.loads(model.with_name("model.json").read_text())
    rewritten(model, input=manifest["input"] | {"resize": RESIZES[how]})
    result, rows, _ = gate()
    assert result.status == 2 and result.err.count("\n") == 1, result.err
    if how not in ("unknown", "another size", "no resizing"):  # of a rule that can be followed
        assert "model.json's input.resize." in result.err and not rows["input bytes"]["holds"]


def test_an_export_that_fails_leaves_the_table_and_no_file(command, model, best, tmp_path, monkeypatch):
    sabotage(model, flip_channels)

    def write(_traced, path, _manifest, _precision):
        shutil.copyfile(model, path)
        return [path.name]

    monkeypatch.setitem(WRITERS, "onnx", write)
    folder = tmp_path / "export"
    result = command("multitask", "mode=export", f"checkpoint={best}", f"hydra.run.dir={folder}")
    said = "error: model.onnx does not do what the checkpoint does: tensor"
    assert result.status == 2 and result.err.startswith(said)
    assert "DIFFERS" in result.out and str(folder / "gate.json") in result.err
    assert not all(row["holds"] for row in json.loads((folder / "gate.json").read_text()))
    assert {path.name for path in folder.iterdir()} == {
        *(".hydra", "config.yaml", "gate.json", "run.log", "report", "report.html"),
    }
