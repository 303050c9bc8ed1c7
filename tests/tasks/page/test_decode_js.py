"""decode.js and what it is made of, in a browser, against decode.py: the same bytes, label maps and boxes."""

import base64
import json
import shutil
import subprocess

import numpy as np
import pytest
import torch

from tasks.checkpoint.manifest_rules import problem_of
from tasks.classify.output import ClassifyOutput
from tasks.data.transforms.letterbox import Letterbox, Stretch
from tasks.data.transforms.resize import FILTERS, ResizeCentreCrop
from tasks.deploy.decode import decode, prepare
from tasks.deploy.model import size_seen
from tasks.detect.multibox import FocalMultiBox, SoftmaxMultiBox
from tasks.multilabel.output import probabilities
from tasks.page.folder import HERE
from tests.tasks.deploy.decoder_cases import changed
from tests.tasks.deploy.decoder_inputs import (
    HEIGHT,
    WIDTH,
    detect_task,
    manifest,
    photo,
    raw_boxes,
    segment_task,
    sizes,
    takes,
)

SITE = HERE / "site"
KINDS = {"uint8": "Uint8Array", "float32": "Float32Array", "int32": "Int32Array", "int64": "BigInt64Array"}
IN_BROWSER = """
const { prepare, decode } = await import(location.origin + "/decode.js");
const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
const array = ({ kind, dims, text }) => ({ data: new self[kind](bytes(text).buffer), dims });
const text = (data) => {
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let letters = "";
  for (let k = 0; k < raw.length; k += 32768) letters += String.fromCharCode(...raw.subarray(k, k + 32768));
  return { kind: data.constructor.name, text: btoa(letters) };
};
"""
PREPARE = """
return cases.map(({ photo, model }) => {
  const { data, dims } = array(photo);
  const { image, dims: made, place } = prepare({ data, height: dims[0], width: dims[1] }, model);
  return { ...text(image), dims: made, place };
});
"""
DECODE = """
return cases.map(({ outputs, model, size, place, row }) => {
  const given = Object.fromEntries(Object.entries(outputs).map(([name, value]) => [name, array(value)]));
  return Object.entries(decode(given, model, size, place, row)).map(([task, own]) => [task,
    Object.entries(own).filter(([role]) => role !== "size").map(([role, values]) => [role, text(values)])]);
});
"""


def packed(values):
    """An array as JSON."""
    text = base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
    return {"kind": KINDS[values.dtype.name], "dims": list(values.shape), "text": text}


def unpacked(value):
    """A typed array's numbers."""
    kinds = {"Uint8ClampedArray": "uint8", **{name: kind for kind, name in KINDS.items()}}
    return np.frombuffer(base64.b64decode(value["text"]), kinds[value["kind"]])


@pytest.fixture
def run(chromium, serve):
    """A function of a script's body and its `cases`, beside decode.js in the browser."""
    chromium.open(f"{serve(SITE)}/style.css")

    def go(script, cases):
        body = f"const cases = arguments[0]; return (async () => {{ {IN_BROWSER} {script} }})();"
        return chromium.run(body, json.loads(json.dumps(cases)))

    return go


def rgba(image):
    return np.dstack((image, np.full(image.shape[:2], 255, np.uint8)))


def check_inputs(run, cases, most=0):
    """Compare inputs of (image, rule, height, width of the file's input); at most this difference of a byte."""
    models = [takes(rule, *size) for _, rule, *size in cases]
    given = [{"photo": packed(rgba(image)), "model": model} for (image, *_), model in zip(cases, models, strict=True)]
    for (image, rule, *_), model, got in zip(cases, models, run(PREPARE, given), strict=True):
        expected, place = prepare(image, model)
        assert (tuple(got["dims"]), tuple(got["place"])) == (expected.shape, place), (image.shape, rule)
        made = unpacked(got).reshape(expected.shape).astype(int)
        assert np.abs(made - expected).max() <= most, (image.shape, rule)


def test_inputs_are_those_of_decode_py_byte_for_byte(run):
    cases = []
    for generator, (height, width, *size) in sizes(60, seed=1):
        rule = (Stretch, Letterbox)[len(cases) % 2](size).rule()
        cases.append((photo(generator, height, width), rule, *size))
    generator = np.random.default_rng(0)
    for height, width in ((1, 1), (1, 4000), (4000, 1), (40, 4000)):
        image = generator.integers(0, 256, (height, width, 3)).astype(np.uint8)
        cases += [(image, view([48, 80]).rule(), 48, 80) for view in (Stretch, Letterbox)]
    check_inputs(run, cases)


