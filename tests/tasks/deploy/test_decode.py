"""decode.py against what it stands in for: training's view of an image, and Task.predict."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from heads.boxes import Places
from heads.labels import labels_from_logits
from heads.select import Select
from tasks.data.transforms.letterbox import Letterbox, Stretch
from tasks.data.transforms.resize import FILTERS, ResizeCentreCrop
from tasks.deploy import decode as decoder
from tasks.deploy.decode import decode, prepare
from tasks.detect.multibox import FocalMultiBox, SoftmaxMultiBox
from tests.tasks.deploy.brightness import write_folder
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


@pytest.mark.parametrize("view", [Stretch, Letterbox])
def test_inputs_are_the_views_byte_for_byte(view):
    for generator, (height, width, *size) in sizes(60, seed=1):
        image, fit = photo(generator, height, width), view(size)
        seen, place = prepare(image, takes(fit.rule(), *size))
        assert seen.dtype == np.uint8 and seen.shape == (1, 3, *size)
        np.testing.assert_array_equal(seen[0].transpose(1, 2, 0), fit(image), f"{height}×{width} to {size}")
        assert place == fit.place(height, width)


@pytest.mark.parametrize("interpolation", FILTERS)
def test_resized_and_cropped_inputs_are_pillows_byte_for_byte(interpolation):
    for generator, (height, width, down, across) in sizes(40, seed=2):
        image = photo(generator, height, width)
        settings = [([down, across], None), ([down, across], across), (None, down)]
        settings += [(down, across)] if down * max(height, width) / min(height, width) < 1000 else []
        for resize, crop in settings:
            fit = ResizeCentreCrop(resize, crop, interpolation=interpolation)
            seen, (x, y, wide, high) = prepare(image, takes(fit.rule()))
            np.testing.assert_array_equal(seen[0].transpose(1, 2, 0), fit(image), f"{image.shape} {resize} {crop}")
            assert (wide, high) == fit.resized(width, height)
            assert (2 * x + wide - seen.shape[3]) in (-1, 0, 1) and (2 * y + high - seen.shape[2]) in (-1, 0, 1)


def test_an_image_is_taken_as_it_is_or_refused():
    image = photo(np.random.default_rng(0), 30, 41)
    seen, place = prepare(image, takes({"rule": "none"}))
    np.testing.assert_array_equal(seen[0].transpose(1, 2, 0), image)
    assert place == (0, 0, 41, 30)
    with pytest.raises(ValueError, match="30×41 pixels, and the file takes 30×40"):
        prepare(image, takes({"rule": "none"}, 30, 40))
    with pytest.raises(ValueError, match="no rule squeeze"):
        prepare(image, takes({"rule": "squeeze"}))


def places(fit, height, width):
    """How a photo lies in the network's image, for Task.predict."""
    return Places(torch.tensor([fit.place(height, width)]).float(), torch.tensor([[height, width]]).float())


@pytest.mark.parametrize("shape", [(5, 6, 10), (1, 1, 1), (19, 12, 20), (7, 3, 80)])
def test_label_maps_are_those_of_the_task(shape):
    generator = torch.Generator().manual_seed(shape[1])
    logits = 4 * torch.randn(1, *shape, generator=generator)
    for height, width in ((96, 160), (95, 33), (5, 200), (1, 1), (333, 250)):
        expected = labels_from_logits(logits, (height, width))[0].numpy()
        np.testing.assert_array_equal(decoder.upsampled(logits[0].numpy(), (height, width)), expected)


def test_of_equal_logits_the_first_class_wins():
    logits = np.zeros((3, 4, 5), np.float32)
    assert not decoder.upsampled(logits, (9, 11)).any()
    logits[1:, :, 2:] = 1
    np.testing.assert_array_equal(decoder.upsampled(logits, (4, 5)), logits[1].astype(np.uint8))


