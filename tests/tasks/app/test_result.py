"""What predict() returns: attributes, pictures, JSON, thresholds, folders, OpenCV's arrays."""

import base64
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from tasks import load
from tasks.app.model import Model, View
from tasks.classify.output import ClassifyOutput
from tasks.common.errors import UserError
from tasks.detect.output import DetectOutput
from tasks.multilabel.output import MultiLabelOutput
from tasks.segment.output import SegmentOutput
from tests.tasks.app.test_load import EXPORTED, MULTITASK

FOUND = {
    "detect": {
        "boxes": np.array([[2, 3, 20, 30], [10, 5, 40, 25]], np.float32),
        "scores": np.array([0.9, 0.2], np.float32),
        "labels": np.array([1, 0]),
    },
    "segment": {"labels": np.repeat(np.arange(3, dtype=np.uint8)[:, None], 48, 1).repeat(12, 0)},
    "classify": {"probabilities": np.array([0.3, 0.7])},
    "multilabel": {"probabilities": np.array([0.45, 0.8, 0.1])},
}
OUTPUTS = {
    "detect": DetectOutput([("cat", 3), ("dog", 7)], threshold=0.5),
    "segment": SegmentOutput([("road", 0, (128, 64, 128)), ("sky", 1, (70, 130, 180)), ("car", 2, (0, 0, 142))]),
    "classify": ClassifyOutput(["town", "field"]),
    "multilabel": MultiLabelOutput(["rain", "night", "fog"], 0.5),
}


class Entry:
    def __init__(self, output):
        self.output, self.class_names = output, output.names


def model_of(*names):
    """A model that finds the same in every image of 36×48."""
    tasks = {name: Entry(OUTPUTS[name]) for name in names}
    return Model("none.ckpt", tasks, lambda pixels: {name: FOUND[name] for name in names}, View(True, None))


IMAGE = np.full((36, 48, 3), 90, np.uint8)


def test_attributes_of_one_head():
    boxes = model_of("detect").predict(IMAGE)
    assert boxes.boxes.tolist() == [[2, 3, 20, 30], [10, 5, 40, 25]] and boxes.labels.tolist() == [1, 0]
    assert boxes.names == ["dog", "cat"] == boxes["detect"]["names"]
    assert boxes.scores.tolist() == pytest.approx([0.9, 0.2])
    areas = model_of("segment").predict(IMAGE)
    assert areas.mask.shape == (36, 48) and areas.names[areas.mask[-1, 0]] == "car"
    with pytest.raises(KeyError, match="'detect': there are segment"):
        _ = areas["detect"]
    kind = model_of("classify").predict(IMAGE)
    assert kind.names == ["field", "town"] and kind.probabilities.tolist() == [0.7, 0.3]
    assert model_of("multilabel").predict(IMAGE).names == ["night"]


def test_several_heads_have_what_only_one_of_them_has():
    result = model_of("detect", "segment", "classify").predict(IMAGE)
    assert result.boxes.shape == (2, 4) and result.mask.max() == 2 and len(result.probabilities) == 2
    with pytest.raises(AttributeError, match=r"names of detect or classify\? result\['detect'\] says which"):
        _ = result.names
    with pytest.raises(AttributeError, match="a result of segment has no boxes"):
        _ = model_of("segment").predict(IMAGE).boxes


def test_a_threshold_is_of_the_results_and_of_the_picture():
    model = model_of("detect")
    assert model.predict(IMAGE).names == ["dog", "cat"]
    assert model.predict(IMAGE, 0.5).names == ["dog"] and model.predict(IMAGE, threshold=0.95).boxes.shape == (0, 4)
    by_default, low, high = (np.asarray(model.predict(IMAGE, each).plot()) for each in (None, 0.1, 0.95))
    assert (by_default != low[: len(by_default)]).any() if by_default.shape == low.shape else low.size > by_default.size
    np.testing.assert_array_equal(high[:36, :48], IMAGE)
    assert repr(model.predict(IMAGE, 0.1)) == "Result(detect: 1 dog, 1 cat)"
    assert model_of("multilabel").predict(IMAGE, 0.4).names == ["night", "rain"]
    assert model.predict(IMAGE, np.float32(0.5)).names == ["dog"]
    for wrong in (-0.1, 1.5, float("nan"), "x", "0.5", [0.5], np.array([0.1, 0.2]), True):
        with pytest.raises(UserError, match=r"threshold=.*: a score is a number from 0 to 1"):
            model.predict(IMAGE, wrong)