@pytest.mark.parametrize("interpolation", FILTERS)
def test_resized_and_cropped_inputs_are_those_of_decode_py(run, interpolation):
    cases = []
    for generator, (height, width, down, across) in sizes(25, seed=2):
        image = photo(generator, height, width)
        for resize, crop in (([down, across], None), ([down, across], across), (None, down), (min(down, 60), across)):
            cases.append((image, ResizeCentreCrop(resize, crop, interpolation=interpolation).rule()))
            cases.append((image, {**cases[-1][1], "pillow": 11}))
    check_inputs(run, cases)


def test_a_photo_is_taken_as_it_is_or_refused(run):
    generator = np.random.default_rng(0)
    image = photo(generator, 30, 41)
    check_inputs(run, [(image, {"rule": "none"})])
    said = []
    for model in (takes({"rule": "none"}, 30, 40), takes({"rule": "squeeze"})):
        script = f"try {{ {PREPARE} }} catch (error) {{ return error.message; }}"
        said.append(run(script, [{"photo": packed(rgba(image)), "model": model}]))
    assert said == [
        "it is 30×41 pixels, and the file takes 30×40 (height×width)",
        "model.json: there is no rule squeeze for resizing",
    ]


def test_a_very_large_photo_for_a_file_of_any_size_is_reduced_as_in_mode_predict(run):
    model, (height, width) = takes({"rule": "none"}), (5100, 4930)
    script = """
    const [height, width] = cases[1];
    return prepare({ data: new Uint8Array(height * width * 4), height, width }, cases[0]).dims;
    """
    size = size_seen(model, np.broadcast_to(np.uint8(0), (height, width, 3)))
    assert size is not None and run(script, [model, [height, width]]) == [1, 3, *size]


def check_results(run, cases):
    """Compare the results of (outputs by name, model, size, place)."""
    given = [
        {"outputs": {name: packed(value) for name, value in outputs.items()}, "model": model, "size": size}
        | {"place": place, "row": 0}
        for outputs, model, size, place in cases
    ]
    for (outputs, model, size, place), got in zip(cases, run(DECODE, given), strict=True):
        expected = decode(outputs, model, size, place)
        found = {task: {role: unpacked(value) for role, value in own} for task, own in got}
        assert found.keys() == expected.keys()
        for task, own in expected.items():
            assert found[task].keys() == own.keys()
            if "boxes" not in own:
                for role, values in own.items():
                    np.testing.assert_array_equal(found[task][role].reshape(values.shape), values)
                continue
            assert len(own["labels"]) > 0
            np.testing.assert_array_equal(found[task]["labels"], own["labels"])
            np.testing.assert_allclose(found[task]["scores"], own["scores"], rtol=1e-6)
            np.testing.assert_allclose(found[task]["boxes"].reshape(-1, 4), own["boxes"], rtol=1e-6, atol=1e-4)


@pytest.mark.parametrize("form", ["raw", "decoded", "final"])
def test_boxes_are_those_of_decode_py(run, form):
    cases = []
    for loss in (SoftmaxMultiBox, FocalMultiBox):
        task = detect_task(loss(), overlap=0.4, per_class=60, detections=25)
        for fit in (None, Stretch([HEIGHT, WIDTH]), Letterbox([HEIGHT, WIDTH])):
            model, outputs = manifest(task, fit, form)
            height, width = (HEIGHT, WIDTH) if fit is None else (211, 140)
            place = (0, 0, WIDTH, HEIGHT) if fit is None else fit.place(height, width)
            cases += [(outputs(raw_boxes(task, seed)), model, (height, width), place) for seed in range(4)]
        task = detect_task(loss(), threshold=0.2, overlap=0.4, detections=900)  # down to the threshold
        model, outputs = manifest(task, None, form)
        cases.append((outputs(raw_boxes(task, 5)), model, (HEIGHT, WIDTH), (0, 0, WIDTH, HEIGHT)))
    check_results(run, cases)


