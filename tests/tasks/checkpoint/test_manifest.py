"""model.json and the files that it names: whatever is wrong with them is told in one line that names the file."""

import json
import re
from pathlib import Path

import pytest

from tasks.checkpoint.manifest import metadata_of, read_manifest, sha256, write_manifest
from tasks.checkpoint.manifest_rules import problem_of
from tasks.checkpoint.metadata import BUILT
from tasks.checkpoint.unlike import unlike
from tasks.common.entries import short
from tasks.common.errors import UserError
from tasks.common.task_info import infos
from tests.described import embed

WHOLE = {
    "format": 1,
    "task": "classify",
    "file": "model.onnx",
    "runtime": "onnx",
    "precision": "fp32",
    "outputs": "raw",
    "input": {"batch": 1, "height": 8, "width": 8, "upright": False, "resize": {"rule": "none"}},
    "tasks": {"classify": {"outputs": {"logits": "logits"}, "classes": ["a", "b"]}},
    "sha256": {},
}
HASHED = {"sha256": {"model.onnx": "0"}}
DELETED = "deleted"


@pytest.fixture
def model(tmp_path) -> Path:
    """A file that nobody opens here, its description inside and beside it."""
    path = tmp_path / "model.onnx"
    embed(path, WHOLE)
    write_manifest(tmp_path, WHOLE, ["model.onnx"])
    return path


