"""COCO's JSON as tools write it: label maps, exports, drawn validation images, the cache."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import UserError
from tasks.data.datasets.coco import Coco, CocoJson
from tasks.data.datasets.instance_classes import MaskClasses
from tasks.data.files import cache, coco_cache

BOLT, NUT = [1, 1, 4, 1, 4, 3, 1, 3], [3, 2, 6, 2, 6, 5, 3, 5]  # 3×2 and 3×3 pixels that overlap in one
TRUTH = [[0, 0, 0, 0, 0, 0, 0, 0], [0, 1, 1, 1, 0, 0, 0, 0], [0, 1, 1, 2, 2, 2, 0, 0], [0, 0, 0, 2, 2, 2, 0, 0],
         [0, 0, 0, 2, 2, 2, 0, 0], [0] * 8]  # fmt: skip


def content(names, first=0, categories=((1, "bolt"), (2, "nut"))):
    """Two objects in each image of 8×6 pixels."""
    images, annotations = [], []
    for number, name in enumerate(names, first):
        images.append({"id": number, "file_name": name, "width": 8, "height": 6})
        for category, ring, box in ((1, BOLT, [1, 1, 3, 2]), (2, NUT, [3, 2, 3, 3])):
            annotations.append(
                {"id": len(annotations), "image_id": number, "category_id": category, "iscrowd": 0, "bbox": box,
                 "area": box[2] * box[3], "segmentation": [ring]}
            )  # fmt: skip
    return {
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in categories],
    }


def write(images: Path, file: Path, count=2, change=None, **kw) -> Path:
    """Images in a folder and the JSON file that lists them."""
    images.mkdir(parents=True, exist_ok=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    names = [f"{file.stem.strip('_')}{number}.png" for number in range(count)]
    for name in names:
        Image.new("RGB", (8, 6)).save(images / name)
    made = content(names, **kw)
    file.write_text(json.dumps(made if change is None else change(made) or made))
    return file


def opened(tmp_path, change=None, **kw):
    file = write(tmp_path / "images", tmp_path / "a.json", change=change)
    return CocoJson(val={"images": str(tmp_path / "images"), "annotations": str(file)}, **kw)


def each(**values):
    """Change that sets keys of every annotation."""
    return lambda made: [row.update(values) for row in made["annotations"]] and None


def test_polygons_are_label_maps(tmp_path):
    dataset = opened(tmp_path, targets=["mask", "boxes"])
    assert dataset.classes == {
        "mask": [("background", 0, (0, 0, 0)), ("bolt", 1, (128, 0, 0)), ("nut", 2, (0, 128, 0))],
        "boxes": [["bolt", 1], ["nut", 2]],
    }
    sample = dataset.val().read(0)
    assert sample["mask"].tolist() == TRUTH
    assert sample["bboxes"].tolist() == [[1, 1, 4, 3, 0], [3, 2, 6, 5, 1]]
    assert list(dataset.val().check()) == [None, None]


def test_masks_alone_have_no_boxes_and_boxes_alone_no_masks(tmp_path):
    assert set(opened(tmp_path, targets=["mask"]).val().read(0)) == {"image", "mask"}
    boxes = opened(tmp_path)
    assert set(boxes.val().read(0)) == {"image", "bboxes"} and list(boxes.classes) == ["boxes"]
    assert boxes.instances["val"].shapes is None, "polygons are not read"


def test_crowds_of_run_lengths_are_of_their_class(tmp_path):
    runs = {"size": [6, 8], "counts": [7, 2, 4, 2, 4, 2, 27]}  # BOLT, column by column
    dataset = opened(
        tmp_path, lambda made: made["annotations"][0].update(segmentation=runs, iscrowd=1), targets=["mask"]
    )
    assert dataset.val().read(0)["mask"].tolist() == TRUTH


def test_pixels_without_an_object(tmp_path):
    assert opened(tmp_path, targets=["mask"], background="ground").classes["mask"][0][0] == "ground"
    void = opened(tmp_path, targets=["mask"], background=None)
    assert [name for name, *_ in void.classes["mask"]] == ["bolt", "nut"]
    expected = np.array(TRUTH)
    assert (void.val().read(0)["mask"] == np.where(expected, expected - 1, 255)).all()


@pytest.mark.parametrize(
    ("categories", "background", "expected"),
    [
        ([("bolt", 7), ("nut", 3)], "background", ([("background", 0), ("bolt", 7), ("nut", 3)], 1, 0)),
        ([("bolt", 0), ("nut", 3)], "background", ([("background", 0), ("bolt", 1), ("nut", 2)], 1, 0)),
        ([("bolt", 1), ("nut", 300)], "background", ([("background", 0), ("bolt", 1), ("nut", 2)], 1, 0)),
        ([("Background", 0), ("nut", 3)], "background", ([("Background", 0), ("nut", 3)], 0, 0)),
        ([("bolt", 1), ("background", 4)], "background", ([("bolt", 1), ("background", 4)], 0, 1)),
        ([("bolt", 0), ("nut", 3)], None, ([("bolt", 0), ("nut", 3)], 0, 255)),
    ],
)
def test_ids_and_numbers_of_classes(categories, background, expected):
    found = MaskClasses.of(categories, background)
    assert ([entry[:2] for entry in found.entries], found.first, found.background) == expected


def test_more_classes_than_a_label_map_holds():
    with pytest.raises(UserError, match="256 classes are more than a label map of 8 bits can hold"):
        MaskClasses.of([(str(number), number) for number in range(255)], "background")


def test_objects_with_only_a_box_are_void(tmp_path, capsys):
    dataset = opened(tmp_path, lambda made: made["annotations"][1].update(segmentation=[]), targets=["mask"])
    expected = np.array(TRUTH)
    expected[expected == 2] = 255
    expected[2, 3] = 1  # the bolt is known there
    assert (dataset.val().read(0)["mask"] == expected).all()
    assert "a.json: 1 objects have only a box, which is void in label maps" in capsys.readouterr().out


def test_a_file_without_outlines_has_no_masks(tmp_path):
    assert list(opened(tmp_path, each(segmentation=[]), targets=["mask", "boxes"]).classes) == ["boxes"]
    with pytest.raises(UserError, match=r"a\.json has no polygons and no masks to draw label maps of"):
        assert opened(tmp_path, each(segmentation=[]), targets=["mask"]).classes


def test_a_damaged_outline_is_named(tmp_path):
    with pytest.raises(UserError, match=r"a\.json: annotation 0 has a polygon of 7 values"):
        opened(tmp_path, each(segmentation=[[1, 1, 4, 1, 4, 4, 1]]), targets=["mask"]).val()
    with pytest.raises(UserError, match=r"a\.json: annotation 0 has a mask of 6×8 pixels, its image has 8×6"):
        opened(tmp_path, each(segmentation={"size": [8, 6], "counts": [48]}), targets=["mask"]).val()
    samples = opened(tmp_path, targets=["mask"]).val()
    Image.new("RGB", (9, 6)).save(samples.path(1))
    assert [str(problem).endswith("a.json says 8×6") for problem in samples.check() if problem] == [True]


def test_annotations_written_twice_are_read_once(tmp_path, capsys):
    samples = opened(tmp_path, lambda made: made["annotations"].append(dict(made["annotations"][0]))).val()
    assert samples.annotations(0).labels.tolist() == [0, 1]
    assert "a.json: 1 annotations written twice are read once (annotation 0)" in capsys.readouterr().out
    other = opened(tmp_path, lambda made: made["annotations"].append({**made["annotations"][0], "bbox": [0, 0, 2, 2]}))
    assert len(other.val().annotations(0).labels) == 3, "another box with the same id is another object"


def test_coco_itself_reads_masks_where_they_are_wanted(coco):
    """In mixtures its 80 classes would be rivals of other sets' label maps."""
    every = Coco(coco, wanted=["mask", "boxes", "label"])
    assert every.targets == ("boxes",) and every.unread["mask"].startswith("dataset.targets=[mask,boxes]")
    assert Coco(coco, wanted=["mask"]).targets == ("mask",)
    assert Coco(coco, wanted=["boxes"], targets=["mask", "boxes"]).targets == ("mask", "boxes")
    with pytest.raises(UserError, match=r"targets=boxes is not a list"):
        Coco(coco, targets="boxes")


