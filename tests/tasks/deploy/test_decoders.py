"""decode.js in Node and decode.hpp, compiled here, against decode.py: the same bytes, label maps and boxes."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

from tasks.checkpoint.manifest_rules import problem_of
from tasks.classify.output import ClassifyOutput
from tasks.data.transforms.letterbox import Letterbox, Stretch
from tasks.data.transforms.resize import FILTERS, ResizeCentreCrop
from tasks.deploy.decode import decode, prepare
from tasks.deploy.decoders import DECODERS
from tasks.deploy.golden import write_golden
from tasks.detect.multibox import FocalMultiBox, SoftmaxMultiBox
from tasks.multilabel.output import probabilities
from tests.tasks.deploy.conftest import noise
from tests.tasks.deploy.test_decode import (
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

HERE = Path(__file__).parent / "decoders"
NPY = DECODERS["decode.js"].with_name("npy.js")
STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow")
Run = Callable[[Iterable[Path]], None]


class Case(NamedTuple):
    """What a decoder is given.

    Attributes:
        model: as much of model.json as the decoders read.
        image: for prepare(); None for none.
        outputs: for decode(), with the photo's (height, width), its place and the row; None for none.
    """

    model: dict[str, Any]
    image: np.ndarray | None = None
    outputs: dict[str, np.ndarray] | None = None
    size: tuple[int, int] = (1, 1)
    place: tuple[int, int, int, int] = (0, 0, 1, 1)
    row: int = 0


def compiled(folder: Path, *options: str) -> Path:
    """The program of the cases, from decode.hpp as it is shipped."""
    if not shutil.which("g++"):
        pytest.skip("no g++ here")
    program = folder / "cases"
    words = ("g++", "-std=c++17", *options, *STRICT, f"-I{DECODERS['decode.hpp'].parent}", HERE / "cases.cpp")
    done = subprocess.run((*words, "-o", program), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


@pytest.fixture(scope="session")
def program(tmp_path_factory) -> Path:
    return compiled(tmp_path_factory.mktemp("compiled"), "-O1")


def started(*words: str | Path) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr


@pytest.fixture(params=["c++", "node"])
def run(request) -> Run:
    """A function that lets a decoder try the cases of some folders."""
    if request.param == "c++":
        path = request.getfixturevalue("program")
        return lambda folders: started(path, *folders)
    if not shutil.which("node"):
        pytest.skip("no Node here")
    return lambda folders: started("node", HERE / "cases.mjs", DECODERS["decode.js"], NPY, *folders)


def whole(model: dict[str, Any], form: str = "raw") -> dict[str, Any]:
    """A model.json of all that the decoders need."""
    tasks = model.get("tasks") or {"classify": {"outputs": {"logits": "none"}, "classes": ["a"]}}
    takes = {"upright": True, **model["input"]}
    return {"file": "model.onnx", "outputs": form, "precision": "fp32", **model, "input": takes, "tasks": tasks}


def written(case: Case, folder: Path) -> Path:
    """A case's folder."""
    (folder / "got").mkdir(parents=True)
    (folder / "outputs").mkdir()
    (folder / "model.json").write_text(json.dumps(case.model), encoding="utf-8")
    if case.image is not None:
        np.save(folder / "photo.npy", case.image)
    if case.outputs is not None:
        np.save(folder / "where.npy", np.array([*case.size, *case.place, case.row], np.int32))
        for name, values in case.outputs.items():
            np.save(folder / "outputs" / f"{name}.npy", np.ascontiguousarray(values))
    return folder


def tried(run: Run, cases: Iterable[Case], folder: Path) -> list[dict[str, Any]]:
    """What a decoder gives for cases: arrays by name, or {"error": what it says}."""
    folders = [written(case, folder / f"{number:03}") for number, case in enumerate(cases)]
    run(folders)
    got = []
    for each in folders:
        error = each / "got" / "error.txt"
        found = {path.stem: np.load(path) for path in sorted((each / "got").glob("*.npy"))}
        got.append({"error": error.read_text(encoding="utf-8")} if error.exists() else found)
    return got


def check_inputs(run: Run, cases: list[tuple[np.ndarray, dict[str, Any]]], folder: Path) -> None:
    """Compare inputs, byte for byte, of (image, model)."""
    for (image, model), got in zip(cases, tried(run, [Case(whole(m), i) for i, m in cases], folder), strict=True):
        expected, place = prepare(image, model)
        told = (image.shape, model["input"], got.get("error"))
        assert (tuple(got["dims"]), tuple(got["place"])) == (expected.shape, place), told
        np.testing.assert_array_equal(got["input"].reshape(expected.shape), expected, str(told))