def test_json_holds_names_and_numbers(tmp_path):
    result = model_of("detect", "segment", "classify", "multilabel").predict(IMAGE)
    content = json.loads(result.to_json())
    assert content["detect"][0] == {
        "name": "dog",
        "label": 1,
        "score": pytest.approx(0.9),
        "box": [2.0, 3.0, 20.0, 30.0],
    }
    assert content["classify"] == [
        {"name": "field", "label": 1, "probability": 0.7},
        {"name": "town", "label": 0, "probability": 0.3},
    ]
    assert content["multilabel"] == [{"name": "night", "label": 1, "probability": 0.8}]
    png = Image.open(io.BytesIO(base64.b64decode(content["segment"]["png"])))
    np.testing.assert_array_equal(np.asarray(png), FOUND["segment"]["labels"])
    assert content["segment"]["names"] == ["road", "sky", "car"] and "path" not in content
    saved = result.save(tmp_path / "new" / "a.json")
    assert json.loads(saved.read_text()) == content


def test_json_of_several_labels_with_all_of_them():
    found = json.loads(model_of("multilabel").predict(IMAGE, 0.0).to_json())["multilabel"]
    assert {each["name"]: each["probability"] for each in found} == {"night": 0.8, "rain": 0.45, "fog": 0.1}


def test_arguments_of_supervision():
    found = model_of("detect").predict(IMAGE, 0.95).to_supervision()
    assert found["xyxy"].shape == (0, 4) and found["class_id"].dtype.kind == "i"
    found = model_of("detect").predict(IMAGE).to_supervision()
    assert found["data"]["class_name"].tolist() == ["dog", "cat"] and found["confidence"].dtype == np.float32


def test_pictures(tmp_path):
    result = model_of("segment").predict(IMAGE)
    picture = result.plot()
    assert picture.width >= 48 and (np.asarray(picture)[:36, :48] != IMAGE).any()
    assert Image.open(result.save(tmp_path / "a.png")).size == picture.size
    assert result._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(UserError, match=r"a\.xyz: .*\.png and \.jpg are pictures, \.json is data"):
        result.save(tmp_path / "a.xyz")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="file"):
        result.save(tmp_path / "file" / "a.png")
    assert json.loads(result.save(tmp_path / "a.JSON").read_text())["segment"]["names"]
    for wrong, said in ((None, "save() takes a file's path"), ("", "save(''): not a path"), (tmp_path, "is a folder")):
        with pytest.raises(UserError, match=re.escape(said)):
            result.save(wrong)


def test_a_picture_needs_its_file(photos):
    result = load(EXPORTED).predict(photos / "a.jpg")
    assert result.path == photos / "a.jpg" and result.plot().height >= 90  # its camera was held upright
    result.path.unlink()
    assert result._repr_png_() is None
    with pytest.raises(UserError, match=r"a\.jpg"):
        result.plot()


def test_folders_globs_and_opencv(photos):
    model = load(EXPORTED)
    of_folder, of_glob = model.predict(photos), model.predict(str(photos / "*.jpg"))
    assert [result.path.name for result in of_folder] == ["a.jpg", "b.png"] and len(of_glob) == 1
    np.testing.assert_array_equal(of_glob[0].mask, of_folder[0].mask)
    pixels = np.rot90(np.asarray(Image.open(photos / "a.jpg")), 3)
    np.testing.assert_array_equal(model.predict(pixels[..., ::-1], bgr=True).mask, of_folder[0].mask)
    (photos / "empty").mkdir()
    with pytest.raises(UserError, match="empty"):
        model.predict(photos / "empty")