def test_equal_scores_and_overlaps_at_the_limit_are_settled_alike(run):
    generator, cases = np.random.default_rng(0), []
    for select in (
        {"threshold": 0.0, "overlap": 0.5, "per_class": 7, "detections": 40},
        {"threshold": 0.3, "overlap": 0.55, "per_class": 300, "detections": 5},
        {"threshold": 0.7, "overlap": 0.5, "per_class": 10, "detections": 300},
    ):
        names = {"outputs": {"boxes": "boxes", "scores": "scores"}, "select": select}
        model = {**takes({"rule": "none"}), "tasks": {"detect": names}}
        for count in (1, 30, 400):
            scores = (generator.integers(0, 8, (1, count, 3)) / 8).astype(np.float32)
            scores[0, 0] = 0.875
            corners = generator.integers(0, 12, (1, count, 4)).astype(np.float32)  # whole pixels, some boxes empty
            boxes = np.concatenate((corners[..., :2], corners[..., :2] + corners[..., 2:]), 2)
            cases.append(({"boxes": boxes, "scores": scores}, model, (24, 24), (0, 0, 24, 24)))
    boxes = np.array([[[0, 0, 20, 1], [0, 0, 11, 1], [0, 5, 2, 6], [0, 5, 1, 6]]], np.float32)
    scores = np.array([[[0.9], [0.8], [0.7], [0.6]]], np.float32)
    for overlap in (0.55, 0.5500001, 0.5):  # 11/20 is above 0.55 in float32; 1/2 is not above 0.5
        select = {"threshold": 0.1, "overlap": overlap, "per_class": 9, "detections": 9}
        names = {"outputs": {"boxes": "boxes", "scores": "scores"}, "select": select}
        model = {**takes({"rule": "none"}), "tasks": {"detect": names}}
        cases.append(({"boxes": boxes, "scores": scores}, model, (20, 20), (0, 0, 20, 20)))
    check_results(run, cases)


def test_label_maps_are_those_of_decode_py(run):
    cases, generator = [], torch.Generator().manual_seed(0)
    for form in ("raw", "decoded"):
        model, outputs = manifest(segment_task(), Stretch([HEIGHT, WIDTH]), form)
        for cells in ((6, 10), (1, 1), (12, 20)):
            given = outputs(4 * torch.randn(1, 5, *cells, generator=generator))
            sides = ((96, 160), (95, 33), (5, 200), (1, 1), (333, 250))
            cases += [(given, model, size, (0, 0, WIDTH, HEIGHT)) for size in sides]
    model, _ = manifest(segment_task(), None, "raw")
    steps = np.random.default_rng(0).integers(0, 3, (1, 5, 12, 20)).astype(np.float32)
    for logits in (np.zeros_like(steps), 3 + steps * np.float32(2**-22)):  # equal; equal but for the last bit
        cases.append(({"logits": logits}, model, (131, 77), (0, 0, 77, 131)))
    check_results(run, cases)


def test_logits_of_the_whole_image_stay(run):
    model = {"tasks": {"classify": {"outputs": {"logits": "all"}}, "multilabel": {"outputs": {"logits": "any"}}}}
    outputs = {"all": np.array([[1, 2, 3]], np.float32), "any": np.array([[4, 5]], np.float32)}
    check_results(run, [(outputs, model, (9, 9), (0, 0, 9, 9))])


def test_probabilities_are_those_of_mode_predict(run):
    logits = np.array([3.0, -1.5, 0.25], np.float32)
    script = """
    const { probabilities } = await import(location.origin + "/decode.js");
    return cases.map(([name, task, found]) => probabilities(name, task, found));
    """
    named = {"classes": ["a", "b", "c"]}
    asked = [
        ["classify", {**named, "temperature": 1.7}, {"logits": logits.tolist()}],
        ["multilabel", named, {"logits": logits.tolist()}],
        ["classify", named, {"probabilities": [0.5, 0.2, 0.3]}],
        ["plugin", named, {"logits": logits.tolist()}],
    ]
    cooled, free, given, unknown = run(script, asked)
    expected = {number: share for number, _, share in ClassifyOutput(["a", "b", "c"], 1.7).ranked({"logits": logits})}
    np.testing.assert_allclose(cooled, [expected[number] for number in range(3)], rtol=1e-12)
    np.testing.assert_allclose(free, probabilities({"logits": logits}), rtol=1e-12)
    assert given == [0.5, 0.2, 0.3] and unknown is None