def check_results(run: Run, cases: list[Case], folder: Path) -> None:
    """Compare results: labels and label maps are equal, scores to 1e-6 of themselves, boxes to 1e-4 pixels."""
    for case, got in zip(cases, tried(run, cases, folder), strict=True):
        assert case.outputs is not None and "error" not in got, got
        for task, own in decode(case.outputs, case.model, case.size, case.place, case.row).items():
            check_found({role: got[f"{task}.{role}"] for role in own}, own)


def check_found(got: dict[str, np.ndarray], own: dict[str, np.ndarray]) -> None:
    if "boxes" not in own:
        for role, values in own.items():
            np.testing.assert_array_equal(got[role].reshape(values.shape), values)
        return
    np.testing.assert_array_equal(got["labels"], own["labels"])
    np.testing.assert_allclose(got["scores"], own["scores"], rtol=1e-6)
    np.testing.assert_allclose(got["boxes"].reshape(-1, 4), own["boxes"], rtol=1e-6, atol=1e-4)


ODD = ((1, 1), (1, 4000), (4000, 1), (4000, 3), (3, 4000), (40, 4000), (2, 1), (1201, 1600))  # heights, widths


def test_inputs_of_odd_photos(run, tmp_path):
    """Of one pixel, of one row, very tall, very wide: stretched, letterboxed, cropped, from RGB bytes."""
    generator, cases = np.random.default_rng(0), []
    for height, width in ODD:
        image = generator.integers(0, 256, (height, width, 3)).astype(np.uint8)
        cases += [(image, takes(view([48, 80]).rule(), 48, 80)) for view in (Stretch, Letterbox)]
        cases.append((image, takes(ResizeCentreCrop([40, 60], 44).rule(), 44, 44)))
        if max(height, width) < 100 * min(height, width):
            cases.append((image, takes(ResizeCentreCrop(40, 33).rule(), 33, 33)))
        cases.append((image, takes(ResizeCentreCrop(None, 50).rule(), 50, 50)))
        cases.append((image, takes({"rule": "none"})))
    check_inputs(run, cases, tmp_path)


def test_inputs_of_many_sizes(run, tmp_path):
    cases = []
    for generator, (height, width, *size) in sizes(60, seed=1):
        rule = (Stretch, Letterbox)[len(cases) % 2](size).rule()
        cases.append((photo(generator, height, width), takes(rule, *size)))
    check_inputs(run, cases, tmp_path)


@pytest.mark.parametrize("interpolation", FILTERS)
def test_inputs_that_pillow_resizes(run, interpolation, tmp_path):
    cases = []
    for generator, (height, width, down, across) in sizes(25, seed=2):
        image = photo(generator, height, width)
        for resize, crop in (([down, across], None), ([down, across], across), (None, down), (min(down, 60), across)):
            rule = ResizeCentreCrop(resize, crop, interpolation=interpolation).rule()
            cases += [(image, takes(rule)), (image, takes({**rule, "pillow": 11}))]
    check_inputs(run, cases, tmp_path)


def test_a_pixel_of_four_bytes_and_colours_that_come_last(run, tmp_path):
    """RGBA, as screens and browsers have it; NHWC, as LiteRT files may take it."""
    image = photo(np.random.default_rng(3), 31, 47)
    model = takes(Letterbox([24, 40]).rule(), 24, 40)
    expected, _ = prepare(image, model)
    last = whole({**model, "input": {**model["input"], "layout": "NHWC"}})
    rgba = np.dstack((image, np.full(image.shape[:2], 7, np.uint8)))
    four, nhwc = tried(run, [Case(whole(model), rgba), Case(last, rgba)], tmp_path)
    np.testing.assert_array_equal(four["input"].reshape(expected.shape), expected)
    assert nhwc["dims"].tolist() == [1, 24, 40, 3]
    np.testing.assert_array_equal(nhwc["input"].reshape(1, 24, 40, 3), expected.transpose(0, 2, 3, 1))


