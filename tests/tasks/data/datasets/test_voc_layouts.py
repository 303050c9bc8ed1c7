"""Folders of images with VOC's XML as people have them: with and without lists, and names of every kind."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import UserError
from tasks.data.datasets.voc import Voc
from tasks.data.datasets.voc_classes import CLASSES
from tasks.data.files import cache, voc_xml

SHARE = {"share": 0.25}


def xml(
    *objects: tuple[str, int, int, int, int], size: str = "<size><width>60</width><height>40</height></size>"
) -> str:
    """An annotation file; objects are a name and xmin, ymin, xmax, ymax as written."""
    edges = ("xmin", "ymin", "xmax", "ymax")
    body = "".join(
        f"<object><name>{name}</name><bndbox>"
        + "".join(f"<{edge}>{value}</{edge}>" for edge, value in zip(edges, corners, strict=True))
        + "</bndbox></object>"
        for name, *corners in objects
    )
    return f"<annotation>{size}{body}</annotation>"


def add(
    images: Path, annotations: Path, name: str, *objects: tuple[str, int, int, int, int], suffix: str = ".jpg"
) -> None:
    """An image with its annotation file; the default object's place is the number of files so far."""
    for folder in ((images / name).parent, (annotations / name).parent):
        folder.mkdir(parents=True, exist_ok=True)
    left = 1 + len(list(annotations.rglob("*.xml")))
    Image.new("RGB", (60, 40), (left, 0, 0)).save(images / f"{name}{suffix}")
    (annotations / f"{name}.xml").write_text(xml(*(objects or [("bolt", left, 2, left + 9, 21)])))


def write_list(root: Path, split: str, *lines: str) -> Path:
    path = root / "ImageSets" / "Main" / f"{split}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def content(samples) -> dict[str, list[list[float]]]:
    """Boxes by file; every file passes the check."""
    assert not any(samples.check())
    return {samples.files[index]: samples.annotations(index).boxes.tolist() for index in range(len(samples))}


def test_browser_copies_are_distinct_images(tmp_path):
    names = ["photo", *(f"photo ({number})" for number in range(1, 6))]
    for name in names:
        add(tmp_path / "JPEGImages", tmp_path / "Annotations", name)
    write_list(tmp_path, "train", *names[:4])
    write_list(tmp_path, "val", *names[4:])
    dataset = Voc(tmp_path)
    assert content(dataset.train()) == {f"{name}.jpg": [[place, 1, 10, 20]] for place, name in enumerate(names[:4])}
    assert content(dataset.val()) == {"photo (4).jpg": [[4, 1, 10, 20]], "photo (5).jpg": [[5, 1, 10, 20]]}


def test_a_flag_ends_a_name_only_where_all_lines_have_one_and_no_image_has_it(tmp_path):
    for name in ("photo", "photo 1", "photo 0", "other"):
        add(tmp_path / "JPEGImages", tmp_path / "Annotations", name)
    for lines, files in (
        (("photo 1", "photo 0"), ["photo 1.jpg", "photo 0.jpg"]),
        (("photo", "photo 1"), ["photo.jpg", "photo 1.jpg"]),
        (("photo -1", "other  1"), ["photo.jpg", "other.jpg"]),
    ):
        write_list(tmp_path, "train", *lines)
        assert list(content(Voc(tmp_path).train())) == files
    for lines, lost in (
        (("photo -1", "photo"), "photo -1"),
        (("photo 1", "other 1"), "other 1"),
        (("photo -1", "gone"), "photo -1"),
        (("photo", "other.1"), "other.1"),
    ):
        path = write_list(tmp_path, "train", *lines)
        with pytest.raises(UserError, match=rf"^{path}: image [12] is missing: no file .*/{lost}\.jpg"):
            Voc(tmp_path).train()


def test_lists_may_name_suffixes_folders_and_begin_with_a_mark(tmp_path):
    images, annotations = tmp_path / "JPEGImages", tmp_path / "Annotations"
    add(images, annotations, "train/a", suffix=".png")
    add(images, annotations, "train/a.b", suffix=".bmp")
    add(images, annotations, "val/a")
    write_list(tmp_path, "train", "\ufefftrain/a.png", "train\\a.b")
    write_list(tmp_path, "val", "val/a")
    assert list(content(Voc(tmp_path).train())) == ["train/a.png", "train/a.b.bmp"]
    assert content(Voc(tmp_path).val()) == {"val/a.jpg": [[2, 1, 10, 20]]}
    write_list(tmp_path, "val", "test/a")
    with pytest.raises(UserError, match=r"image 1 is missing: no file .*JPEGImages/test/a\.jpg"):
        Voc(tmp_path).val()
    write_list(tmp_path, "val", "a")
    with pytest.raises(UserError, match=r"JPEGImages has two files for a, train/a\.png and val/a\.jpg: keep one"):
        Voc(tmp_path).val()