def test_node_imports_it_too(tmp_path):
    if not shutil.which("node"):
        pytest.skip("no Node here")
    shutil.copytree(SITE, tmp_path / "page")
    (tmp_path / "page" / "package.json").write_text('{"type": "module"}')
    image = np.random.default_rng(0).integers(0, 256, (1, 1, 3)).astype(np.uint8)
    model = takes(Letterbox([8, 6]).rule(), 8, 6)
    script = f"""
    import {{ prepare }} from "./page/decode.js";
    const data = new Uint8Array({rgba(image).ravel().tolist()});
    console.log(JSON.stringify([...prepare({{ data, width: 1, height: 1 }}, {json.dumps(model)}).image]));
    """
    (tmp_path / "try.mjs").write_text(script)
    done = subprocess.run(["node", "try.mjs"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == prepare(image, model)[0].ravel().tolist()


WRONG = [  # keys of model.json, a value that is wrong there, and what the page says
    ("input.resize", None, "input.resize has no rule"),
    ("input.resize.rule", "squeeze", 'input.resize: there is no rule "squeeze" for resizing'),
    ("input.resize.height", "8", 'input.resize.height "8" is not a whole number from 1 on'),
    ("input.height", 2.5, "input.height 2.5 is not a whole number from 1 on, or null"),
    ("input.upright", "yes", 'input.upright "yes" is not true or false'),
    ("input", [], "input is no table of names and values"),
    ("outputs", None, "outputs null is not one of raw, decoded, final"),
    ("precision", "fp8", 'precision "fp8" is not one of fp32, fp16, bf16, int8'),
    ("file", 3, "file is no name of an .onnx file"),
    ("tasks", {}, "tasks is no table of tasks"),
    ("tasks.detect", 3, "tasks.detect is no table of names and values"),
    ("tasks.detect.outputs", {"logits": "a"}, "tasks.detect.outputs are not logits, offsets, as raw outputs are"),
    ("tasks.detect.outputs.logits", 3, "tasks.detect.outputs {"),
    ("tasks.detect.classes", [], "tasks.detect.classes is no list of classes"),
    ("tasks.detect.classes", [None], "tasks.detect.classes[0] null is no class of detect"),
    ("tasks.detect.threshold", 2, "tasks.detect.threshold 2 is not a number from 0 to 1, or null"),
    ("tasks.detect.select", None, "tasks.detect.select is no table of names and values"),
    ("tasks.detect.select.overlap", "x", 'tasks.detect.select.overlap "x" is not a number from 0 to 1'),
    ("tasks.detect.select.detections", 0, "tasks.detect.select.detections 0 is not a whole number from 1 on, 100000"),
    ("tasks.detect.score", None, "tasks.detect.score null is not one of softmax, sigmoid"),
    ("tasks.detect.holes", [99], "tasks.detect.holes [99] are not numbers of classes"),
    ("tasks.detect.weights", [1, 2, 3], "tasks.detect.weights [1,2,3] are not four numbers above 0"),
    ("tasks.detect.largest", None, "tasks.detect.largest null is not a number between 0 and 80"),
    ("tasks.detect.anchors", None, "tasks.detect.anchors.cells (nothing) are not [rows, columns] of each map"),
    ("tasks.detect.anchors.shapes", [], "tasks.detect.anchors.shapes [] are not [[width, height], …] of each map"),
]


def described(task, fit):
    """A whole model.json that Python takes."""
    model = manifest(task, fit)[0]
    model["input"] |= {"batch": 1, "upright": True}
    for name, entry in model["tasks"].items():
        entry["outputs"] = {role: f"{name}_{role}" for role in entry["outputs"]}
    own = {"format": 1, "task": task.name, "file": "model.onnx", "runtime": "onnx", "precision": "fp32"}
    return own | {"outputs": "raw", "sha256": {"model.onnx": "0"}} | model


def test_what_is_wrong_with_model_json_is_said_in_one_line(run):
    view = Letterbox([HEIGHT, WIDTH])
    model, areas = described(detect_task(SoftmaxMultiBox()), view), described(segment_task(), view)
    assert problem_of(model) == problem_of(areas) == ""
    cases = [model, areas, None, *(changed(model, key, value) for key, value, _ in WRONG)]
    cases += [changed(areas, "tasks.segment.classes", ["road"]), changed(model, "input.resize.interpolation", None)]
    script = "const { problemOf } = await import(location.origin + '/model.js'); return cases.map(problemOf);"
    right, also, nothing, *said, named, default = run(script, cases)
    assert right == also == default == "" and nothing == "it is no table of names and values"
    assert named == 'tasks.segment.classes[0] "road" is no class of segment'
    for (key, value, start), line in zip(WRONG, said, strict=True):
        assert line.startswith(start) and "\n" not in line, (key, line)
        assert problem_of(changed(model, key, value)), f"Python takes {key}={value}"


def test_an_interpolation_of_null_is_the_default_as_in_decode_py(run):
    image = photo(np.random.default_rng(0), 30, 41)
    check_inputs(run, [(image, {**Stretch([48, 80]).rule(), "interpolation": None}, 48, 80)])


def test_classes_and_outputs_that_the_file_does_not_have(run):
    model = described(segment_task(5), Stretch([HEIGHT, WIDTH]))
    logits = packed(np.zeros((1, 4, 3, 5), np.float32))
    case = {"model": model, "size": [30, 41], "place": [0, 0, WIDTH, HEIGHT], "row": 0}
    script = f"try {{ {DECODE} }} catch (error) {{ return error.message; }}"
    said = [run(script, [{**case, "outputs": {name: logits}}]) for name in ("segment_logits", "other")]
    assert said == [
        "model.json: tasks.segment.classes are 5, and the file gives 4",
        "model.json: the file has no output segment_logits, as tasks.segment.outputs says",
    ]
