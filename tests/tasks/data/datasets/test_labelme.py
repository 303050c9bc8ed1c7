"""LabelMe's folders: shapes of every type, groups, labels with a meaning, and where the images are."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import UserError
from tasks.data.datasets.labelme import Labelme
from tasks.data.files import cache, labelme_json

SHARE = {"share": 0.25}
SQUARE = [[2, 3], [12, 3], [12, 9], [2, 9]]


def shape(label: str, points: list[list[float]], kind: str | None = "polygon", **keys) -> dict:
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, "flags": {}} | keys


def add(root: Path, name: str, *shapes: dict, image: str | None = None, **keys) -> None:
    """A JSON file, and its image beside it unless its path is said."""
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    if image is None:
        Image.new("RGB", (40, 30)).save(root / f"{name}.jpg")
    content = {"version": "5.0.1", "flags": {}, "imagePath": image or f"{Path(name).name}.jpg", "imageData": None}
    content |= {"imageHeight": 30, "imageWidth": 40, "shapes": list(shapes or [shape("bolt", SQUARE)])}
    (root / f"{name}.json").write_text(json.dumps(content | keys))


def whole(root: Path, *targets: str, **keys):
    """All images of a folder, which must have no defect."""
    samples = Labelme(root, val=SHARE, targets=targets or ["boxes"], **keys).files("train")
    assert not any(samples.check())
    return samples


def test_shapes_become_boxes(tmp_path, capsys):
    add(
        tmp_path,
        "a",
        shape("nut", [[30, 20], [10, 5]], "rectangle"),
        shape("bolt", [[1, 1], [5, 2.5], [3, 8]], None),
        shape("bolt", [[20, 10], [20, 14]], "circle"),
        shape("bolt", [[1, 1], [2, 2]], "line"),
        shape("rope", [[1, 1], [2, 2], [3, 1]], "linestrip"),
        shape("dot", [[1, 1]], "point"),
        shape("bolt", [[1, 1], [2, 2]]),
    )
    samples = whole(tmp_path)
    truth = samples.annotations(0)
    np.testing.assert_allclose(truth.boxes, [[10, 5, 20, 15], [1, 1, 4, 7], [16, 6, 8, 8]], atol=1e-9)
    assert truth.labels.tolist() == [1, 0, 0] and truth.areas[0] == 300
    out = capsys.readouterr().out
    assert "2 classes found: bolt, nut\n" in out, "rope and dot have no area"
    assert "4 points, lines and polygons of two points are left out: they have no area\n" in out


def test_shapes_of_a_group_are_one_object(tmp_path):
    part = shape("bolt", [[20, 20], [30, 29]], "rectangle", group_id=1)
    add(tmp_path, "a", shape("bolt", SQUARE, group_id=1), shape("nut", SQUARE, group_id=1), part)
    add(tmp_path, "b", shape("bolt", SQUARE, group_id=1), shape("bolt", SQUARE))
    samples = whole(tmp_path, "boxes", "mask")
    assert samples.annotations(0).boxes.tolist() == [[2, 3, 28, 26], [2, 3, 10, 6]]
    assert samples.annotations(1).boxes.tolist() == [[2, 3, 10, 6]] * 2
    mask = samples.read(0)["mask"]
    assert mask[5, 5] == 2 and mask[25, 25] == 1 and mask[15, 15] == 0


def test_label_maps(tmp_path, capsys):
    add(
        tmp_path,
        "a",
        shape("__ignore__", [[0, 0], [40, 4]], "rectangle"),
        shape("bolt", [[0, 2], [20, 20]], "rectangle"),
        shape("_background_", [[5, 5], [10, 10]], "rectangle"),
        shape("nut", [[10, 10], [30, 30]], "rectangle"),
    )
    expected = np.zeros((30, 40), np.uint8)
    expected[:4], expected[2:20, :20], expected[5:10, 5:10], expected[10:, 10:30] = 255, 1, 0, 2
    dataset = Labelme(tmp_path, val=SHARE, targets=["mask", "boxes"])
    assert [entry[:2] for entry in dataset.classes["mask"]] == [("background", 0), ("bolt", 1), ("nut", 2)]
    assert dataset.classes["boxes"] == [["bolt", 1], ["nut", 2]]
    sample = whole(tmp_path, "mask", "boxes").read(0)
    assert (sample["mask"] == expected).all() and sample["bboxes"][:, 4].tolist() == [0, 1]
    assert "2 shapes of background or __ignore__ are no boxes" in capsys.readouterr().out
    void = whole(tmp_path, "mask", background=None)
    assert void.masks.names == ("bolt", "nut")
    assert void.read(0)["mask"][[0, 12, 25, 3, 29], [0, 2, 20, 3, 39]].tolist() == [255, 0, 1, 0, 255]
    ordered = whole(tmp_path, "mask", classes=["nut", "bolt"]).read(0)["mask"]
    assert ordered[12, 2] == 2 and ordered[25, 20] == 1


def test_images_are_found(tmp_path):
    """Beside the JSON, by a path with Windows separators, by the name alone, or in another folder."""
    root = tmp_path / "labels"
    add(root, "a")
    add(root, "sub/b", image="..\\..\\photos\\b.png")
    add(root, "c", image="C:\\Users\\me\\c.jpg")
    (tmp_path / "photos").mkdir()
    for path in (tmp_path / "photos" / "b.png", root / "c.jpg"):
        Image.new("RGB", (40, 30)).save(path)
    samples = whole(root)
    assert [samples.files[index] for index in range(3)] == ["labels/a.jpg", "labels/c.jpg", "photos/b.png"]

    other = tmp_path / "other"
    add(other / "json", "a", image="old name.jpg", shapes=None)
    (other / "photos").mkdir()
    Image.new("RGB", (40, 30)).save(other / "photos" / "a.tif")
    named = whole(other, images="photos", classes=["bolt"])
    assert named.path(0) == other / "photos" / "a.tif" and len(named.annotations(0).boxes) == 0

    add(root, "d", image="gone.jpg", imageData="aGk=")
    with pytest.raises(UserError, match=r"labels/d\.json: its image gone\.jpg is not in .*; the JSON holds a copy"):
        whole(root)
    add(root, "d", image="a.jpg")
    with pytest.raises(UserError, match=r"labels/d\.json and a\.json are both of the image .*labels/a\.jpg: keep one"):
        whole(root)


def test_sides(tmp_path, capsys):
    for split, names in (("train", "abc"), ("valid", "ad")):
        for name in names:
            add(tmp_path / split, name)
    dataset = Labelme(tmp_path)
    assert len(dataset.train()) == 3 and dataset.val().name(1) == "d.jpg"
    assert "train: 1 classes found: bolt\n" in capsys.readouterr().out
    assert len(Labelme(tmp_path, val_split="none", val={"share": 0.4}).val()) == 1
    (tmp_path / "train").rename(tmp_path / "rest")
    assert len(Labelme(tmp_path).val()) == 2, "enough to score a model"
    with pytest.raises(UserError, match=r"has no folder train: dataset\.val\.share=0\.2 draws .*found: rest, valid"):
        Labelme(tmp_path).train()
    with pytest.raises(UserError, match=r"no data set at .*nothing: no such folder"):
        Labelme(tmp_path / "nothing").train()


def test_classes(tmp_path):
    add(tmp_path / "train", "a")
    add(tmp_path / "val", "a", shape("nut", SQUARE))
    with pytest.raises(
        UserError, match=r"val/a\.json has a shape of label nut, .* dataset\.classes=\[bolt,nut\] scores"
    ):
        Labelme(tmp_path).val()
    with pytest.raises(UserError, match=r"label nut, which is none of bolt: add it to dataset\.classes"):
        Labelme(tmp_path, classes=["bolt"]).val()
    assert Labelme(tmp_path, classes=["nut", "bolt"]).val().annotations(0).labels.tolist() == [0]
    with pytest.raises(UserError, match=r"dataset\.classes=official is not one of found, \[name"):
        Labelme(tmp_path, classes="official")
    add(tmp_path / "train", "a", shape("dot", [[1, 1]], "point"))
    with pytest.raises(UserError, match=r"classes=found finds none: no file of .*train has a rectangle or polygon"):
        Labelme(tmp_path).train()


def test_sizes_come_from_the_images_where_files_have_none(tmp_path, capsys):
    add(tmp_path, "a", imageHeight=None, imageWidth=None)
    assert whole(tmp_path).size(0) == (30, 40)
    assert "1 sizes that the files lack are taken from the images" in capsys.readouterr().out
    add(tmp_path, "a", imageHeight=40, imageWidth=30)
    assert "is 40×30, but" in str(next(Labelme(tmp_path, val=SHARE).files("train").check()))


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (
            {"shapes": [shape("a", [[1, 1], [2, "x"], [3, 3]])]},
            r"shape 0 \(a\) has the point \[2, 'x'\], which is no x",
        ),
        ({"shapes": [shape("a", [[1, 1], [2, float("nan")]])]}, r"has the point \[2, nan\], which is no x and y"),
        ({"shapes": [shape("a", [[1, 1, 1]])]}, r"has the point \[1, 1, 1\]"),
        ({"shapes": [shape("a", [[1, 1]], "rectangle")]}, r"shape 0 \(a\) is a rectangle of 1 points, not of 2"),
        ({"shapes": [shape("a", SQUARE, "cuboid")]}, r"is of the type 'cuboid', which is not read: polygon, rectangle"),
        ({"shapes": [shape("", SQUARE)]}, r"shape 0 has no label"),
        ({"shapes": [{"label": "a"}]}, r"shape 0 \(a\) has no list of points"),
        ({"shapes": [1]}, r"shapes is not a list of objects"),
        ({"imageWidth": 0}, r"has imageWidth 0 and imageHeight 30"),
        ({"imageWidth": "wide"}, r"has imageWidth 'wide' and imageHeight 30"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path, keys, message):
    add(tmp_path, "a", **keys)
    with pytest.raises(UserError, match=rf"a\.json.*{message}") as error:
        whole(tmp_path)
    assert "\n" not in str(error.value)


def test_other_files_and_pixels_are_named(tmp_path):
    add(tmp_path, "a", shape("bolt", [[2, 3], [5, 6]], "mask", mask="aGk="))
    assert whole(tmp_path).annotations(0).boxes.tolist() == [[2, 3, 3, 3]]
    with pytest.raises(UserError, match=r"a\.json has a shape of type mask, of which only the box is read: draw it as"):
        whole(tmp_path, "mask")
    for text, message in (("{}", "is no file of LabelMe: it has no shapes"), ("[", "is not JSON")):
        (tmp_path / "b.json").write_text(text)
        with pytest.raises(UserError, match=rf"b\.json {message}"):
            whole(tmp_path)


def test_a_photo_is_turned_as_its_size_says(tmp_path):
    add(tmp_path, "a")
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (30, 40)).save(tmp_path / "a.jpg", exif=exif)
    assert whole(tmp_path, "mask", "boxes").read(0)["image"].shape == (30, 40, 3)


def test_files_are_parsed_once(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    for name in "abc":
        add(tmp_path / "set", name, shape("nüt", SQUARE), shape("bolt", [[1, 1]], "point"))
    first = whole(tmp_path / "set", "mask", "boxes")
    monkeypatch.setattr(labelme_json, "read_labelled", None)
    again = whole(tmp_path / "set", "mask", "boxes")
    assert (again.read(1)["mask"] == first.read(1)["mask"]).all() and again.masks.names == ("background", "nüt")
    assert again.annotations(2).boxes.tolist() == first.annotations(2).boxes.tolist() == [[2, 3, 10, 6]]