@pytest.mark.parametrize("folders", [("images", "annotations"), ("JPEGImages", "Annotations"), (".", ".")])
def test_without_lists_validation_images_are_drawn(tmp_path, folders, capsys):
    for name in "abcdefgh":
        add(tmp_path / folders[0], tmp_path / folders[1], f"my {name}", suffix=".png" if name == "c" else ".jpg")
    dataset = Voc(tmp_path, val=SHARE)
    train, val = content(dataset.train()), content(dataset.val())
    assert len(val) == 2 and len(train) == 6 and not train.keys() & val.keys()
    assert {**train, **val}["my c.png"] == [[2, 1, 10, 20]] and dataset.classes == {"boxes": [["bolt", 1]]}
    assert "1 classes found: bolt\n" in capsys.readouterr().out
    assert content(Voc(tmp_path, val={**SHARE, "seed": 3}).val()).keys() != val.keys()
    with pytest.raises(UserError, match=r"has no list or folder of the split train: dataset\.val\.share=0\.2 draws"):
        Voc(tmp_path).train()


@pytest.mark.parametrize("form", ["{split}", "{split}/images", "images/{split}"])
def test_a_folder_for_each_split(tmp_path, form):
    for split, names in (("train", "abc"), ("valid", "ad")):
        images = tmp_path / form.format(split=split)
        labels = images if form == "{split}" else Path(str(images).replace("images", "annotations"))
        for name in names:
            add(images, labels, name)
    dataset = Voc(tmp_path)
    assert list(content(dataset.train())) == ["a.jpg", "b.jpg", "c.jpg"] and list(content(dataset.val())) == [
        "a.jpg",
        "d.jpg",
    ]
    assert Voc(tmp_path, val_split="test").train() and len(Voc(tmp_path, val={"share": 0.4}).val()) == 1
    with pytest.raises(UserError, match=r"no list or folder of the split test: .*dataset\.val_split=… names it"):
        Voc(tmp_path, val_split="test").val()


def test_named_folders(tmp_path):
    for name in "abcd":
        add(tmp_path / "photos", tmp_path / "marks", name)
    dataset = Voc(tmp_path, images="photos", annotations="marks", val=SHARE)
    assert len(dataset.train()) == 3 and len(dataset.val()) == 1


def test_images_of_one_stem_are_named(tmp_path):
    for name, suffix in (("a", ".jpg"), ("a", ".png"), ("b", ".jpg")):
        add(tmp_path / "images", tmp_path / "annotations", name, suffix=suffix)
    with pytest.raises(UserError, match=r"images has two files for a, a\.jpg and a\.png: keep one of them$"):
        Voc(tmp_path, val=SHARE).train()


def test_what_has_no_partner_is_counted(tmp_path, capsys):
    for name in "abcd":
        add(tmp_path / "images", tmp_path / "annotations", name)
    (tmp_path / "annotations" / "b.xml").unlink()
    (tmp_path / "images" / "d.jpg").unlink()
    assert len(Voc(tmp_path, val=SHARE).train()) == 1
    out = capsys.readouterr().out
    assert "images: 1 images without .xml file left out (b.jpg)" in out
    assert "images: 1 XML files without image left out (d.xml)" in out
    for path in (tmp_path / "annotations").glob("[ac].xml"):
        path.unlink()
    with pytest.raises(UserError, match=r"images has 3 images, but none of them has a \.xml file in .*annotations"):
        Voc(tmp_path, val=SHARE).train()


def test_one_label_of_two_images_is_refused(tmp_path):
    for name in ("x/a", "y/a"):
        add(tmp_path / "images", tmp_path / "spare", name)
    add(tmp_path / "spare", tmp_path / "annotations", "a")
    with pytest.raises(UserError, match=r"annotations/a\.xml would be the label of two images, x/a\.jpg and y/a\.jpg"):
        Voc(tmp_path, val=SHARE).train()


def test_classes_are_vocs_unless_there_are_others(tmp_path, capsys):
    root = tmp_path / "voc"
    add(root / "JPEGImages", root / "Annotations", "a", ("dog", 1, 1, 9, 9))
    add(root / "JPEGImages", root / "Annotations", "b", ("cat", 1, 1, 9, 9))
    add(root / "JPEGImages", root / "Annotations", "c", ("wolf", 1, 1, 9, 9))
    write_list(root, "train", "a")
    write_list(root, "val", "b")
    assert Voc(root).names == list(CLASSES) and len(Voc(root).val()) == 1
    assert "train.txt: classes are the 20 of VOC (dataset.classes=found" in capsys.readouterr().out
    write_list(root, "val", "b", "c")
    with pytest.raises(UserError, match=r"c\.xml has an object of class wolf, .* dataset\.classes=\[dog,wolf\]"):
        Voc(root).val()
    write_list(root, "train", "a", "c")
    assert Voc(root).names == ["dog", "wolf"]
    with pytest.raises(UserError, match=r"class cat, which is none of dog, wolf: .*dataset\.classes=\[cat,dog,wolf\]"):
        Voc(root).val()
    with pytest.raises(UserError, match=r"wolf, which is none of VOC's 20: dataset\.classes=found takes"):
        Voc(root, classes="official").train()
    with pytest.raises(UserError, match=r"class wolf, which is none of dog: add it to dataset\.classes$"):
        Voc(root, classes=["dog"]).train()


