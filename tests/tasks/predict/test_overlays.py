"""What mode=predict leaves of an image: one picture with what all tasks make of it, and one line of the index."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from backbones.base import Feature
from backbones.mobilenet_v3 import MobileNetV3
from heads import anchors
from heads.boxes import Detections
from heads.classification import ClassificationHead
from heads.lraspp import LRASPP
from heads.select import Select
from heads.ssdlite import SSDLite
from tasks.classify.output import captioned
from tasks.classify.task import ClassifyTask
from tasks.common.errors import UserError
from tasks.common.legend import with_legend
from tasks.common.output import summary, write_overlay
from tasks.data.transforms.letterbox import Letterbox, Stretch
from tasks.detect.draw import colour_of, draw_boxes
from tasks.detect.multibox import SoftmaxMultiBox
from tasks.detect.task import DetectTask
from tasks.engine.learner import Learner
from tasks.predict.checkpoint import predict_one
from tasks.segment.draw import overlay
from tasks.segment.loss import PixelCrossEntropy
from tasks.segment.task import SegmentTask

COLOURS = [(0, 0, 200), (0, 200, 0)]
THINGS = ["person", "car"]
BOX = (100, 200, 301, 400)
HEIGHT, WIDTH = 480, 640
FEATURES = {"c3_depthwise": Feature(8, 8), "c4": Feature(8, 16), "c5": Feature(8, 32)}


def make(features=FEATURES):
    """The three tasks, in an order that is not that of their layers."""
    areas = [("road", 7, COLOURS[0]), ("grass", 22, COLOURS[1])]
    ssdlite = partial(SSDLite, extras=(32,), anchors=anchors.torchvision)
    made = [
        ClassifyTask(features, ClassificationHead, torch.nn.CrossEntropyLoss(), None, ["day", "night"]),
        DetectTask(features, ssdlite, SoftmaxMultiBox(), Select(), "mobilevision", [("person", 1), ("car", 3)]),
        SegmentTask(features, LRASPP, PixelCrossEntropy(), areas),
    ]
    return {task.name: task for task in made}


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)


@pytest.fixture
def predictions():
    """Grass on the right, a car and a person too unsure to be shown, night."""
    labels = torch.zeros(1, HEIGHT, WIDTH, dtype=torch.uint8)
    labels[:, :, WIDTH // 2 :] = 1
    boxes = torch.tensor([[BOX, (400, 100, 500, 200), (0, 0, 0, 0)]]).float()
    found = Detections(boxes, torch.tensor([[0.9, 0.2, 0.0]]), torch.tensor([[1, 0, -1]]))
    return {"segment": labels, "detect": found, "classify": torch.tensor([[0.0, 3.0]])}


def arrays(tasks, image, predictions):
    """Outputs, image and what was found."""
    found = {name: task.found(predictions[name]) for name, task in tasks.items()}
    return {name: task.output for name, task in tasks.items()}, image, found


def said(tasks, predictions):
    """The line for the terminal."""
    outputs, _, found = arrays(tasks, None, predictions)
    return summary(outputs, found)


def written(names, image, predictions, folder):
    """The overlay of some of the tasks, None where there is none."""
    tasks = {name: task for name, task in make().items() if name in names}
    row = write_overlay(*arrays(tasks, image, predictions), folder, Path("deep/a"))
    assert row == ({"overlays": str(folder / "deep" / "a.png")} if list(folder.rglob("*")) else {})
    return np.asarray(Image.open(row["overlays"])) if row else None


def test_one_tasks_overlay_is_its_own(image, predictions, tmp_path):
    areas = written(["segment"], image, predictions, tmp_path / "segment")
    np.testing.assert_array_equal(areas[:HEIGHT], overlay(image, predictions["segment"][0].numpy(), COLOURS))
    boxes = written(["detect"], image, predictions, tmp_path / "detect")
    expected = draw_boxes(image, np.array([BOX], float), np.array([1]), np.array([0.9]), THINGS)
    np.testing.assert_array_equal(boxes[:HEIGHT], np.asarray(expected))


def test_a_legend_names_the_colours_in_sight(image, predictions, tmp_path):
    outputs, _, found = arrays(make(), image, predictions)
    assert outputs["segment"].legend(found["segment"]) == [(COLOURS[0], "road 50%"), (COLOURS[1], "grass 50%")]
    assert outputs["detect"].legend(found["detect"]) == [(colour_of(1), "car: 1")]
    assert outputs["classify"].legend(found["classify"]) == []
    picture = written(["segment", "detect"], image, predictions, tmp_path)
    below = picture[HEIGHT:]
    assert 12 < len(below) < 60 and picture.shape[1] == WIDTH
    for colour in (*COLOURS, colour_of(1)):
        assert (below == colour).all(2).sum() > 50, colour
    assert (below < 100).all(2).any(), "names"
    one = np.zeros_like(found["segment"]["labels"])
    assert outputs["segment"].legend({"labels": one}) == [(COLOURS[0], "road 100%")]


def test_legends_of_small_pictures_are_readable():
    picture = Image.new("RGB", (40, 30), (9, 9, 9))
    made = np.asarray(
        with_legend(picture, [((255, 0, 0), "a name that is far too long for a small picture"), ((0, 0, 255), "b")])
    )
    assert made.shape[1] == 160 and (made[:30, :40] == 9).all() and (made[:30, 40:] == 255).all()
    assert (made == (0, 0, 255)).all(2).any() and (made[30:, -2:] == 255).all()
    assert with_legend(picture, []) is picture


def test_boxes_are_drawn_from_the_score_of_the_best_f1(image, predictions):
    task = make()["detect"]
    found = task.found(predictions["detect"])
    assert task.output.summary(found) == "1 car" and "from a score of 0.3 on, a default" in task.output.note()
    for threshold, line in ((0.15, "1 car, 1 person"), (0.95, "nothing")):
        task.recall({"threshold": threshold})
        assert task.output.summary(found) == line and task.metadata()["threshold"] == threshold
        assert task.recipe((320, 320))["threshold"] == threshold
    assert "0.95 on, where F1 was best" in task.output.note() and task.output.legend(found) == []
    for nonsense in (2, "high", None, True, float("nan")):
        task.recall({"threshold": nonsense})
        assert task.metadata()["threshold"] is None


def test_a_class_alone_needs_no_picture(image, predictions, tmp_path):
    assert written(["classify"], image, predictions, tmp_path) is None


def test_all_tasks_share_one_picture(image, predictions, tmp_path):
    picture = written(["classify", "detect", "segment"], image, predictions, tmp_path)
    legend = len(written(["detect", "segment"], image, predictions, tmp_path / "legend")) - HEIGHT
    strip = len(picture) - HEIGHT - legend
    assert 12 < strip < 40 and picture.shape[1] == WIDTH
    caption = captioned(image, "night", "0.95")[:strip]
    np.testing.assert_array_equal(picture[:strip], caption)
    assert (caption == 0).all(2).any() and (caption == 255).all(2).mean() > 0.8
    areas, below = overlay(image, predictions["segment"][0].numpy(), COLOURS), picture[strip : strip + HEIGHT]
    left, top, right, bottom = BOX
    assert tuple(below[top, 250]) == tuple(below[bottom - 1, 250]) == colour_of(1)
    assert tuple(below[top - 1, 250]) == tuple(below[bottom, 250]) == (255, 255, 255), "an edge that stands out"
    changed = (below != areas).any(2)
    assert not changed[:, right + 2 :].any() and not changed[bottom + 2 :].any()
    assert not changed[top + 4 : bottom - 4, left + 4 : right - 4].any(), "nothing else hides the areas"


def test_boxes_below_a_caption_are_drawn_as_without(image, predictions, tmp_path):
    boxes = written(["detect"], image, predictions, tmp_path / "detect")
    both = written(["classify", "detect"], image, predictions, tmp_path / "both")
    np.testing.assert_array_equal(both[-len(boxes) :][:HEIGHT], boxes[:HEIGHT])


def test_captions_are_shortened_to_the_image():
    image = np.zeros((50, 120, 3), np.uint8)
    short, long = (captioned(image, name, "0.95") for name in ("day", "a name that is far too long for a small image"))
    assert short.shape == long.shape and (short[-50:] == 0).all()
    ink = (long[:-50] < 128).all(2).any(0)
    assert ink[-20:-4].any() and not ink[-4:].any(), "the probability is still there"


def test_a_line_names_the_tasks_where_there_are_several(predictions):
    tasks = make()
    assert said({"detect": tasks["detect"]}, predictions) == "1 car"
    assert said({"segment": tasks["segment"]}, predictions) == ""
    assert said(tasks, predictions) == "classify: night 0.953, day 0.047; detect: 1 car"


@pytest.fixture
def learner():
    torch.manual_seed(0)
    backbone = MobileNetV3(size="small", width=0.35)
    return Learner(backbone, make(backbone.features).values()).eval()


def test_everything_is_written_in_the_files_pixels(learner, tmp_path):
    image = np.random.default_rng(0).integers(0, 255, (150, 430, 3)).astype(np.uint8)
    row, line = predict_one(learner, image, Stretch([64, 128]), tmp_path, Path("a"))
    assert list(row)[:3] == ["class1", "name1", "probability1"]
    assert list(row)[-4:] == ["found", "boxes", "labels", "overlays"]
    files = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert files == {"boxes/a.json", "labels/a.png", "overlays/a.png"}
    labels, picture = (Image.open(row[kind]) for kind in ("labels", "overlays"))
    assert labels.size == (430, 150) and picture.width == 430 and picture.height > 150
    assert set(np.unique(labels)) <= {7, 22}
    assert line.startswith("classify: ") and "; detect: " in line


def test_label_maps_refuse_images_that_leave_a_margin(learner, tmp_path):
    image = np.zeros((150, 430, 3), np.uint8)
    with pytest.raises(UserError, match=r"use data\.fit=Stretch"):
        predict_one(learner, image, Letterbox([64, 128]), tmp_path, Path("a"))


def test_a_very_large_image_is_drawn_smaller(image, predictions, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.common.output.LONGEST", 480)
    tasks = {name: task for name, task in make().items() if name != "classify"}
    row = write_overlay(*arrays(tasks, image, predictions), tmp_path, Path("a"))
    assert row == {"overlays": str(tmp_path / "a.png"), "overlay_scale": 0.75}
    picture = np.asarray(Image.open(tmp_path / "a.png"))
    assert picture.shape[1:] == (480, 3) and 370 < len(picture) < 420, "with a legend below"
    picture = picture[:360]
    assert tuple(picture[150, 180]) == tuple(picture[299, 180]) == colour_of(1), "boxes shrink along"
    grass, road = (picture[10:40, column].mean((0, 1)) for column in (slice(-20, None), slice(0, 20)))
    np.testing.assert_allclose(grass - road, 0.55 * np.subtract(COLOURS[1], COLOURS[0]), atol=5)


def test_a_very_large_photo_is_seen_smaller(image, learner, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.common.output.LARGEST", 64 * 96)
    photo = np.ascontiguousarray(image[:128, :192])
    row, _ = predict_one(learner, photo, None, tmp_path, Path("a"))
    assert (row["seen_height"], row["seen_width"]) == (64, 96)
    labels = np.asarray(Image.open(row["labels"]))
    assert labels.shape == (128, 192)
    expected, _ = predict_one(learner, photo, Stretch((64, 96)), tmp_path, Path("b"))
    np.testing.assert_array_equal(labels, np.asarray(Image.open(expected["labels"])))