def test_photos_that_are_none_or_do_not_fit(run, tmp_path):
    image = photo(np.random.default_rng(0), 30, 41)
    fixed, free = whole(takes({"rule": "none"}, 30, 40)), whole(takes(Stretch([8, 8]).rule()))
    cases = [Case(fixed, image), Case(free, image[..., :1]), Case(free, image[..., :2]), Case(free, image[:0])]
    said = [got["error"] for got in tried(run, cases, tmp_path)]
    assert said[0] == "it is 30×41 pixels, and the file takes 30×40 (height×width)"
    assert all("RGB" in line or "empty" in line for line in said[1:]) and not any("\n" in line for line in said)


@pytest.mark.parametrize("form", ["raw", "decoded", "final"])
def test_boxes(run, form, tmp_path):
    cases = []
    for loss in (SoftmaxMultiBox, FocalMultiBox):
        task = detect_task(loss(), overlap=0.4, per_class=60, detections=25)
        for fit in (None, Stretch([HEIGHT, WIDTH]), Letterbox([HEIGHT, WIDTH])):
            model, outputs = manifest(task, fit, form)
            size = (HEIGHT, WIDTH) if fit is None else (211, 140)
            place = (0, 0, WIDTH, HEIGHT) if fit is None else fit.place(*size)
            cases += [Case(whole(model, form), None, outputs(raw_boxes(task, seed)), size, place) for seed in range(3)]
        task = detect_task(loss(), threshold=0.2, overlap=0.4, detections=900)  # down to the threshold
        model, outputs = manifest(task, None, form)
        cases.append(
            Case(whole(model, form), None, outputs(raw_boxes(task, 5)), (HEIGHT, WIDTH), (0, 0, WIDTH, HEIGHT))
        )
    check_results(run, cases, tmp_path)


def candidates(boxes: np.ndarray, scores: np.ndarray, **select: float) -> Case:
    """Boxes and scores before suppression."""
    names = {"outputs": {"boxes": "boxes", "scores": "scores"}, "select": select}
    names["classes"] = [{"name": str(number), "id": number} for number in range(scores.shape[2])]
    model = whole({**takes({"rule": "none"}), "tasks": {"detect": names}}, "decoded")
    return Case(model, None, {"boxes": boxes, "scores": scores}, (24, 24), (0, 0, 24, 24))


def test_equal_scores_and_overlaps_at_the_limit(run, tmp_path):
    generator, cases = np.random.default_rng(0), []
    for threshold, overlap, per_class, detections in ((0.0, 0.5, 7, 40), (0.3, 0.55, 300, 5), (0.9, 0.5, 10, 300)):
        select = {"threshold": threshold, "overlap": overlap, "per_class": per_class, "detections": detections}
        for count in (1, 30, 400):
            scores = (generator.integers(0, 8, (1, count, 3)) / 8).astype(np.float32)
            corners = generator.integers(0, 12, (1, count, 4)).astype(np.float32)  # whole pixels, some boxes empty
            boxes = np.concatenate((corners[..., :2], corners[..., :2] + corners[..., 2:]), 2)
            cases.append(candidates(boxes, scores, **select))
    boxes = np.array([[[0, 0, 20, 1], [0, 0, 11, 1], [0, 5, 2, 6], [0, 5, 1, 6]]], np.float32)
    scores = np.array([[[0.9], [0.8], [0.7], [0.6]]], np.float32)
    cases += [  # 11/20 is above 0.55 in float32; 1/2 is not above 0.5
        candidates(boxes, scores, threshold=0.1, overlap=overlap, per_class=9, detections=9)
        for overlap in (0.55, 0.5500001, 0.5)
    ]
    check_results(run, cases, tmp_path)


def test_label_maps(run, tmp_path):
    cases, generator = [], torch.Generator().manual_seed(0)
    for form in ("raw", "decoded"):
        model, outputs = manifest(segment_task(), Stretch([HEIGHT, WIDTH]), form)
        for cells in ((6, 10), (1, 1), (12, 20)):
            given = outputs(4 * torch.randn(1, 5, *cells, generator=generator))
            sides = ((96, 160), (95, 33), (5, 200), (1, 1), (1, 4000), (4000, 3), (333, 250))
            cases += [Case(whole(model, form), None, given, size, (0, 0, WIDTH, HEIGHT)) for size in sides]
    model, _ = manifest(segment_task(), None, "raw")
    steps = np.random.default_rng(0).integers(0, 3, (1, 5, 12, 20)).astype(np.float32)
    for logits in (np.zeros_like(steps), 3 + steps * np.float32(2**-22)):  # equal; equal but for the last bit
        cases.append(Case(whole(model), None, {"logits": logits}, (131, 77), (0, 0, 77, 131)))
    check_results(run, cases, tmp_path)


