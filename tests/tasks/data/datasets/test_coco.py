"""COCO's layout and any JSON of its format: what is read, and what is refused by file and id."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.data.datasets import header_sizes
from tasks.data.datasets.coco import Coco, CocoJson
from tasks.data.files.coco_boxes import box_of_segmentation, check_meaning
from tasks.data.files.coco_json import read_instances
from tasks.data.files.coco_parse import POLYGONS
from tasks.data.files.images import read_rgb
from tasks.data.files.json_rows import as_integer, as_number
from tasks.data.files.names import locate

SHARED = Path(__file__).parents[5] / "shared" / "data"


def edit(root, change, split="train2017"):
    """Change a split's JSON; returns its path."""
    path = root / "annotations" / f"instances_{split}.json"
    content = json.loads(path.read_text())
    changed = change(content)
    path.write_text(json.dumps(content if changed is None else changed))
    return path


def test_classes_are_the_categories_by_ascending_id(coco):
    assert Coco(coco).classes == {"boxes": [["red", 1], ["green", 3], ["blue", 7]]}
    numbered = Coco(coco, numbering="ids")
    assert numbered.classes["boxes"] == [
        ["red", 1], ["-", 2], ["green", 3], ["-", 4], ["-", 5], ["-", 6], ["blue", 7]
    ]  # fmt: skip
    dense, holes = Coco(coco).train(), numbered.train()
    ids = np.array([1, 3, 7])
    for i in range(len(dense)):
        assert (ids[dense.annotations(i).labels] - 1 == holes.annotations(i).labels).all()
    with pytest.raises(UserError, match="numbering=sparse is not one of dense, ids"):
        Coco(coco, numbering="sparse")


def test_scoring_has_what_the_file_has(coco):
    content = json.loads((coco / "annotations" / "instances_val2017.json").read_text())
    samples = Coco(coco).val()
    assert len(samples) == len(content["images"]) == 4, "images without boxes are kept"
    number = {1: 0, 3: 1, 7: 2}
    for i, image in enumerate(content["images"]):
        truth = samples.annotations(i)
        theirs = [row for row in content["annotations"] if row["image_id"] == image["id"]]
        assert (truth.image_id, truth.height, truth.width) == (image["id"], image["height"], image["width"])
        assert truth.boxes.tolist() == [row["bbox"] for row in theirs]
        assert truth.labels.tolist() == [number[row["category_id"]] for row in theirs]
        assert truth.areas.tolist() == [row["area"] for row in theirs]
        assert truth.crowd.tolist() == [bool(row["iscrowd"]) for row in theirs]
        assert samples.name(i) == image["file_name"] and samples.size(i) == (image["height"], image["width"])
    assert samples.annotations(0).crowd.any() and len(samples.annotations(1).boxes) == 0


def test_training_has_corners_and_no_crowds(coco):
    samples = Coco(coco).train()
    for i in range(len(samples)):
        truth, sample = samples.annotations(i), samples.read(i)
        assert sample["image"].shape == (truth.height, truth.width, 3) and sample["bboxes"].dtype == np.float32
        x, y, w, h = truth.boxes[~truth.crowd].T
        expected = np.stack((x, y, x + w, y + h, truth.labels[~truth.crowd]), 1)
        assert (sample["bboxes"] == expected).all() and sample["bboxes"].shape[1] == 5


def test_images_may_lie_below_images(coco):
    (coco / "images").mkdir()
    for split in ("train2017", "val2017"):
        (coco / split).rename(coco / "images" / split)
    assert list(Coco(coco).train().check()) == [None] * 6


def test_an_area_that_is_missing_is_width_times_height(coco):
    edit(coco, lambda content: [row.pop("area") for row in content["annotations"]] and None)
    truth = Coco(coco).train().annotations(2)
    assert len(truth.areas) and (truth.areas == truth.boxes[:, 2] * truth.boxes[:, 3]).all()