ROBOFLOW = (("train", "train/_annotations.coco.json"), ("valid", "valid/_annotations.coco.json"))
EXPORTS = {
    "Roboflow": ROBOFLOW,
    "CVAT": (("images/train", "annotations/instances_train.json"), ("images/val", "annotations/instances_val.json")),
    "COCO": (("train2017", "annotations/instances_train2017.json"), ("val2017", "annotations/instances_val2017.json")),
    "one folder": (("images", "train.json"), ("images", "val.json")),
    "names with more words": (("images", "coco_train_v2.json"), ("images", "coco-validation.json")),
}


@pytest.mark.parametrize("export", EXPORTS)
def test_exports_are_found(tmp_path, capsys, export):
    for (images, file), count in zip(EXPORTS[export], (3, 2), strict=True):
        write(tmp_path / images, tmp_path / file, count)
    dataset = CocoJson(root=tmp_path)
    splits = dataset.train(), dataset.val()
    assert tuple(map(len, splits)) == (3, 2) and [list(split.check()) for split in splits] == [[None] * 3, [None] * 2]
    told = "; ".join(
        f"{name}: {file} with {images}" for name, (images, file) in zip(("train", "val"), EXPORTS[export], strict=True)
    )
    assert capsys.readouterr().out.startswith(f"found in {tmp_path}: {told}\n")


@pytest.mark.parametrize("file", ["annotations/instances_default.json", "result.json", "annotations.json"])
def test_one_file_for_all_images(tmp_path, file):
    write(tmp_path / "images", tmp_path / file, 10)
    with pytest.raises(UserError, match=r"is no validation file: dataset\.val\.share=0\.2 draws validation images"):
        CocoJson(root=tmp_path).val()
    dataset = CocoJson(root=tmp_path, val={"share": 0.2, "seed": 0, "group": None}, targets=["mask", "boxes"])
    train, val = dataset.train(), dataset.val()
    names = [{samples.files[index] for index in range(len(samples))} for samples in (train, val)]
    assert tuple(map(len, names)) == (8, 2) and not names[0] & names[1]
    assert all(samples.read(1)["mask"].tolist() == TRUTH for samples in (train, val))
    assert val.annotations(1).labels.tolist() == [0, 1]