def refused(path: Path) -> str:
    with pytest.raises(UserError) as error:
        read_manifest(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_what_is_written_is_read(model):
    manifest = read_manifest(model)
    assert manifest == WHOLE | {"sha256": {"model.onnx": sha256(model)}}
    assert read_manifest(model.with_name("model.json")) == manifest == read_manifest(str(model))
    model.write_bytes(bytes(range(200)))
    assert sha256(model) == "1901da1c9f699b48f6b2636e65cbf73abf99d0441ef67f5c540a42f7051dec6f"


def test_a_missing_file_is_named(model):
    assert refused(model.with_name("other.onnx")) == (
        f"model={model.with_name('other.onnx')}: no such file; did you mean model.onnx?"
    )
    beside = model.with_name("model.json")
    content = beside.read_text()
    beside.unlink()
    model.write_bytes(b"no description")
    assert refused(model).startswith(f"model={model}: model.json is missing beside it")
    beside.write_text(content)
    model.unlink()
    assert f"{model}: no such file" in refused(beside)


def test_only_what_a_runtime_opens_is_a_model(model):
    path = model.rename(model.with_suffix(".mlmodel"))
    assert refused(path).startswith(f"model={path}: no runtime for .mlmodel; there are .onnx (onnx), .xml (openvino)")
    assert "a name without suffix" in refused(path.rename(path.with_suffix("")))


DAMAGES = {
    "is no JSON file": "{",
    "is no JSON file:": "",
    "has no format": "[1, 2]",
    "it has no format": "{}",
    "has format 2; this version reads up to 1": json.dumps(WHOLE | {"format": 2}),
    "has format newest; this version reads up to 1": json.dumps(WHOLE | {"format": "newest"}),
    "it lacks tasks": json.dumps({key: value for key, value in WHOLE.items() if key != "tasks"}),
    "it lacks task, file, runtime, precision": json.dumps({"format": 1}),
    "runtime abacus is not one of onnx, openvino, litert, ncnn, executorch, coreml, torch": json.dumps(
        WHOLE | {"runtime": "abacus"}
    ),
    "describes other.onnx, not model.onnx": json.dumps(WHOLE | {"file": "other.onnx"}),
    "tasks is not a table": json.dumps(WHOLE | {"tasks": []}),
    "input is not a table": json.dumps(WHOLE | {"input": []}),
    "sha256 is not a table": json.dumps(WHOLE | {"sha256": "0123"}),
    "input.layout CHWN is not one of NCHW, NHWC": json.dumps(WHOLE | {"input": WHOLE["input"] | {"layout": "CHWN"}}),
    "input.layout NHWC is not NCHW, the only one of onnx": json.dumps(
        WHOLE | {"input": WHOLE["input"] | {"layout": "NHWC"}}
    ),
    "precision fp1 is not one of": json.dumps(WHOLE | {"precision": "fp1"}),
    "outputs boiled is not one of": json.dumps(WHOLE | {"outputs": "boiled"}),
    "has format 0; this version reads": json.dumps(WHOLE | {"format": 0}),
    "has format True; this version reads": json.dumps(WHOLE | {"format": True}),
    "input lacks height, width": json.dumps(
        WHOLE | {"input": {"batch": 1, "upright": False, "resize": {"rule": "none"}}}
    ),
    "input.resize has no rule": json.dumps(WHOLE | {"input": WHOLE["input"] | {"resize": {}}}),
    "model.onnx is no file of runtime openvino": json.dumps(WHOLE | {"runtime": "openvino"}),
    "sha256 must name model.onnx": json.dumps(WHOLE),
    "and files beside it alone": json.dumps(WHOLE | {"sha256": {"model.onnx": "0", "../secret": "1"}}),
    "tasks is empty": json.dumps(WHOLE | {"tasks": {}, **HASHED}),
    "task depth is not one of segment, detect, classify": json.dumps(WHOLE | {"tasks": {"depth": {}}, **HASHED}),
    "tasks.classify.outputs are not probabilities, as decoded": json.dumps(WHOLE | {"outputs": "decoded", **HASHED}),
    "tasks.classify.classes is no list": json.dumps(
        WHOLE | {"tasks": {"classify": {"outputs": {"logits": "logits"}}}, **HASHED}
    ),
}


@pytest.mark.parametrize("said", DAMAGES)
def test_a_damaged_description_is_refused(model, said):
    beside = model.with_name("model.json")
    beside.write_text(DAMAGES[said])
    model.write_bytes(b"no description")
    message = refused(model)
    assert str(beside) in message and said in message


def test_bytes_that_are_no_text_are_refused(model):
    model.with_name("model.json").write_bytes(b"\xff\xfe{}")
    assert "is no JSON file" in refused(model)


@pytest.mark.parametrize(
    "change", [lambda old: old[:-1], lambda old: old[:100] + b"!" + old[101:], lambda old: old + b"0"]
)
def test_one_byte_decides(model, change):
    model.write_bytes(change(model.read_bytes()))
    assert refused(model).startswith(f"{model} is cut off or was changed")


def test_a_renamed_file_is_known_by_its_hash(model):
    other = model.rename(model.with_name("street.onnx"))
    manifest = read_manifest(other)
    assert manifest["file"] == "street.onnx" and manifest["sha256"] == {"street.onnx": sha256(other)}
    other.write_bytes(other.read_bytes()[:-1])
    assert "describes model.onnx, not street.onnx" in refused(other)


def edited(model: Path, change) -> str:
    """What is said about a description that was edited by hand."""
    beside = model.with_name("model.json")
    manifest = json.loads(beside.read_text())
    change(manifest)
    beside.write_text(json.dumps(manifest))
    assert refused(model) == refused(beside)
    return refused(model)


EDITS = {
    'tasks.classify.classes[0] is "b", and "a" in model.onnx': lambda m: m["tasks"]["classify"]["classes"].reverse(),
    "input.upright is true, and false in": lambda m: m["input"].update(upright=True),
    "input.white is 4095, and missing in": lambda m: m["input"].update(white=4095),
    'precision is "fp16", and "fp32" in': lambda m: m.update(precision="fp16"),
    'tasks.classify.outputs.logits is "other", and': lambda m: m["tasks"]["classify"].update(
        outputs={"logits": "other"}
    ),
    "temperature is 2, and missing in": lambda m: m["tasks"]["classify"].update(temperature=2),
}


@pytest.mark.parametrize("said", EDITS)
def test_the_description_beside_a_file_says_what_the_one_inside_says(model, said):
    assert edited(model, EDITS[said]).startswith(f"{model.with_name('model.json')} was changed after the export: ")
    assert said in refused(model)
    other = model.rename(model.with_name("other.onnx"))
    assert said.replace("model.onnx", "other.onnx") in refused(other)


def test_a_file_whose_description_is_gone(model):
    model.write_bytes(bytes(range(200)))
    write_manifest(model.parent, WHOLE, ["model.onnx"])
    assert refused(model) == f"{model} was changed after the export: the description inside it is gone"


def test_a_format_without_room_has_the_hash_of_its_description(tmp_path):
    whole, path = WHOLE | {"file": "model.pte", "runtime": "executorch"}, tmp_path / "model.pte"
    path.write_bytes(b"1")
    write_manifest(tmp_path, whole, ["model.pte"])
    read_manifest(path)
    assert read_manifest(path.rename(tmp_path / "other.pte"))["sha256"] == {"other.pte": sha256(tmp_path / "other.pte")}
    path.write_bytes(b"1")
    for change in (lambda m: m["input"].update(upright=True), lambda m: m["sha256"].pop("model.json")):
        assert "was changed after the export: it has not the hash" in edited(path, change)
        write_manifest(tmp_path, whole, ["model.pte"])


def test_the_order_of_outputs_is_that_of_the_file():
    ours, theirs = {"outputs": {"boxes": "a", "scores": "b"}}, {"outputs": {"scores": "b", "boxes": "a"}}
    (found,) = unlike(ours, theirs)
    assert found.field == "order of outputs" and not [*unlike(ours, ours)]
    (found,) = unlike([{"a": True}], [{"a": 1}])
    assert found.field == "[0].a"


DETECT = {
    "outputs": {"logits": "detect_logits", "offsets": "offsets"},
    "classes": [{"name": "a", "id": 1}, {"name": "b", "id": 3}],
    "threshold": 0.4,
    "holes": [],
    "score": "softmax",
    "anchors": {"cells": [[2, 3]], "shapes": [[[0.1, 0.2], [0.3, 0.1]]]},
    "weights": [10, 10, 5, 5],
    "largest": 4.1,
    "select": {"threshold": 0.001, "overlap": 0.55, "per_class": 300, "detections": 40},
}
SEGMENT = {"outputs": {"logits": "areas"}, "classes": [{"name": "road", "id": 7, "colour": [1, 2, 3]}]}
FULL = WHOLE | {
    "task": "multitask",
    "input": WHOLE["input"]
    | {"resize": {"rule": "letterbox", "height": 8, "width": 8, "fill": 114}, "mean": [0.5] * 3, "std": [0.2] * 3},
    "tasks": WHOLE["tasks"] | {"detect": DETECT, "segment": SEGMENT},
}
OTHERS = (
    "",
    "x",
    "a" * 9999,
    -1,
    0,
    2.5,
    10**30,
    1e300,
    float("nan"),
    True,
    None,
    [],
    [[]],
    [1, "2"],
    {},
    {"x": {"y": []}},
)
FREE = re.compile(  # places where another value of the same kind may stand
    r"input\.(batch|upright|resize\.fill|(mean|std)(\.\d)?)|tasks\.\w+|tasks\.\w+\.outputs\.\w+|"
    r"tasks\.\w+\.classes\.\d(\.\w+)?(\.\d)?|tasks\.detect\.(threshold|holes|largest|weights\.\d|"
    r"anchors\.shapes\.[\d.]+|select\.(threshold|overlap))"
)


def places(node, path=()):
    """Every place in a description: the keys and numbers that lead there."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed_at(place, value):
    """The full description, and whether it has another value at a place, or is without it."""
    whole = json.loads(json.dumps(FULL)) | HASHED
    node = whole
    for key in place[:-1]:
        node = node[key]
    before = node[place[-1]]
    if value == DELETED:
        del node[place[-1]]
    else:
        node[place[-1]] = value
    return whole, before


def test_nothing_is_accepted_in_silence():
    """Every entry of another type, out of range or missing: one line. What is taken is of the same kind."""
    assert problem_of(FULL | HASHED) == ""
    count = 0
    for place in [place for place in places(FULL) if place[0] not in ("format", "sha256")]:
        for value in (*OTHERS, DELETED):
            whole, before = changed_at(place, value)
            problem = problem_of(whole)
            assert "\n" not in problem and len(problem) < 400
            name, count = ".".join(map(str, place)), count + 1
            alike = (
                value in (DELETED, None) or type(value) is type(before) or {type(value), type(before)} == {int, float}
            )
            assert problem or (FREE.fullmatch(name) and alike), (name, value)
    assert count > 1000


@pytest.mark.parametrize(
    "text", ['{"format": NaN}', '{"format": 1e999}', "[" * 100_000, '{"format": ' + "9" * 5000 + "}"]
)
def test_json_that_python_alone_would_take(model, text):
    model.with_name("model.json").write_text(text)
    assert str(model.with_name("model.json")) in refused(model)


MASK = {"target": "mask", "classes": [["a", 1, [0, 0, 0]]]}
LABELS = {"target": "label", "classes": ["a", "b"]}
CARD = {
    "format": 1,
    "task": "classify",
    "config": {key: {} for key in (*BUILT, "head", "task")},
    "tasks": {"classify": LABELS},
}


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ([], "is not a table of names and values"),
        ({}, "lacks config, format, task, tasks"),
        (CARD | {"format": 99}, "has checkpoint format 99"),
        (CARD | {"task": 3}, "its task is not"),
        (
            CARD | {"task": "segment", "tasks": {"segment": {"target": "mask", "classes": [["a", 1, [0, 0, 0]]]}}},
            "is of",
        ),
        (CARD | {"config": []}, "its config is not"),
        (CARD | {"config": CARD["config"] | {"trainer": "x"}}, r"its config\.trainer is not"),
        (CARD | {"config": CARD["config"] | {"backbone": "x"}}, r"its config\.backbone is not"),
        (CARD | {"tasks": "x"}, "its tasks is not"),
        (CARD | {"tasks": {}}, "its tasks is not"),
        (CARD | {"tasks": {"classify": 1}}, r"its tasks\.classify is not"),
        (CARD | {"tasks": {"classify": LABELS | {"target": "mask"}}}, r"its tasks\.classify is not"),
        (CARD | {"tasks": {"classify": LABELS | {"classes": {"a": 1}}}}, r"its tasks\.classify is not"),
        (CARD | {"tasks": {"classify": LABELS | {"classes": ["a"]}}}, "different numbers of classes"),
        (CARD | {"tasks": {"classify": LABELS | {"classes": ["b", "a"]}}}, "class 0 of classify is b in"),
    ],
)
def test_a_damaged_card_is_refused(model, metadata, said):
    path = model.with_name("card.json")
    path.write_text(json.dumps(metadata))
    with pytest.raises(UserError, match=said) as error:
        metadata_of(model)
    assert str(path) in str(error.value)
    path.write_text(json.dumps(CARD))
    assert metadata_of(model) == CARD


@pytest.mark.parametrize(
    ("task", "entry"), [("classify", "a"), ("detect", {"name": "a", "id": 1}), ("segment", SEGMENT["classes"][0])]
)
def test_a_class_has_no_characters_that_a_terminal_obeys(task, entry):
    name = entry if task == "classify" else entry["name"]
    assert infos()[task].classes.in_model_json(entry)
    assert not infos()[task].classes.in_model_json(json.loads(json.dumps(entry).replace(f'"{name}"', '"a\\u001b[31m"')))
    assert short("a\x1b[31m") == "a\\x1b[31m"