def test_photos_are_not_turned(coco):
    """COCO's boxes refer to the pixels as they are stored."""
    path = coco / "train2017" / "000000000100.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(path).save(path, exif=exif, quality=95)
    samples = Coco(coco).train()
    assert samples.read(0)["image"].shape == (48, 64, 3) and next(samples.check()) is None


def test_boxes_are_repaired_for_training_and_reported(coco, capsys):
    def damage(content):
        boxes = [row for row in content["annotations"] if row["image_id"] in (102, 105)]
        boxes[0]["bbox"] = [-5, 3, 200, 10]
        boxes[1]["bbox"] = [10, 10, 0.2, 10]
        boxes[2]["bbox"] = [float("nan"), 10, 5, 10]
        boxes[3]["bbox"] = [0.1, 10, 39.95, 10]  # 0.05 outside is rounding

    edit(coco, damage)
    samples = Coco(coco).train()
    assert capsys.readouterr().out == (
        "instances_train2017.json: boxes 1 clipped (annotation 1020), 1 without area left out (annotation 1021), "
        "1 not finite left out (annotation 1022)\n"
    )
    assert samples.read(2)["bboxes"][:, :4].tolist() == [[0, 3, 40, 13]]
    assert samples.annotations(2).boxes.tolist() == [[-5, 3, 200, 10], [10, 10, 0.2, 10]], "scored as they are"
    assert samples.read(5)["bboxes"][0, 2] == 40