def test_every_head_of_a_checkpoint(photos):
    result = load(MULTITASK, "cpu").predict(photos / "b.png", threshold=0.0)
    assert set(json.loads(result.to_json())) == {"path", "segment", "detect", "classify"}
    assert result.plot().size[0] >= 31 and len(result.boxes) == len(result.scores) > 100


def test_iterators_are_several_images(photos):
    model = model_of("detect")
    assert len(model.predict(IMAGE for _ in range(3))) == 3 and model.predict([]) == model.predict(iter(())) == []
    assert [result.path.name for result in model.predict(photos.glob("*.png"))] == ["b.png"]
    with pytest.raises(UserError, match=r"images\[1\]: predict\(\) takes a path, .* not NoneType"):
        model.predict([IMAGE, None])


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ("", "predict(''): not a path"),
        ("a\0.png", r"predict('a\x00.png'): not a path"),
        ("https://user:secret@x.org/a.jpg", "predict() opens no address (https:/…): download the file"),
        ("data:image/png;base64,xx", "predict() opens no address (data:…)"),
        ("rtsp://x", "a stream is for mode=predict"),
        ("x" * 5000, "File name too long"),
        ({"a.png"}, "not set"),
        (io.BytesIO(b"x"), "not BytesIO"),
        (b"a.png", "not bytes"),
        (Image.new("RGB", (0, 0)), "the PIL image has 0×0 pixels"),
        (Image.new("I;16", (4, 4)), "a PIL image of more than 8 bits a channel (mode I;16)"),
        (IMAGE / 255, "the array is no photo: its values are float64 from 0.3529 to 0.3529, not uint8"),
        (IMAGE[..., 0], "the array is no photo: it is grey (36×48)"),
        (torch.zeros(36, 48, 3), "a tensor of 36×48×3: an image is (3, H, W) uint8 RGB: image.permute(2, 0, 1) makes"),
        (torch.zeros(3, 4, 4, dtype=torch.bfloat16), "a tensor of torch.bfloat16: an image is uint8"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8).to_sparse(), "a tensor of torch.sparse_coo"),
        (torch.zeros(3, 4, 4, dtype=torch.uint8, device="meta"), "on meta: an image is a dense one"),
    ],
)
def test_what_is_no_image_is_one_line(image, said, photos, monkeypatch):
    monkeypatch.chdir(photos)  # has images, which '' does not name
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        model_of("detect").predict(image)
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)


def test_a_closed_image_and_a_folder_without_images(photos):
    closed = Image.open(photos / "b.png")
    closed.close()
    with pytest.raises(UserError, match="the PIL image cannot be decoded: Operation on closed image"):
        model_of("detect").predict(closed)
    (photos / "new").mkdir()
    with pytest.raises(UserError, match=r"^[^=]*new: no image in that folder"):  # input= is of the command line
        model_of("detect").predict(photos / "new")
    with pytest.raises(UserError, match="bgr='x': True if arrays are BGR"):
        model_of("detect").predict(IMAGE, bgr="x")


def test_the_home_folder(photos, monkeypatch):
    monkeypatch.setenv("HOME", str(photos))
    result = model_of("segment").predict("~/b.png")
    assert result.path == photos / "b.png" == model_of("segment").predict("~/*.png")[0].path
    assert result.save("~/saved.json") == photos / "saved.json"


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "RGBa", "La", "CMYK", "YCbCr", "HSV"])
def test_every_mode_of_eight_bits(mode):
    seen = []
    model = model_of("detect")
    model.find = lambda pixels: seen.append(pixels) or {"detect": FOUND["detect"]}
    model.predict(Image.new(mode, (48, 36)))
    assert seen[0].shape == (36, 48, 3) and seen[0].dtype == np.uint8
