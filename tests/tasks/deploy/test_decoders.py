"""decode.js in Node and decode.hpp, compiled here, against decode.py: the same bytes, label maps and boxes."""

import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tasks.classify.output import ClassifyOutput
from tasks.data.files.images import read_rgb
from tasks.data.transforms.letterbox import Letterbox, Stretch
from tasks.data.transforms.resize import FILTERS, ResizeCentreCrop
from tasks.deploy.decode import prepare
from tasks.deploy.golden import of_golden, write_golden
from tasks.detect.multibox import FocalMultiBox, SoftmaxMultiBox
from tasks.multilabel.output import probabilities
from tests.tasks.deploy import test_decoders_model
from tests.tasks.deploy.conftest import noise
from tests.tasks.deploy.decoder_cases import (
    Case,
    check_found,
    check_inputs,
    check_results,
    compiled,
    started,
    tried,
    whole,
)
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

ODD = ((1, 1), (1, 4000), (4000, 1), (4000, 3), (3, 4000), (40, 4000), (2, 1), (1201, 1600))  # heights, widths


def test_inputs_of_odd_photos(decoder, tmp_path):
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
    check_inputs(decoder, cases, tmp_path)


def test_the_caller_turns_the_photo(decoder, tmp_path):
    """Decoders see pixels: EXIF's orientation is applied by who reads the file, here as mode=predict reads it."""
    generator, exif = np.random.default_rng(6), Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.fromarray(photo(generator, 24, 36)).save(tmp_path / "a.jpg", exif=exif)
    upright, lying = (read_rgb(tmp_path / "a.jpg", upright=upright) for upright in (True, False))
    assert upright.shape == (36, 24, 3) and lying.shape == (24, 36, 3)
    rule = takes(Letterbox([20, 30]).rule(), 20, 30)
    check_inputs(decoder, [(upright, rule), (lying, rule)], tmp_path)


def test_inputs_of_many_sizes(decoder, tmp_path):
    cases = []
    for generator, (height, width, *size) in sizes(60, seed=1):
        rule = (Stretch, Letterbox)[len(cases) % 2](size).rule()
        cases.append((photo(generator, height, width), takes(rule, *size)))
    check_inputs(decoder, cases, tmp_path)


@pytest.mark.parametrize("interpolation", FILTERS)
def test_inputs_that_pillow_resizes(decoder, interpolation, tmp_path):
    cases = []
    for generator, (height, width, down, across) in sizes(25, seed=2):
        image = photo(generator, height, width)
        for resize, crop in (([down, across], None), ([down, across], across), (None, down), (min(down, 60), across)):
            rule = ResizeCentreCrop(resize, crop, interpolation=interpolation).rule()
            cases += [(image, takes(rule)), (image, takes({**rule, "pillow": 11}))]
    check_inputs(decoder, cases, tmp_path)


def test_a_pixel_of_four_bytes_and_colours_that_come_last(decoder, tmp_path):
    """RGBA, as screens and browsers have it; NHWC, as LiteRT files may take it."""
    image = photo(np.random.default_rng(3), 31, 47)
    model = takes(Letterbox([24, 40]).rule(), 24, 40)
    expected, _ = prepare(image, model)
    last = whole({**model, "input": {**model["input"], "layout": "NHWC"}})
    rgba = np.dstack((image, np.full(image.shape[:2], 7, np.uint8)))
    four, nhwc = tried(decoder, [Case(whole(model), rgba), Case(last, rgba)], tmp_path)
    np.testing.assert_array_equal(four["input"].reshape(expected.shape), expected)
    assert nhwc["dims"].tolist() == [1, 24, 40, 3]
    np.testing.assert_array_equal(nhwc["input"].reshape(1, 24, 40, 3), expected.transpose(0, 2, 3, 1))


def test_photos_that_are_none_or_do_not_fit(decoder, tmp_path):
    image = photo(np.random.default_rng(0), 30, 41)
    fixed, free = whole(takes({"rule": "none"}, 30, 40)), whole(takes(Stretch([8, 8]).rule()))
    cases = [Case(fixed, image), Case(free, image[..., :1]), Case(free, image[..., :2]), Case(free, image[:0])]
    said = [got["error"] for got in tried(decoder, cases, tmp_path)]
    assert said[0] == "it is 30×41 pixels, and the file takes 30×40 (height×width)"
    assert all("RGB" in line or "empty" in line for line in said[1:]) and not any("\n" in line for line in said)


@pytest.mark.parametrize("form", ["raw", "decoded", "final"])
def test_boxes(decoder, form, tmp_path):
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
    check_results(decoder, cases, tmp_path)


def candidates(boxes: np.ndarray, scores: np.ndarray, **select: float) -> Case:
    """Boxes and scores before suppression."""
    names = {"outputs": {"boxes": "boxes", "scores": "scores"}, "select": select}
    names["classes"] = [{"name": str(number), "id": number} for number in range(scores.shape[2])]
    model = whole({**takes({"rule": "none"}), "tasks": {"detect": names}}, "decoded")
    return Case(model, None, {"boxes": boxes, "scores": scores}, (24, 24), (0, 0, 24, 24))


