"""VOC's SegmentationClass: palettes, colours and the classes of own sets."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import UserError
from tasks.common.palette import colour
from tasks.data.datasets.voc import Voc
from tasks.data.datasets.voc_classes import CLASSES

INDICES = np.array([[0, 0, 15, 15], [1, 1, 255, 255]], np.uint8).repeat(8, 0).repeat(8, 1)  # 16 × 32
PALETTE = [value for number in range(256) for value in colour(number)]
XML = (
    "<annotation><size><width>32</width><height>16</height></size><object><name>person</name><bndbox><xmin>17</xmin>"
    "<ymin>1</ymin><xmax>32</xmax><ymax>8</ymax></bndbox></object></annotation>"
)


def save(root: Path, name: str, indices=INDICES, *, mode: str = "P") -> None:
    """An image, its XML and its label map with VOC's palette or in its colours."""
    for folder in ("JPEGImages", "SegmentationClass", "Annotations"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", indices.shape[::-1]).save(root / "JPEGImages" / f"{name}.jpg")
    (root / "Annotations" / f"{name}.xml").write_text(XML)
    mask = Image.fromarray(indices, "L" if mode == "L" else "P")
    if mode != "L":
        mask.putpalette(PALETTE)
    mask.convert(mode).save(root / "SegmentationClass" / f"{name}.png")


def write_lists(root: Path, kind: str, **lists: str) -> None:
    (root / "ImageSets" / kind).mkdir(parents=True, exist_ok=True)
    for split, names in lists.items():
        (root / "ImageSets" / kind / f"{split}.txt").write_text("\n".join(names.split()))


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    root = tmp_path / "VOC2012"
    for name in ("a", "b", "c", "boxes_only"):
        save(root, name)
    (root / "SegmentationClass" / "boxes_only.png").unlink()
    write_lists(root, "Segmentation", train="a b", val="c")
    write_lists(root, "Main", train="a boxes_only", val="b c")
    return root


def test_the_21_classes(voc, capsys):
    dataset = Voc(voc.parent, targets=["mask"])
    assert [name for name, _, _ in dataset.classes["mask"]] == [
        "background",
        *CLASSES,
    ] and "boxes" not in dataset.classes
    assert dataset.classes["mask"][1] == ("aeroplane", 1, (128, 0, 0))
    assert dataset.classes["mask"][15] == ("person", 15, (192, 128, 128))
    assert "label maps: classes are the 20 of VOC" in capsys.readouterr().out
    train, val = dataset.train(), dataset.val()
    assert [*map(train.name, range(2))] == ["a.jpg", "b.jpg"] and len(val) == 1
    assert (train.read(1)["mask"] == INDICES).all() and "bboxes" not in train.read(1)
    assert list(train.check()) == [None, None] and train.class_pixels(21)[[0, 1, 15]].tolist() == [256, 256, 256]


def test_each_kind_of_label_has_its_lists(voc, capsys):
    assert Voc(voc).train().name(1) == "boxes_only.jpg"
    (voc / "Annotations" / "b.xml").unlink()
    both = Voc(voc, targets=["mask", "boxes", "label"])
    assert list(both.classes) == ["mask", "boxes"] and both.classes["boxes"][14] == ["person", 15]
    train = both.train()
    assert len(train) == 1 and list(train.check()) == [None]
    assert train.read(0)["mask"].shape == (16, 32) and train.read(0)["bboxes"].tolist() == [[16, 0, 32, 8, 14]]
    assert "train.txt: 1 images without .xml file left out (b.jpg)" in capsys.readouterr().out
    (voc / "SegmentationClass" / "c.png").unlink()
    with pytest.raises(
        UserError, match=r"image without label: .*c\.jpg needs .*SegmentationClass/c\.png; it is listed"
    ):
        Voc(voc, targets=["mask"]).val()


def test_without_a_background(voc):
    dataset = Voc(voc, targets=["mask"], background=None)
    assert dataset.classes["mask"][0][:2] == ("aeroplane", 1) and len(dataset.classes["mask"]) == 20
    mask = dataset.train().read(0)["mask"]
    assert mask[0, 0] == 255 and mask[0, -1] == 14 and mask[-1, 0] == 0 and mask[-1, -1] == 255


@pytest.mark.parametrize("mode", ["P", "L", "RGB", "RGBA"])
def test_files_of_any_kind(tmp_path, mode):
    save(tmp_path, "a", mode=mode)
    write_lists(tmp_path, "Segmentation", train="a", val="a")
    assert (Voc(tmp_path, targets=["mask"]).train().read(0)["mask"] == INDICES).all()


@pytest.mark.parametrize("mode", ["P", "RGB"])
def test_colours_of_a_labelmap(tmp_path, mode):
    """CVAT sorts its classes, and names what is ignored; colours decide, whatever the palette's order."""
    save(tmp_path, "a", mode=mode)
    write_lists(tmp_path, "Segmentation", train="a", val="a")
    (tmp_path / "labelmap.txt").write_text(
        "# label:color_rgb:parts:actions\nbackground:0,0,0::\nignored:128,0,0::\nman: old:192,128,128:head,hand:run\n"
    )
    dataset = Voc(tmp_path, targets=["mask"])
    assert dataset.classes["mask"] == [("background", 0, (0, 0, 0)), ("man: old", 2, (192, 128, 128))]
    mask = dataset.train().read(0)["mask"]
    assert [mask[0, 0], mask[0, -1], mask[-1, 0], mask[-1, -1]] == [0, 1, 255, 255]
    assert Voc(tmp_path, targets=["mask"], classes=["man: old"]).labels.classes[1].name == "man: old"
    with pytest.raises(UserError, match=r"classes=\['man'\], but .*labelmap\.txt has man: old$"):
        Voc(tmp_path, targets=["mask"], classes=["man"]).train()
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\nman:192,128,128::\n")
    with pytest.raises(
        UserError, match=r"a\.png has colour 128,0,0 in 25\.00% of its pixels, which labelmap\.txt \(back"
    ):
        Voc(tmp_path, targets=["mask"]).train().read(0)
    (tmp_path / "labelmap.txt").write_text("background\n")
    with pytest.raises(UserError, match=r"labelmap\.txt: background is not of the form name:red,green,blue::"):
        Voc(tmp_path, targets=["mask"]).train()
    (tmp_path / "labelmap.txt").write_text("background:0,0,0::\na:1,1,1::\nb:1,1,1::\n")
    with pytest.raises(UserError, match=r"labelmap\.txt: b and another class have the colour \(1, 1, 1\)"):
        Voc(tmp_path, targets=["mask"]).train()


def test_own_classes(tmp_path):
    """As labelme2voc writes: no lists, and names in class_names.txt."""
    own = np.array([[0, 1, 2, 255]], np.uint8).repeat(8, 0).repeat(8, 1)
    for name in "abcd":
        save(tmp_path, name, own)
    (tmp_path / "class_names.txt").write_text("_background_\nbolt\nnut\n")
    dataset = Voc(tmp_path, targets=["mask"], val={"share": 0.25}, classes="found")
    assert dataset.classes["mask"] == [("background", 0, (0, 0, 0)), ("bolt", 1, colour(1)), ("nut", 2, colour(2))]
    assert len(dataset.val()) == 1 and (dataset.train().read(0)["mask"] == own).all()
    turned = Voc(tmp_path, targets=["mask"], val={"share": 0.25}, classes=["nut", "bolt"])
    assert turned.train().read(0)["mask"][0, ::8].tolist() == [0, 2, 1, 255]
    (tmp_path / "class_names.txt").unlink()
    with pytest.raises(UserError, match=r"=found: label maps have no names without .* dataset\.classes=\[name of 1"):
        Voc(tmp_path, targets=["mask"], val={"share": 0.25}, classes="found").train()
    few = Voc(tmp_path, targets=["mask"], val={"share": 0.25}, classes=["bolt"])
    with pytest.raises(
        UserError, match=r"has index 2 in 25\.00% of its pixels, which the 2 classes \(background, bolt"
    ):
        few.train().read(0)


def test_lossy_files_are_refused(voc):
    Image.fromarray(INDICES).save(voc / "SegmentationClass" / "a.png", "JPEG")
    with pytest.raises(UserError, match=r"a\.png is stored as JPEG, which changes ids"):
        Voc(voc, targets=["mask"]).train().read(0)