WRONG = {
    "a category that is not listed": (
        lambda c: c["annotations"][0].update(category_id=5),
        "annotation 1000 has category_id 5, which is not listed (1, 3, 7)",
    ),
    "an image that is not listed": (
        lambda c: c["annotations"][1].update(image_id=77),
        "has image_id 77, which is not listed (100, 101, ",
    ),
    "an image that is there twice": (lambda c: c["images"][1].update(id=100), "image id 100 is there 2 times"),
    "a category that is there twice": (lambda c: c["categories"][0].update(id=3), "category id 3 is there 2 times"),
    "a negative width": (
        lambda c: c["annotations"][0].update(bbox=[5, 5, -3, 4]),
        "annotation 1000 has bbox [5, 5, -3, 4]: a negative width or height (boxes are [x, y, width, height])",
    ),
    "three numbers": (
        lambda c: c["annotations"][0].update(bbox=[5, 5, 3]),
        "annotation 1000 has bbox [5, 5, 3], which is not four numbers",
    ),
    "a text in a box": (lambda c: c["annotations"][0].update(bbox=[5, 5, 3, "4x"]), "which is not four numbers"),
    "a null in a box": (lambda c: c["annotations"][0].update(bbox=[5, 5, 3, None]), "which is not four numbers"),
    "no box anywhere": (
        lambda c: [row.pop(key) for row in c["annotations"] for key in ("bbox", "segmentation")] and None,
        "annotations has a box, polygons or a mask",
    ),
    "corners": (
        lambda c: (
            [row.update(bbox=[x, y, x + w, y + h]) for row in c["annotations"] for x, y, w, h in [row["bbox"]]] and None
        ),
        "bbox seems to be [x1, y1, x2, y2]: as [x, y, width, height], which COCO's format has, ",
    ),
    "fractions": (
        lambda c: [row.update(bbox=[value / 64 for value in row["bbox"]]) for row in c["annotations"]] and None,
        "bbox seems to be in fractions of the image: COCO's format has pixels",
    ),
    "no file name": (lambda c: c["images"][2].pop("file_name") and None, "image 102 lacks file_name"),
    "an id that is none": (
        lambda c: c["images"][2].update(id=[1]),
        "image [1] has id [1], which is no whole number and",
    ),
    "ids of which two are one number": (lambda c: c["images"][2].update(id="100"), "image id 100 is there 2 times"),
    "two names of one file": (
        lambda c: [c["images"][k].update(file_name=f"{k}/000000000103.jpg") for k in (1, 3)] and None,
        "000000000103.jpg would be both 1/000000000103.jpg and 3/000000000103.jpg",
    ),
    "an image of no width": (lambda c: c["images"][2].update(width=0), "image 102 has width 0 and height 40"),
    "no annotations": (lambda c: c.pop("annotations") and None, "lacks annotations; it has images, categories"),
    "no categories": (lambda c: c["categories"].clear(), "lists no category"),
    "images by name": (lambda c: c.update(images={}), "images is not a list of objects"),
    "an image id above int64": (lambda c: c["images"][2].update(id=2**63), "image 9223372036854775808 has id 92"),
    "a category id above int64": (
        lambda c: c["categories"][0].update(id=-(2**63)),
        "category -9223372036854775808 has",
    ),
    "a height above int64": (lambda c: c["images"][2].update(height=2**63), "image 102 has height 92"),
    "a box above all floats": (
        lambda c: c["annotations"][0].update(bbox=[5, 5, 3, 10**400]),
        "annotation 1000 has bbox [5, 5, 3, 100000000000000000...0000000000000000000], which is not four numbers",
    ),
    "an area above all floats": (
        lambda c: c["annotations"][0].update(area=10**400),
        "annotation 1000 has area 100000000000000000...0000000000000000000, which is not a number from 0",
    ),
    "a negative area": (lambda c: c["annotations"][0].update(area=-0.5), "annotation 1000 has area -0.5, which is not"),
    "a text as area": (lambda c: c["annotations"][0].update(area="x"), "annotation 1000 has area 'x', which is not"),
    "a text as crowd": (
        lambda c: c["annotations"][0].update(iscrowd="no"),
        "annotation 1000 has iscrowd 'no', which is not 0 or 1",
    ),
    "a crowd of two": (lambda c: c["annotations"][0].update(iscrowd=2), "annotation 1000 has iscrowd 2, which is not"),
    "half a letter in a name": (
        lambda c: c["images"][2].update(file_name="\ud800.jpg"),
        r"image 102 has file_name '\ud800.jpg', which is no valid Unicode",
    ),
    "no box to learn": (
        lambda c: [row.update(iscrowd=True) for row in c["annotations"]] and None,
        "instances_train2017.json has no box to learn from",
    ),
    "a list": (lambda c: [1], "is no JSON object with images, annotations and categories"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_in_a_file_is_named(coco, change, message):
    path = edit(coco, change)
    with pytest.raises(UserError) as error:
        Coco(coco).train()
    assert str(path) in str(error.value) and message in str(error.value) and "\n" not in str(error.value)


def each(key, change):
    """A change of every row of one of the file's lists."""
    return lambda content: [change(row) for row in content[key]] and None


def ids_as(kind):
    """A change of all ids of images and categories, and of what refers to them."""

    def change(content):
        for row in content["images"] + content["categories"]:
            row["id"] = kind(row["id"])
        for row in content["annotations"]:
            row["image_id"], row["category_id"] = kind(row["image_id"]), kind(row["category_id"])

    return change


def mask(row):
    """The run-length mask of an annotation's box."""
    height, width = ((48, 64), (64, 48), (40, 40))[row["image_id"] % 100 % 3]
    x, y, w, h = row["bbox"]
    runs = [x * height + y, *[h, height - h] * w]
    row.update(segmentation={"size": [height, width], "counts": [*runs[:-1], width * height - sum(runs[:-1])]})
    row.pop("bbox")


def encoded(row):
    """The same in pycocotools' compressed form."""
    from pycocotools import mask as official

    mask(row)
    size = row["segmentation"]["size"]
    row["segmentation"]["counts"] = official.frPyObjects(row["segmentation"], *size)["counts"].decode()


READ = {  # what other tools write, and is unambiguous
    "ids as text": (ids_as(str), "image ids are texts ('100', …): read as whole numbers"),
    "ids with zeros": (ids_as("{:06d}".format), "image ids are texts ('000100', …): read as whole numbers"),
    "ids like 1.0": (ids_as(float), ""),
    "references as text": (each("annotations", lambda row: row.update(category_id=str(row["category_id"]))), ""),
    "annotation ids as text": (each("annotations", lambda row: row.update(id=f"{row['id']:x}-77")), ""),
    "no annotation ids": (each("annotations", lambda row: row.pop("id")), ""),
    "Windows' separators": (
        each("images", lambda row: row.update(file_name=f"batch\\{row['file_name']}")),
        "6 file names are found by their end or in another case (batch\\000000000100.jpg is 000000000100.jpg, …)",
    ),
    "a storage's prefix": (
        each("images", lambda row: row.update(file_name=f"../../media/upload/7/{row['file_name']}")),
        "6 file names are found by their end",
    ),
    "another machine's path": (
        each("images", lambda row: row.update(file_name=f"/home/x/data/{row['file_name']}")),
        "6 file names are found by their end",
    ),
    "an address": (
        each("images", lambda row: row.update(file_name=f"https://x/a%20b/{row['file_name']}?width=3")),
        "6 file names are found by their end",
    ),
    "another case": (
        each("images", lambda row: row.update(file_name=row["file_name"].upper())),
        "(000000000100.JPG is 000000000100.jpg, …)",
    ),
    "no sizes": (each("images", lambda row: (row.pop("width"), row.pop("height"))), "sizes that the files lack"),
    "sizes as text": (each("images", lambda row: row.update(width=str(row["width"]), height=f"{row['height']}.0")), ""),
    "crowd null": (each("annotations", lambda row: row.update(iscrowd=row["iscrowd"] or None)), ""),
    "crowd as text": (each("annotations", lambda row: row.update(iscrowd=str(row["iscrowd"]))), ""),
    "area as text": (each("annotations", lambda row: row.update(area=str(row["area"]))), ""),
    "boxes as text": (each("annotations", lambda row: row.update(bbox=[str(v) for v in row["bbox"]])), ""),
    "boxes in a list": (each("annotations", lambda row: row.update(bbox=[row["bbox"]])), ""),
    "masks alone": (each("annotations", mask), "boxes made of polygons or masks (annotation "),
    "masks alone, encoded": (each("annotations", encoded), "boxes made of polygons or masks (annotation "),
    "a BOM": (lambda content: None, ""),
}


@pytest.mark.parametrize(("change", "line"), READ.values(), ids=READ)
def test_what_other_tools_write_is_read_alike(coco, change, line, capsys):
    before = Coco(coco).train()
    for split in ("train2017", "val2017"):
        path = edit(coco, change, split)
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    after = Coco(coco).train()
    out = capsys.readouterr().out
    assert line in out and out.count("\n") <= 2
    assert line or not out, "nothing to say of what can mean only one thing"
    assert after.boxes.image_ids.tolist() == before.boxes.image_ids.tolist() and list(after.check()) == [None] * 6
    for place in range(len(before)):
        for ours, theirs in zip(after.annotations(place), before.annotations(place), strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("text", "number", "whole"),
    [
        *((" -5 ", -5, -5), ("+7", 7, 7), ("1.0", 1.0, 1), ("640.", 640.0, 640), ("-.5e1", -5.0, -5)),
        *(("0" * 30 + "8", 8, 8), ("inf", np.inf, None), ("1e999", np.inf, None), (str(2**63), 2.0**63, None)),
        *((text, None, None) for text in ("--5", "1_0", "1_0.0", "٣", "", "0x10", "1e", ".", "5\n5", "¹")),
    ],
)
def test_numbers_as_text(text, number, whole):
    assert as_number(text) == number and as_integer(text) == whole


def test_a_few_boxes_that_reach_out_are_no_corners():
    boxes = np.tile([[10.0, 10, 20, 20]], (200, 1))
    sizes = np.full((200, 2), 100)
    boxes[0] = [60, 10, 100, 40]  # up to x=160 of 100, or 60 to 100
    check_meaning(boxes, sizes, Path("x.json"))
    boxes[:40] = boxes[0]
    check_meaning(boxes, sizes, Path("x.json"))
    boxes[:41] = boxes[0]
    with pytest.raises(UserError, match="41 of 200 boxes reach beyond"):
        check_meaning(boxes, sizes, Path("x.json"))


@pytest.mark.parametrize(
    ("size", "counts"),
    [([4, 4], [0, 10**400]), ([10**30, 4], [0, 4]), ([4, 4], [0, 2**63]), ([4, 4], [2**62] * 3), ([4, 4], [0, 17])],
)
def test_a_mask_beyond_all_bounds_has_no_box(size, counts):
    assert box_of_segmentation({"size": size, "counts": counts}) is None


def test_polygons_alone_are_boxed_and_what_has_neither_is_counted(coco, capsys):
    before = Coco(coco).train()

    def strip(content):
        for row in content["annotations"]:
            row.pop("bbox")
        content["annotations"][2].pop("segmentation")

    edit(coco, strip)
    after = Coco(coco).train()
    out = capsys.readouterr().out
    assert "boxes made of polygons or masks (annotation" in out
    assert "1 annotations without a box left out (annotation 1020)" in out
    assert len(after.boxes.boxes) == len(before.boxes.boxes) - 1
    np.testing.assert_array_equal(after.annotations(3).boxes, before.annotations(3).boxes)


def test_ids_that_are_words_are_numbered(coco, capsys):
    for split in ("train2017", "val2017"):
        edit(coco, ids_as("id-{}".format), split)
    dataset = Coco(coco)
    assert dataset.classes["boxes"] == [["red", 1], ["green", 2], ["blue", 3]]
    assert dataset.train().boxes.image_ids.tolist() == [1, 2, 3, 4, 5, 6]
    assert "image ids are texts ('id-100', …): numbered from 1 in alphabetical order" in capsys.readouterr().out


def test_a_name_that_may_be_two_files_is_refused(coco):
    for folder in ("a", "b"):
        (coco / "train2017" / folder).mkdir()
        Image.new("RGB", (4, 4)).save(coco / "train2017" / folder / "x.jpg")
    edit(coco, lambda content: content["images"][0].update(file_name=".\\x.jpg"))
    with pytest.raises(UserError, match=r"image 100 is missing: .*: \.\\x\.jpg may be a/x\.jpg and b/x\.jpg$"):
        Coco(coco).train()


def test_a_file_of_the_same_name_in_another_folder_is_not_taken(tmp_path):
    for name in ("val/0001.jpg", "sub/b/2.jpg", "3.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert locate(tmp_path, ["train/0001.jpg"], [0]) == ({}, "")
    assert locate(tmp_path, ["media/val/0001.jpg", "b/2.jpg", "x/y/3.jpg"], range(3)) == (
        {0: "val/0001.jpg", 1: "sub/b/2.jpg", 2: "3.jpg"}, "",
    )  # fmt: skip


def turn_photos(coco, orientations):
    """Store photos turned, with an EXIF orientation that turns them back; the JSON has the upright sizes."""
    backwards = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    for path, turn in zip(sorted((coco / "train2017").glob("*.jpg")), orientations, strict=True):
        image = Image.open(path).convert("RGB")
        exif = Image.Exif()
        exif[0x0112] = turn
        image.transpose(backwards[turn]).save(path, exif=exif, quality=95) if turn != 1 else image.save(path)


def test_photos_are_upright_where_the_annotated_size_tells(coco, capsys):
    before = [Coco(coco).train().read(place)["image"] for place in range(6)]
    turn_photos(coco, (6, 8, 1, 6, 1, 1))
    samples = Coco(coco).train()
    assert list(samples.check()) == [None] * 6
    assert (
        "instances_train2017.json: 3 photos are read upright, as their annotated sizes tell" in capsys.readouterr().out
    )
    for place, image in enumerate(before):
        seen = samples.read(place, lambda source: read_rgb(source) if isinstance(source, Path) else source)["image"]
        assert (seen == samples.read(place)["image"]).all() and seen.shape == image.shape
        assert np.abs(seen.astype(int) - image).mean() < 9, "but for a second JPEG compression"


ASKED = (
    "and nothing tells whether the boxes are on the upright picture{}: dataset.upright=true if the annotation tool "
    "showed them upright (most do), false if as stored"
)


def test_photos_whose_size_does_not_tell_are_asked_about(coco, capsys):
    turn_photos(coco, (3, 1, 1, 1, 1, 1))
    one = "1 photo has an EXIF turn (000000000100.jpg) " + ASKED.format("")
    samples = Coco(coco).train()
    for look in (lambda: list(samples.check()), samples.look_at_turns, lambda: samples.read(0)):
        with pytest.raises(UserError) as error:
            look()
        assert str(error.value) == one
    stored, upright = (Coco(coco, upright=key).train() for key in (False, True))
    assert list(stored.check()) == list(upright.check()) == [None] * 6
    assert (stored.read(0)["image"][::-1, ::-1] == upright.read(0)["image"]).all()
    turn_photos(coco, (3, 8, 1, 1, 1, 1))
    rest = "; of the others with one, 1 are upright, as their sizes tell"
    with pytest.raises(UserError) as error:
        Coco(coco).train().look_at_turns()
    assert str(error.value) == "1 photo has an EXIF turn (000000000100.jpg) " + ASKED.format(rest)
    assert capsys.readouterr().out == ""


def test_a_file_that_is_not_json_is_named(coco):
    path = coco / "annotations" / "instances_train2017.json"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(UserError, match=r"instances_train2017\.json is not JSON: "):
        Coco(coco).train()


def test_a_file_of_nothing_but_brackets_is_named(coco):
    (coco / "annotations" / "instances_train2017.json").write_text("[" * 200_000)
    with pytest.raises(UserError, match=r"instances_train2017\.json is nested too deeply to be read$"):
        Coco(coco).train()


@pytest.mark.parametrize("number", [0, 10_000, 2**40])
def test_classes_by_id_have_a_limit(coco, number):
    path = edit(coco, lambda content: content["categories"].append({"id": number, "name": "grey"}))
    assert ["grey", number] in Coco(coco).classes["boxes"]
    with pytest.raises(UserError) as error:
        Coco(coco, numbering="ids").classes  # noqa: B018
    assert str(error.value) == f"{path}: category id {number} is not between 1 and 9,999: use dataset.numbering=dense"


def test_categories_of_one_name_are_told_apart(coco):
    def rename(content):
        for category in content["categories"]:
            category["name"] = "blue" if category["id"] == 7 else "same"

    edit(coco, rename)
    edit(coco, rename, "val2017")
    assert Coco(coco).classes["boxes"] == [["same (1)", 1], ["same (3)", 3], ["blue", 7]]

    def forget(content):
        content["annotations"] = []
        content["categories"] = [{"id": 3, "name": "same"}]

    edit(coco, forget, "val2017")
    assert len(Coco(coco).val()) == 4, "its one category of that name is that of the other file"


def test_missing_images_are_counted_before_training(coco):
    for number in (103, 105):
        (coco / "train2017" / f"000000000{number}.jpg").unlink()
    with pytest.raises(UserError) as error:
        Coco(coco).train()
    assert str(error.value) == (
        f"{coco}/annotations/instances_train2017.json: image 103 is missing: "
        f"no file {coco}/train2017/000000000103.jpg (2 of 6 images are missing): "
        "put it there, or remove it from the list"
    )


def test_a_folder_is_listed_once(coco, monkeypatch):
    listed = []
    scandir = os.scandir
    with monkeypatch.context() as patched:  # pytest lists folders, too, when it removes them
        patched.setattr(os, "scandir", lambda folder: listed.append(Path(folder).name) or scandir(folder))
        Coco(coco).train()
    assert listed == ["train2017"]


def test_sizes_are_read_by_threads_on_all_cores(coco, monkeypatch):
    pools = []
    monkeypatch.setattr(header_sizes, "thread_pool", lambda: pools.append(1) or thread_pool())
    edit(coco, each("images", lambda row: (row.pop("width"), row.pop("height"))))
    Coco(coco).train()
    assert pools == [1]


def test_an_image_of_another_size_is_found_by_the_check(coco):
    path = coco / "train2017" / "000000000103.jpg"
    Image.new("RGB", (50, 30)).save(path)
    (coco / "train2017" / "000000000104.jpg").write_bytes(b"")
    samples = Coco(coco).train()
    problems = list(samples.check())
    assert problems[:3] == [None] * 3 and problems[5] is None
    assert str(problems[3]) == (
        f"{path} is 50×30, but {coco}/annotations/instances_train2017.json says 64×48 for image 103"
    )
    assert "the file is empty" in str(problems[4])
    with pytest.raises(UserError, match="is 50×30"):
        samples.read(3)


def test_categories_of_both_files_must_agree(coco):
    edit(coco, lambda c: c["categories"][1].update(name="rouge"), "val2017")
    with pytest.raises(UserError, match=r"instances_val2017\.json: category 1 is rouge, but red in .*train2017\.json"):
        Coco(coco).val()
    edit(
        coco,
        lambda c: c["categories"].append({"id": 9, "name": "grey"}) or c["categories"][1].update(name="red"),
        "val2017",
    )
    with pytest.raises(UserError, match=r"category 9 \(grey\) is not listed in"):
        Coco(coco).val()


def test_scoring_needs_no_training_images(coco):
    for path in (coco / "train2017").iterdir():
        path.unlink()
    (coco / "train2017").rmdir()
    assert len(Coco(coco).val()) == 4
    with pytest.raises(UserError, match="train2017 is missing\nexpected:"):
        Coco(coco).train()
    (coco / "annotations" / "instances_train2017.json").unlink()
    assert Coco(coco).classes["boxes"][2] == ["blue", 7] and len(Coco(coco).val()) == 4
    with pytest.raises(UserError, match="only mode=evaluate works without it\nexpected:"):
        Coco(coco).train()


def test_a_missing_set_shows_the_expected_tree_and_what_is_there(tmp_path):
    (tmp_path / "annotations_trainval2017").mkdir()
    with pytest.raises(UserError) as error:
        Coco(tmp_path).val()
    first, *rest = str(error.value).splitlines()
    assert first.startswith(f"no data set at {tmp_path}: ") and first.endswith("instances_val2017.json is missing")
    assert "found: annotations_trainval2017" in rest


def test_any_json_by_its_path(coco):
    def split(name):
        return {"images": str(coco / name), "annotations": str(coco / "annotations" / f"instances_{name}.json")}

    nothing = {"images": None, "annotations": None}
    both = CocoJson(train=split("train2017"), val=split("val2017"))
    assert (len(both.train()), len(both.val())) == (6, 4) and both.classes == Coco(coco).classes
    alone = CocoJson(train=nothing, val=split("val2017"))
    assert len(alone.val()) == 4 and alone.classes == both.classes
    with pytest.raises(UserError, match=r"set dataset\.train\.images=<folder> and dataset\.train\.annotations="):
        alone.train()
    assert len(CocoJson(train=None, val=split("val2017")).val()) == 4
    with pytest.raises(UserError, match=r"set dataset\.val\.images=<folder> and dataset\.val\.annotations="):
        CocoJson(train=split("train2017"), val=None).val()
    with pytest.raises(UserError, match=r"set dataset\.train\.images=<folder> and dataset\.train\.annotations="):
        CocoJson(train=5, val=split("val2017"))
    with pytest.raises(UserError, match=r"dataset\.train\.annotations=7: no such file"):
        CocoJson(train={"images": 5, "annotations": 7}, val=split("val2017")).train()
    with pytest.raises(UserError, match=r"dataset\.val\.annotations=/nowhere\.json: no such file"):
        CocoJson(train=nothing, val={"images": str(coco), "annotations": "/nowhere.json"}).val()
    with pytest.raises(UserError, match=r"no such folder as /nowhere"):
        CocoJson(train=nothing, val=split("val2017") | {"images": "/nowhere"}).val()


def test_only_polygons_are_skipped(tmp_path):
    rows = b'[{"segmentation": [[1.5, -2e3]], "id": 1}, {"id": 2, "segmentation":[]}, {"segmentation":{"counts":[1]}}]'
    kept = b'[{"segmentation":0, "id": 1}, {"id": 2, "segmentation":0}, {"segmentation":{"counts":[1]}}]'
    assert POLYGONS.sub(b'"segmentation":0', rows) == kept
    text = b'{"name": "\\"segmentation\\": [1]", "other": ["segmentation", [2]]}'
    assert POLYGONS.sub(b'"segmentation":0', text) == text


@pytest.mark.parametrize(
    "segmentation",
    ["[[1,2,3,4],[NaN,1]]", "[[1,2,3,4], null]", '[[1,2],["3",4]]', '[[1,2,3,4],{"counts":[1,2]}]', '[[1], "x", [2]]'],
)
def test_any_segmentation_is_skipped(coco, segmentation):
    before = Coco(coco).train()
    path = edit(coco, lambda content: content["annotations"][0].update(segmentation="HERE"))
    path.write_text(path.read_text().replace('"HERE"', segmentation))
    after = Coco(coco).train()
    assert all((before.read(i)["bboxes"] == after.read(i)["bboxes"]).all() for i in range(len(before)))


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real images in shared/data")
@pytest.mark.parametrize(
    ("name", "images", "boxes", "crowds", "classes"),
    [("coco-tiny", (80, 50), (739, 382), (8, 5), 80), ("coco-bccd", (205, 87), (2804, 1137), (0, 0), 3)],
)
def test_real_images(name, images, boxes, crowds, classes):
    dataset = Coco(SHARED / name)
    splits = dataset.train(), dataset.val()
    assert tuple(map(len, splits)) == images and len(dataset.classes["boxes"]) == classes
    truth = [[samples.annotations(i) for i in range(len(samples))] for samples in splits]
    assert tuple(sum(len(one.boxes) for one in some) for some in truth) == boxes
    assert tuple(sum(int(one.crowd.sum()) for one in some) for some in truth) == crowds
    assert all(problem is None for samples in splits for problem in samples.check())


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real images in shared/data")
def test_real_annotations_are_what_the_official_tool_reads():
    pycocotools = pytest.importorskip("pycocotools.coco")
    path = SHARED / "coco-tiny" / "annotations" / "instances_val2017.json"
    official, ours = pycocotools.COCO(str(path)), read_instances(path)
    assert [(name, number) for name, number in ours.categories] == sorted(
        ((c["name"], c["id"]) for c in official.cats.values()), key=lambda pair: pair[1]
    )
    for place, number in enumerate(ours.ids):
        row = official.anns[int(number)]
        assert row["bbox"] == ours.boxes[place].tolist() and row["area"] == ours.areas[place]
        assert row["image_id"] == ours.image_ids[ours.owners[place]] and bool(row["iscrowd"]) == ours.crowd[place]
        assert row["category_id"] == ours.categories[ours.kinds[place]][1]