def test_equal_scores_and_overlaps_at_the_limit(decoder, tmp_path):
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
    check_results(decoder, cases, tmp_path)


def test_label_maps(decoder, tmp_path):
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
    check_results(decoder, cases, tmp_path)


def test_what_is_said_of_the_whole_image(decoder, tmp_path):
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
    check_results(decoder, [case, ready], tmp_path / "a")
    got, also = tried(decoder, [case, ready], tmp_path / "b")
    expected = {number: share for number, _, share in ClassifyOutput(names, 1.7).ranked({"logits": logits[1]})}
    np.testing.assert_allclose(got["classify.shares"], [expected[number] for number in range(3)], rtol=1e-12)
    np.testing.assert_allclose(got["multilabel.shares"], probabilities({"logits": logits[1]}), rtol=1e-12)
    np.testing.assert_array_equal(also["classify.shares"].astype(np.float32), shares[0])


@pytest.mark.parametrize("form", ["raw", "decoded", "final"])
def test_the_golden_files_of_an_export(decoder, shipped, form, tmp_path):
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
    found = tried(decoder, cases, tmp_path / "cases")
    for golden, got in zip(sorted((tmp_path / "golden").iterdir()), found, strict=True):
        seen, labels = np.load(golden / "input.npy"), np.asarray(Image.open(golden / "labels.png"))
        np.testing.assert_array_equal(got["input"].reshape(seen.shape), seen)
        np.testing.assert_array_equal(got["segment.labels"].reshape(labels.shape), labels)
        expected = json.loads((golden / "expected.json").read_text())
        assert len(expected["detect"]["labels"]) == 40
        for task, own in expected.items():
            check_found({role: got[f"{task}.{role}"] for role in own}, {k: np.array(v) for k, v in own.items()})


def edited_array(path: Path) -> None:
    np.save(path, np.roll(np.load(path), 1, -1))


def edited_scores(path: Path) -> None:
    told = json.loads(path.read_text())
    told["detect"]["scores"] = [score * 0.55 for score in told["detect"]["scores"]]
    path.write_text(json.dumps(told))


GOLDEN = {  # what is done to one golden file, and what is said of it
    "segment_logits.npy": (edited_array, "segment_logits.npy is not what the file gives for it"),
    "input.npy": (edited_array, "input.npy is not what decode.py makes of image.png"),
    "detect_offsets.npy": (lambda path: np.save(path, np.zeros((1, 3))), "needs"),
    "image.png": (Path.unlink, "cannot read image"),
    "labels.png": (lambda path: Image.new("L", (150, 70)).save(path), "the results of segment are not"),
    "expected.json": (edited_scores, "the results of detect are not what decode.py makes"),
    "classify_logits.npy": (lambda path: path.write_bytes(b"no array"), "pickle"),
}


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_files_of_another_file_are_found(shipped, name, tmp_path):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    file, (edit, said) = shipped("onnx", "raw"), GOLDEN[name]
    (tmp_path / "model.json").write_text(json.dumps(file.manifest))
    write_golden(file.manifest, file.runner, [noise(1, (70, 150))[0].permute(1, 2, 0).numpy()] * 2, tmp_path / "golden")
    path = tmp_path / file.manifest["file"]
    (row,) = of_golden(path, file.manifest, file.runner)
    assert row.holds and row.what == "golden: 2 images"
    edit(tmp_path / "golden" / "001" / name)
    (row,) = of_golden(path, file.manifest, file.runner)
    assert not row.holds and row.what == "golden/001" and said in row.note, row
    assert not of_golden(path.with_name("other.onnx"), file.manifest, file.runner)


def test_with_all_checks_of_the_compiler_and_fused_instructions(tmp_path):
    """Nothing is read or written out of bounds, nothing overflows; -march=native changes no result."""
    try:
        path = compiled(tmp_path, "-O2", "-march=native", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    except AssertionError as error:
        if "sanitize" not in str(error) and "-lasan" not in str(error):
            raise
        pytest.skip("g++ has no sanitizers here")

    def decoder(folders: Iterable[Path]) -> None:
        started(path, *folders)

    test_inputs_of_odd_photos(decoder, tmp_path / "odd")
    test_inputs_of_many_sizes(decoder, tmp_path / "sizes")
    test_inputs_that_pillow_resizes(decoder, "lanczos", tmp_path / "lanczos")
    test_photos_that_are_none_or_do_not_fit(decoder, tmp_path / "none")
    for form in ("raw", "decoded", "final"):
        test_boxes(decoder, form, tmp_path / form)
    test_label_maps(decoder, tmp_path / "maps")
    test_decoders_model.test_what_is_wrong_with_model_json(decoder, tmp_path / "wrong")
    test_decoders_model.test_what_is_no_json(decoder, tmp_path / "broken")
    test_decoders_model.test_outputs_that_are_not_as_described(decoder, tmp_path / "others")