def test_what_is_said_of_the_whole_image(run, tmp_path):
    """Logits stay, or become probabilities as in mode=predict; the row of a batch."""
    logits = np.array([[9, 9, 9], [3.0, -1.5, 0.25]], np.float32)
    names = ["a", 'ü\n"', "猫😀"]
    tasks = {
        "classify": {"outputs": {"logits": "all"}, "classes": names, "temperature": 1.7},
        "multilabel": {"outputs": {"logits": "any"}, "classes": names, "threshold": 0.5},
    }
    case = Case(whole({**takes({"rule": "none"}), "tasks": tasks}), None, {"all": logits, "any": logits}, row=1)
    given = {name: {**task, "outputs": {"probabilities": name}} for name, task in tasks.items()}
    shares = np.array([[0.2, 0.7, 0.1]], np.float32)
    ready = Case(whole({**takes({"rule": "none"}), "tasks": given}, "final"), None, dict.fromkeys(tasks, shares))
    check_results(run, [case, ready], tmp_path / "a")
    got, also = tried(run, [case, ready], tmp_path / "b")
    expected = {number: share for number, _, share in ClassifyOutput(names, 1.7).ranked({"logits": logits[1]})}
    np.testing.assert_allclose(got["classify.shares"], [expected[number] for number in range(3)], rtol=1e-12)
    np.testing.assert_allclose(got["multilabel.shares"], probabilities({"logits": logits[1]}), rtol=1e-12)
    np.testing.assert_array_equal(also["classify.shares"].astype(np.float32), shares[0])


@pytest.mark.parametrize("form", ["raw", "decoded", "final"])
def test_the_golden_files_of_an_export(run, shipped, form, tmp_path):
    """Three heads on one network: input.npy from the photo; labels.png and expected.json from the outputs."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    file = shipped("onnx", form)
    images = [each.numpy() for each in noise(2, (70, 150), seed=4).permute(0, 2, 3, 1)]
    write_golden(file.manifest, file.runner, images, tmp_path / "golden")
    cases = []
    for golden in sorted((tmp_path / "golden").iterdir()):
        image = np.asarray(Image.open(golden / "image.png"))
        names = [name for task in file.manifest["tasks"].values() for name in task["outputs"].values()]
        outputs = {name: np.load(golden / f"{name}.npy") for name in names}
        cases.append(Case(file.manifest, image, outputs, image.shape[:2], prepare(image, file.manifest)[1]))
    for golden, got in zip(sorted((tmp_path / "golden").iterdir()), tried(run, cases, tmp_path / "cases"), strict=True):
        seen, labels = np.load(golden / "input.npy"), np.asarray(Image.open(golden / "labels.png"))
        np.testing.assert_array_equal(got["input"].reshape(seen.shape), seen)
        np.testing.assert_array_equal(got["segment.labels"].reshape(labels.shape), labels)
        expected = json.loads((golden / "expected.json").read_text())
        assert len(expected["detect"]["labels"]) == 40
        for task, own in expected.items():
            check_found({role: got[f"{task}.{role}"] for role in own}, {k: np.array(v) for k, v in own.items()})


WRONG = [  # keys of model.json and a value that is wrong there; what is said names the key
    ("input.resize", None),
    ("input.resize.rule", "squeeze"),
    ("input.resize.height", "8"),
    ("input.resize.height", 0),
    ("input.resize.height", 10**9),
    ("input.resize.fill", 256),
    ("input.resize.interpolation", "cubic"),
    ("input.height", 2.5),
    ("input.layout", "HWC"),
    ("input.upright", "yes"),
    ("input", []),
    ("outputs", None),
    ("precision", "fp8"),
    ("tasks", {}),
    ("tasks.detect", 3),
    ("tasks.detect.outputs", {"logits": "a"}),
    ("tasks.detect.outputs.logits", 3),
    ("tasks.detect.classes", []),
    ("tasks.detect.classes", [None]),
    ("tasks.detect.threshold", 2),
    ("tasks.detect.select", None),
    ("tasks.detect.select.overlap", "x"),
    ("tasks.detect.select.detections", 0),
    ("tasks.detect.select.detections", 1e300),
    ("tasks.detect.score", None),
    ("tasks.detect.holes", [99]),
    ("tasks.detect.weights", [1, 2, 3]),
    ("tasks.detect.weights", [1, 2, 3, 0]),
    ("tasks.detect.largest", None),
    ("tasks.detect.anchors", None),
    ("tasks.detect.anchors.shapes", []),
    ("tasks.detect.anchors.cells", [[1, 2, 3]]),
]


def changed(model: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy with another value."""
    model = json.loads(json.dumps(model))
    *path, last = key.split(".")
    node = model
    for word in path:
        node = node[word]
    node[last] = value
    return model


