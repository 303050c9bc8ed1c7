"""Pascal VOC's layout: what is read, and what is refused by name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import UserError
from tasks.data.datasets.voc import Voc
from tasks.data.datasets.voc_classes import CLASSES

OBJECT = (
    "<object><name>{}</name><difficult>{}</difficult><part><name>head</name><bndbox><xmin>2</xmin><ymin>2</ymin>"
    "<xmax>3</xmax><ymax>3</ymax></bndbox></part><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax>"
    "</bndbox></object>"
)


def write_xml(root, stem, *objects, size=(40, 60)):
    body = "".join(OBJECT.format(*values) for values in objects)
    height, width = size
    text = (
        f"<annotation><size><width>{width}</width><height>{height}</height><depth>3</depth></size>{body}</annotation>"
    )
    (root / "Annotations" / f"{stem}.xml").write_text(text)


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    root = tmp_path / "VOCdevkit" / "VOC2012"
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (root / folder).mkdir(parents=True)
    for number, suffix in enumerate(("jpg", "png", "jpg")):
        Image.new("RGB", (60, 40), (number, 0, 0)).save(root / "JPEGImages" / f"2008_00000{number}.{suffix}")
    write_xml(root, "2008_000000", ("dog", 0, 1, 1, 10, 20), ("person", 1, 5, 6, 60, 40))
    write_xml(root, "2008_000001")
    write_xml(root, "2008_000002", ("aeroplane", 0, "4.5", 3, "14.5", 13))
    (root / "ImageSets" / "Main" / "train.txt").write_text("2008_000000\n2008_000001\n")
    (root / "ImageSets" / "Main" / "val.txt").write_text("2008_000002  1\n\n")
    return tmp_path


def test_boxes_count_from_zero_and_difficult_ones_are_ignored(voc):
    dataset = Voc(voc)
    assert dataset.classes["boxes"][:2] == [["aeroplane", 1], ["bicycle", 2]] and len(dataset.names) == 20
    train, val = dataset.train(), dataset.val()
    assert (len(train), len(val)) == (2, 1) and train.name(1) == "2008_000001.png"
    truth, sample = train.annotations(0), train.read(0)
    assert (truth.image_id, truth.height, truth.width) == (1, 40, 60)
    assert truth.boxes.tolist() == [[0, 0, 10, 20], [4, 5, 56, 35]] and truth.areas.tolist() == [200, 56 * 35]
    assert truth.labels.tolist() == [CLASSES.index("dog"), CLASSES.index("person")]
    assert truth.crowd.tolist() == [False, True]
    assert sample["bboxes"].tolist() == [[0, 0, 10, 20, CLASSES.index("dog")]], "difficult ones are not learned"
    assert train.read(1)["bboxes"].shape == (0, 5)
    assert val.annotations(0).boxes.tolist() == [[3.5, 2, 11, 11]]
    assert list(train.check()) == [None, None]


def test_the_folder_itself_is_as_good(voc):
    assert len(Voc(voc / "VOCdevkit" / "VOC2012").train()) == len(Voc(voc / "VOCdevkit").train()) == 2


def test_other_classes(voc):
    found = Voc(voc, classes="found")
    assert found.classes == {"boxes": [["dog", 1], ["person", 2]]}
    assert found.train().read(0)["bboxes"][0, 4] == 0
    with pytest.raises(
        UserError, match=r"2008_000002\.xml has an object of class aeroplane, which is none of dog, per"
    ):
        found.val()
    own = Voc(voc, classes=["person", "dog", "aeroplane"])
    assert own.train().annotations(0).labels.tolist() == [1, 0] and own.val().annotations(0).labels.tolist() == [2]
    assert Voc(voc, classes=[7, "dog"]).names == ["7", "dog"], "as YAML reads a number"


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ("all", r"classes=all is not one of auto, official, found, \[name, …\]"),
        ([], r"classes=\[\] is not one of auto, official, found, \[name, …\]"),
        (5, r"classes=5 is not one of auto, official, found, \[name, …\]"),
        (None, r"classes=None is not one of auto, official, found, \[name, …\]"),
        (["dog", "cat", "dog"], r"classes=\['dog', 'cat', 'dog'\] names dog 2 times"),
    ],
)
def test_classes_that_are_none_are_named(voc, classes, message):
    with pytest.raises(UserError, match=message):
        Voc(voc, classes=classes)


def test_a_split_without_objects_teaches_nothing(voc):
    write_xml(voc / "VOCdevkit" / "VOC2012", "2008_000000", ("dog", "True", 1, 1, 10, 20))
    write_xml(voc / "VOCdevkit" / "VOC2012", "2008_000002")
    assert Voc(voc).files("train").annotations(0).crowd.tolist() == [True], "difficult, as some tools write it"
    with pytest.raises(UserError, match=r"ImageSets/Main/train\.txt has no box to learn from$"):
        Voc(voc).train()
    assert len(Voc(voc).val()) == 1
    with pytest.raises(UserError, match=r"classes=found finds none: no image of .*/val\.txt has an object$"):
        Voc(voc, classes="found", train_split="val").classes  # noqa: B018


def test_repairs_name_the_image_and_lists_must_be_text(voc, capsys):
    root = voc / "VOCdevkit" / "VOC2012"
    write_xml(root, "2008_000001", ("dog", 0, 5, 5, 70, 20))
    Voc(voc).train()
    assert capsys.readouterr().out.endswith("\ntrain.txt: boxes 1 clipped (2008_000001.xml)\n")
    (root / "ImageSets" / "Main" / "train.txt").write_text("2008_000000\n", encoding="utf-16")
    with pytest.raises(UserError, match=r"/train\.txt is not a text in UTF-8: .* invalid start byte$"):
        Voc(voc).train()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation>", "2008_000000.xml is not XML: "),
        (
            "<annotation><size><width>60</width></size></annotation>",
            "2008_000000.xml: annotation lacks size/height",
        ),
        (
            "<annotation><size><width>0</width><height>40</height></size></annotation>",
            "2008_000000.xml: the image has width 0 and height 40",
        ),
        (
            "<annotation><size><width>60</width><height>40</height></size><object><name> </name></object></annotation>",
            "2008_000000.xml: object has an empty name",
        ),
        (
            "<annotation><size><width>60</width><height>x</height></size></annotation>",
            "2008_000000.xml: could not convert",
        ),
        (
            "<annotation><size><width>60</width><height>40</height></size><object><name>dog</name></object></annotation>",
            "2008_000000.xml: object lacks bndbox/xmin",
        ),
    ],
)
def test_what_is_wrong_in_a_file_is_named(voc, text, message):
    (voc / "VOCdevkit" / "VOC2012" / "Annotations" / "2008_000000.xml").write_text(text)
    with pytest.raises(UserError) as error:
        Voc(voc).train()
    assert message in str(error.value) and "\n" not in str(error.value)


def test_negative_boxes_and_missing_files_are_named(voc):
    root = voc / "VOCdevkit" / "VOC2012"
    write_xml(root, "2008_000000", ("dog", 0, 20, 5, 10, 9))
    with pytest.raises(UserError, match=r"2008_000000\.xml: dog from 20, 5 to 10, 9: a negative width or height"):
        Voc(voc).train()
    (root / "Annotations" / "2008_000000.xml").unlink()
    with pytest.raises(UserError, match=r"image without label: .*000000\.jpg needs .*2008_000000\.xml;"):
        Voc(voc).train()
    (root / "JPEGImages" / "2008_000002.jpg").unlink()
    with pytest.raises(UserError, match=r"image 1 is missing: no file .*2008_000002\.jpg"):
        Voc(voc).val()
    (root / "ImageSets" / "Main" / "val.txt").unlink()
    with pytest.raises(
        UserError, match=r"val\.txt is missing; lists: train: dataset\.train_split=train dataset.*\nexpected:\n"
    ):
        Voc(voc).val()


def test_an_image_of_another_size_is_found_by_the_check(voc):
    Image.fromarray(np.zeros((60, 40, 3), np.uint8)).save(
        voc / "VOCdevkit" / "VOC2012" / "JPEGImages" / "2008_000000.jpg"
    )
    problems = list(Voc(voc).train().check())
    assert "is 40×60, but" in str(problems[0]) and problems[1] is None


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_entities_are_not_expanded(voc, encoding):
    path = voc / "VOCdevkit" / "VOC2012" / "Annotations" / "2008_000000.xml"
    entities = "".join(f'<!ENTITY e{k} "{f"&e{k - 1};" * 10}">' for k in range(1, 10))
    text = f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e0 "0">{entities}]><annotation>&e9;</annotation>'
    path.write_text(text, encoding)
    with pytest.raises(UserError, match=r"2008_000000\.xml: it defines XML entities, which no annotation needs$"):
        Voc(voc).train()


@pytest.mark.parametrize("content", [b'<?xml version="1.0" encoding="x-y"?><a/>', b"\xff\xfe<", b"<a>" * 100_000])
def test_odd_xml_is_named(voc, content):
    (voc / "VOCdevkit" / "VOC2012" / "Annotations" / "2008_000000.xml").write_bytes(content)
    with pytest.raises(UserError, match=r"2008_000000\.xml"):
        Voc(voc).train()