@pytest.mark.parametrize("form", ["raw", "decoded"])
def test_label_maps_have_the_photos_size(form):
    task, fit = segment_task(), Stretch([HEIGHT, WIDTH])
    model, outputs = manifest(task, fit, form)
    raw = torch.randn(1, 5, HEIGHT // 8, WIDTH // 8, generator=torch.Generator().manual_seed(0))
    lies = places(fit, 130, 77)
    found = decode(outputs(raw), model, (130, 77), fit.place(130, 77))["segment"]["labels"]
    expected = task.from_tensors(task.tensors(raw, (HEIGHT, WIDTH), form), form, (HEIGHT, WIDTH), lies)
    assert found.dtype == np.uint8 and len(np.unique(found)) == 5
    np.testing.assert_array_equal(found, expected[0].numpy())


@pytest.mark.parametrize("loss", [SoftmaxMultiBox, FocalMultiBox])
@pytest.mark.parametrize("form", ["raw", "decoded", "final"])
@pytest.mark.parametrize("fit", [None, Stretch([HEIGHT, WIDTH]), Letterbox([HEIGHT, WIDTH])])
def test_boxes_are_those_of_the_task(loss, form, fit):
    task = detect_task(loss(), overlap=0.4, per_class=60, detections=25)
    model, outputs = manifest(task, fit, form)
    height, width = (HEIGHT, WIDTH) if fit is None else (211, 140)
    for seed in range(4):
        raw = raw_boxes(task, seed)
        lies = None if fit is None else places(fit, height, width)
        tensors = task.tensors(raw, (HEIGHT, WIDTH), form)
        (expected,) = [task.from_tensors(tensors, form, (HEIGHT, WIDTH), lies).of(0)]
        place = (0, 0, WIDTH, HEIGHT) if fit is None else fit.place(height, width)
        found = decode(outputs(raw), model, (height, width), place)["detect"]
        assert len(found["labels"]) == 25 and set(found["labels"]) == {0, 2}, "a class that is none is never found"
        np.testing.assert_array_equal(found["labels"], expected[2].numpy())
        np.testing.assert_allclose(found["scores"], expected[1].numpy(), rtol=1e-5)
        np.testing.assert_allclose(found["boxes"], expected[0].numpy(), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    "select",
    [
        {"threshold": 0.0, "overlap": 0.5, "per_class": 7, "detections": 40},
        {"threshold": 0.3, "overlap": 0.55, "per_class": 300, "detections": 5},
        {"threshold": 0.9, "overlap": 0.5, "per_class": 10, "detections": 300},
    ],
)
def test_equal_scores_and_overlaps_at_the_limit_are_settled_alike(select):
    generator, rule = np.random.default_rng(0), Select(**select)
    for count in (0, 1, 30, 400):
        scores = (generator.integers(0, 8, (1, count, 3)) / 8).astype(np.float32)
        corners = generator.integers(0, 12, (1, count, 4)).astype(np.float32)  # whole pixels, some boxes empty
        boxes = np.concatenate((corners[..., :2], corners[..., :2] + corners[..., 2:]), 2)
        expected = rule.of_boxes(torch.from_numpy(scores), torch.from_numpy(boxes), (24, 24)).of(0)
        found = decoder.selected(boxes[0], scores[0], select)
        for ours, theirs in zip(found, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs.numpy())


def test_an_overlap_of_just_the_limit_is_settled_as_float32_has_it():
    boxes = np.array([[0, 0, 20, 1], [0, 0, 11, 1]], np.float32)
    scores = np.array([[0.9], [0.8]], np.float32)  # 11/20 is above 0.55 in float32
    for overlap, kept in ((0.55, 1), (0.5500001, 2)):
        select = {"threshold": 0.1, "overlap": overlap, "per_class": 9, "detections": 9}
        expected = Select(**select).of_boxes(torch.from_numpy(scores)[None], torch.from_numpy(boxes)[None], (1, 20))
        found, _, _ = decoder.selected(boxes, scores, select)
        assert len(found) == len(expected.boxes[0]) == kept


def test_a_rows_outputs_and_a_class():
    model = {"tasks": {"classify": {"outputs": {"probabilities": "classify_probabilities"}}}}
    outputs = {"classify_probabilities": np.array([[0.2, 0.8], [0.7, 0.3]])}
    found = decode(outputs, model, (9, 9), (0, 0, 9, 9), row=1)
    np.testing.assert_array_equal(found["classify"]["probabilities"], [0.7, 0.3])


def test_boxes_of_other_scores_are_other_boxes():
    ours = {"boxes": [[0, 0, 9, 9], [20, 20, 30, 30], [5, 5, 8, 8]], "labels": [0, 1, 0], "scores": [0.9, 0.6, 0.1]}
    found = {name: np.array(values) for name, values in ours.items()}
    assert decoder.lost(ours, found, 1e-3) == decoder.lost(found, ours, 1e-3) == 0
    assert decoder.lost(ours, found | {"scores": found["scores"] * 0.55}, 1e-3) == 1
    assert decoder.lost(ours, found | {"labels": np.array([0, 0, 0])}, 1e-3) == 0.5
    assert decoder.lost(ours, found | {"boxes": found["boxes"] + 3}, 1e-3) == 1
    fewer = {name: values[:1] for name, values in found.items()}
    assert decoder.lost(ours, fewer, 1e-3) == 0.5 and decoder.lost(fewer, ours, 1e-3) == 0
    none = {"boxes": np.zeros((0, 4)), "labels": np.zeros(0), "scores": np.zeros(0)}
    assert decoder.lost(ours, none, 1e-3) == 1 and decoder.lost(none, ours, 1e-3) == 0


def test_the_self_test_passes_where_it_should_and_fails_where_not(tmp_path):
    folder = tmp_path / "export"
    description, case = write_folder(folder), folder / "golden" / "000"
    case.mkdir(parents=True)
    image = photo(np.random.default_rng(0), 20, 30) // 2 + 100
    seen, _ = prepare(image, description)
    mean = seen.mean()
    Image.fromarray(image).save(case / "image.png")
    np.save(case / "input.npy", seen)
    np.save(case / "logits.npy", np.array([[mean, 128 - mean]], np.float32))
    (case / "expected.json").write_text(json.dumps({"classify": {"logits": [mean, 128 - mean]}}))
    shutil.copy(decoder.__file__, folder)

    def try_it():
        done = subprocess.run([sys.executable, "decode.py"], cwd=folder, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    status, said = try_it()
    assert status == 0 and said.count("OK") == 3, said
    np.save(case / "logits.npy", np.array([[mean * 1.01, 128 - mean]], np.float32))
    status, said = try_it()
    assert status == 1 and "more than 0.001" in said, said
    np.save(case / "logits.npy", np.zeros((1, 3), np.float32))
    status, said = try_it()
    assert status == 1 and "inf  more than 0.001" in said and "Traceback" not in said, said
    (case / "logits.npy").unlink()
    status, said = try_it()
    assert status == 1 and said.count("\n") == 1 and said.endswith("logits.npy is missing\n"), said