def test_val_is_drawn_from_the_long_form_too(tmp_path):
    file = write(tmp_path / "images", tmp_path / "a.json", 6)
    train = {"images": str(tmp_path / "images"), "annotations": str(file)}
    dataset = CocoJson(train=train, val={"share": 0.5, "group": r"a(\d)"})
    assert (len(dataset.train()), len(dataset.val())) == (3, 3)
    with pytest.raises(
        UserError, match=r"dataset\.val\.share draws from the training images: leave out dataset\.val\.im"
    ):
        CocoJson(train=train, val={"share": 0.5, "images": "there"})


def test_a_test_split_is_not_used(tmp_path, capsys):
    for images, file in (*ROBOFLOW, ("test", "test/_annotations.coco.json")):
        write(tmp_path / images, tmp_path / file)
    assert len(CocoJson(root=tmp_path).val()) == 2
    assert "not used: test/_annotations.coco.json" in capsys.readouterr().out


def test_captions_beside_instances_are_passed_over(tmp_path):
    for images, file in EXPORTS["COCO"]:
        write(tmp_path / images, tmp_path / file)
        write(tmp_path / images, tmp_path / file.replace("instances", "person_keypoints"))
    assert len(CocoJson(root=tmp_path).val()) == 2


def test_what_a_root_may_not_mean(tmp_path):
    with pytest.raises(UserError, match=r"dataset\.root=.*/none: no such folder"):
        CocoJson(root=tmp_path / "none").val()
    (tmp_path / "photo.json").write_text('{"version": "5.0.1", "shapes": []}')
    with pytest.raises(UserError, match=r"no JSON file of COCO's format .*found: photo\.json.*dataset\.train\.images="):
        CocoJson(root=tmp_path).val()
    write(tmp_path / "images", tmp_path / "first.json")
    write(tmp_path / "images", tmp_path / "second.json")
    with pytest.raises(UserError, match=r"first\.json, second\.json may all be meant: dataset\.train\.images=<folder>"):
        CocoJson(root=tmp_path, val={"share": 0.5}).val()
    with pytest.raises(UserError, match=r"dataset\.root finds the files itself: leave out dataset\.train\.images"):
        CocoJson(root=tmp_path, train={"images": "there"})


def test_val_that_is_there_is_not_drawn(tmp_path):
    for images, file in ROBOFLOW:
        write(tmp_path / images, tmp_path / file)
    with pytest.raises(UserError, match=r"valid/_annotations\.coco\.json has validation images already"):
        CocoJson(root=tmp_path, val={"share": 0.5}).val()


def test_categories_without_an_annotation(tmp_path, capsys):
    categories = ((0, "parts"), (1, "bolt"), (2, "nut"))
    for images, file in ROBOFLOW:
        write(tmp_path / images, tmp_path / file, categories=categories)
    whole = CocoJson(root=tmp_path)
    assert [name for name, _ in whole.classes["boxes"]] == ["parts", "bolt", "nut"]
    assert (whole.train(), whole.val()) and capsys.readouterr().out.count(
        "no annotation of parts: dataset.drop_empty=true leaves such categories out\n"
    ) == 1
    dropped = CocoJson(root=tmp_path, drop_empty=True, targets=["mask", "boxes"])
    assert dropped.classes["boxes"] == [["bolt", 1], ["nut", 2]]
    sample = dropped.train().read(0)
    assert sample["bboxes"][:, 4].tolist() == [0, 1] and sample["mask"].tolist() == TRUTH


def test_a_file_is_read_once_and_again_when_it_changed(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    reads, read = [], coco_cache.read_instances
    monkeypatch.setattr(coco_cache, "read_instances", lambda *a, **k: reads.append(1) or read(*a, **k))
    first, second = (opened(tmp_path, targets=["mask", "boxes"]) for _ in range(2))

    before = first.val()
    after = second.val()
    assert len(reads) == 1 and first.classes == second.classes
    for index in range(2):
        assert all((before.read(index)[key] == after.read(index)[key]).all() for key in ("image", "mask", "bboxes"))
        assert before.name(index) == after.name(index)
    opened(tmp_path).val()
    assert len(reads) == 2, "another time of change, and without polygons"


def test_annotations_in_a_mapping_of_ids(tmp_path):
    """LIVECell's files of single cell types."""

    def change(content):
        content["annotations"] = {str(row["id"]): row for row in content["annotations"]}

    write(tmp_path / "images", tmp_path / "all.json", count=4, change=change)
    train = CocoJson(root=tmp_path, val={"share": 0.25}).train()
    assert train.annotations(0).boxes.tolist() == [[1, 1, 3, 2], [3, 2, 3, 3]]