def test_what_is_wrong_with_model_json(run, tmp_path):
    model, _ = manifest(detect_task(SoftmaxMultiBox()), Letterbox([HEIGHT, WIDTH]))
    model = whole(model)
    described = {**model, "format": 1, "task": "detect", "runtime": "onnx", "sha256": {"model.onnx": "0"}}
    described["input"] = {**model["input"], "batch": 1}
    assert problem_of(described) == ""
    got = tried(run, [Case(model), *(Case(changed(model, *each)) for each in WRONG)], tmp_path)
    assert got[0] == {}
    for (key, value), each in zip(WRONG, got[1:], strict=True):
        line = each["error"]
        named = line.startswith((f"model.json: {key}", f"model.json: {key.rpartition('.')[0]}"))
        assert named and "\n" not in line and len(line) < 200, (key, value, line)
        assert problem_of(changed(described, key, value)), f"Python takes {key}={value}"


BROKEN = ("", "{", "[1, 2", '{"a" 1}', '{"a": 1,}', '{"a": 01x}', '{"a": NaN}', '{"a": "b', '{"a": "\\q"}', "{} {}",
          '{"a": "\\u12"}', "nul", "-", '{"a": 1e999}', "[" * 100_000, '{"a": "b\nc"}', "\x00")  # fmt: skip


def test_what_is_no_json(run, tmp_path):
    folders = [written(Case({}), tmp_path / f"{number}") for number in range(len(BROKEN))]
    for folder, text in zip(folders, BROKEN, strict=True):
        (folder / "model.json").write_text(text)
    run(folders)
    for folder, text in zip(folders, BROKEN, strict=True):
        line = (folder / "got" / "error.txt").read_text(encoding="utf-8")
        assert line.startswith("model.json"), (text[:20], line)


def test_outputs_that_are_not_as_described(run, tmp_path):
    """Nothing is read beyond what the file gave."""
    task = detect_task(SoftmaxMultiBox())
    model, outputs = manifest(task, None)
    given = outputs(raw_boxes(task, 0))
    anchors = given["offsets"].shape[1]
    fewer = {**given, "offsets": given["offsets"][:, :-1], "logits": given["logits"][:, :-1]}
    cases = [
        ({"logits": given["logits"]}, "model.json: the file has no output offsets, as tasks.detect.outputs says"),
        (
            {**given, "logits": given["logits"][:, :, 1:]},
            "model.json: tasks.detect.classes are 3, and the file gives 2",
        ),
        (fewer, f"model.json: tasks.detect.anchors are {anchors}, and the file gives {anchors - 1}"),
    ]
    size, place = (HEIGHT, WIDTH), (0, 0, WIDTH, HEIGHT)
    got = tried(run, [Case(whole(model), None, each, size, place) for each, _ in cases], tmp_path)
    for (_, start), each in zip(cases, got, strict=True):
        assert each["error"].startswith(start), each


def test_with_all_checks_of_the_compiler_and_fused_instructions(tmp_path):
    """Nothing is read or written out of bounds, nothing overflows; -march=native changes no result."""
    try:
        path = compiled(tmp_path, "-O2", "-march=native", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    except AssertionError as error:
        if "sanitize" not in str(error) and "-lasan" not in str(error):
            raise
        pytest.skip("g++ has no sanitizers here")

    def run(folders: Iterable[Path]) -> None:
        started(path, *folders)

    test_inputs_of_odd_photos(run, tmp_path / "odd")
    test_inputs_of_many_sizes(run, tmp_path / "sizes")
    test_inputs_that_pillow_resizes(run, "lanczos", tmp_path / "lanczos")
    test_photos_that_are_none_or_do_not_fit(run, tmp_path / "none")
    for form in ("raw", "decoded", "final"):
        test_boxes(run, form, tmp_path / form)
    test_label_maps(run, tmp_path / "maps")
    test_what_is_wrong_with_model_json(run, tmp_path / "wrong")
    test_what_is_no_json(run, tmp_path / "broken")
    test_outputs_that_are_not_as_described(run, tmp_path / "others")