def test_a_class_that_is_only_drawn_to_score_is_named(tmp_path):
    for name in "abcdefgh":
        add(tmp_path / "images", tmp_path / "annotations", name, ("bolt", 1, 1, 9, 9))
    drawn = Voc(tmp_path, val=SHARE).val().files[0]
    (tmp_path / "annotations" / drawn).with_suffix(".xml").write_text(xml(("nut", 1, 1, 9, 9)))
    with pytest.raises(UserError, match=r"class nut are in the validation .* dataset\.classes=\[bolt,nut\] keeps"):
        Voc(tmp_path, val=SHARE).train()
    assert Voc(tmp_path, val=SHARE, classes=["bolt", "nut"]).train()


def test_tools_deviate(tmp_path, capsys):
    texts = {
        "none": xml(("a", 1, 1, 9, 9), size=""),
        "zero": xml(("a", 1, 1, 9, 9), size="<size><width>0</width><height>0</height></size>"),
        "float": xml(("a", 1.5, 1, 9.25, 9), size="<size><width>60.0</width><height>40.0</height></size>"),
        "polygon": "<annotation><object><name>a</name><polygon><pt><x>3</x><y>2</y></pt><pt><x>9</x><y>4</y></pt>"
        "<pt><x>5</x><y>8</y></pt></polygon></object></annotation>",
        "roboflow": "<annotation><object><name>a</name><polygon><x1>3</x1><y1>2</y1><x2>9</x2><y2>8</y2></polygon>"
        "</object></annotation>",
        "turned": "<annotation><object><name>a</name><robndbox><cx>20</cx><cy>20</cy><w>11</w><h>5</h>"
        "<angle>1.5707963</angle></robndbox></object></annotation>",
    }
    for name, text in texts.items():
        add(tmp_path, tmp_path, name)
        (tmp_path / f"{name}.xml").write_text(text)
    dataset = Voc(tmp_path, val={"share": 0.17})
    found = content(dataset.train()) | content(dataset.val())
    assert found["none.jpg"] == found["zero.jpg"] == [[0, 0, 9, 9]] and found["float.jpg"] == [[0.5, 0, 8.75, 9]]
    assert found["polygon.jpg"] == found["roboflow.jpg"] == [[2, 1, 7, 7]]
    np.testing.assert_allclose(found["turned.jpg"], [[16.5, 13.5, 6, 12]], atol=1e-5)
    assert dataset.train().size(0) == (40, 60)
    assert "5 sizes that the files lack are taken from the images" in capsys.readouterr().out


def test_boxes_may_count_from_zero(tmp_path, capsys):
    for name in "ab":
        add(tmp_path, tmp_path, name, ("a", 0, 3, 9, 9))
    from_one = Voc(tmp_path, val={"share": 0.5}).train()
    assert from_one.annotations(0).boxes.tolist() == [[-1, 2, 10, 7]]
    assert "2 boxes begin at pixel 0 (a.xml), where VOC counts from 1: dataset.first_pixel=0" in capsys.readouterr().out
    from_zero = Voc(tmp_path, val={"share": 0.5}, first_pixel=0).train()
    assert from_zero.annotations(0).boxes.tolist() == [[0, 3, 10, 7]] and "first_pixel" not in capsys.readouterr().out


def test_cvats_own_file_and_other_lists_are_answered(tmp_path):
    add(tmp_path / "images", tmp_path, "a")
    (tmp_path / "a.xml").unlink()
    (tmp_path / "annotations.xml").write_text("<annotations><version>1.1</version></annotations>")
    with pytest.raises(UserError, match=r"annotations\.xml is one file for all images .* export .* as COCO 1\.0"):
        Voc(tmp_path).train()
    root = tmp_path / "export"
    add(root / "JPEGImages", root / "Annotations", "a")
    write_list(root, "default", "a")
    with pytest.raises(UserError, match=r"lists: default: dataset\.train_split=default dataset\.val\.share=0\.2 draws"):
        Voc(root).train()
    with pytest.raises(UserError, match=r"no data set at .*nothing: no images with XML files\nexpected"):
        Voc(tmp_path / "nothing").train()


def test_files_are_parsed_once(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    root = tmp_path / "set"
    for name in "abcd":
        add(root / "images", root / "annotations", name)
    first = content(Voc(root, val=SHARE).train())
    monkeypatch.setattr(voc_xml, "read_annotation", None)
    again = Voc(root, val=SHARE)
    assert content(again.train()) == first and again.names == ["bolt"]
    monkeypatch.undo()
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    (root / "annotations" / "a.xml").write_text(xml(("nut", 1, 1, 5, 5), ("bolt", 1, 1, 5, 5)))
    assert Voc(root, val=SHARE).names == ["bolt", "nut"]
