"""YOLO's format: what is read, wherever its files lie, and what is refused by file and line."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import UserError
from tasks.data.datasets.yolo import Yolo

ROBOFLOW = "train: ../train/images\nval: ../valid/images\ntest: ../test/images\n\nnc: 2\nnames: ['bolt', 'nut']\n"
ROWS = {  # of images 80 wide and 40 high
    "train/a": "0 0.5 0.5 0.25 0.5\n1 0.25 0.25 0.1 0.2\n",
    "train/b": "",
    "train/c": None,
    "valid/d": "1.0 0.1 0.1 0.3 0.1 0.3 0.6 0.1 0.6\r\n",
}
BOXES = {"a": [[30, 10, 20, 20], [16, 6, 8, 8]], "b": [], "c": [], "d": [[8, 4, 16, 20]]}


def write(root: Path, rows=ROWS, images="{0}/images/{1}.jpg", labels="{0}/labels/{1}.txt", exif=1) -> Path:
    """Images of one colour with their label files; None for an image without."""
    for name, text in rows.items():
        image, label = (root / pattern.format(*name.split("/")) for pattern in (images, labels))
        for path in (image, label):
            path.parent.mkdir(parents=True, exist_ok=True)
        turn = Image.Exif()
        turn[274] = exif
        Image.new("RGB", (80, 40), (90, 90, 90)).save(image, exif=turn)
        if text is not None:
            label.write_bytes(text.encode())
    return root


def said(root: Path, text: str, name: str = "data.yaml") -> Path:
    (root / name).write_text(text)
    return root / name


def boxes_of(samples) -> dict[str, list[list[float]]]:
    return {
        Path(samples.files[index]).stem: np.round(samples.annotations(index).boxes, 6).tolist()
        for index in range(len(samples))
    }


@pytest.fixture
def roboflow(tmp_path: Path) -> Path:
    root = write(tmp_path / "set")
    said(root, ROBOFLOW)
    return root


def test_roboflows_export(roboflow, capfd):
    dataset = Yolo(data=roboflow / "data.yaml")
    assert dataset.classes == {"boxes": [["bolt", 0], ["nut", 1]]}
    train, val = dataset.train(), dataset.val()
    assert boxes_of(train) == {name: BOXES[name] for name in "abc"} and boxes_of(val) == {"d": BOXES["d"]}
    truth = train.annotations(0)
    assert (truth.image_id, truth.height, truth.width) == (1, 40, 80)
    assert truth.labels.tolist() == [0, 1] and np.allclose(truth.areas, [400, 64]) and not truth.crowd.any()
    assert train.read(0)["bboxes"].tolist() == [[30, 10, 50, 30, 0], [16, 6, 24, 14, 1]]
    assert train.name(0) == "a.jpg" and list(train.check()) == [None] * 3
    assert "train: 1 of 3 images have no label file, so no object" in capfd.readouterr().out


def test_the_folder_is_as_good_as_its_file(roboflow):
    assert boxes_of(Yolo(roboflow).val()) == {"d": BOXES["d"]}


@pytest.mark.parametrize(
    "text",
    [
        "path: .\ntrain: train/images\nval: valid/images\nnames: {0: bolt, 1: nut}\n",
        "path: ../datasets/bolts\ntrain: [train/images]\nvalid: [valid/images]\nnames:\n  - bolt\n  - nut\n",
        "path: /home/me/bolts\ntrain: train.txt\nvalidation: valid.txt\nnames: [bolt, nut]\n",
        "train: C:\\bolts\\train\\images\nval: /data/bolts/valid/images/\nnc: 2\n",
        "train: /elsewhere/train.txt\nval: valid/images\nnc: 2\nnames: [bolt, nut]\n",
    ],
    ids=["path", "no such path", "lists", "other machines", "a list of another machine"],
)
def test_paths_as_others_write_them(tmp_path, text, capfd):
    root = write(tmp_path / "set")
    (root / "train.txt").write_text("./train/images/a.jpg\n\ntrain/images/b.jpg\n/home/me/bolts/train/images/c.jpg\n")
    (root / "valid.txt").write_text(f"{root}/valid/images/d.jpg\n")
    dataset = Yolo(data=said(root, text))
    assert boxes_of(dataset.train()) == {name: BOXES[name] for name in "abc"}
    assert boxes_of(dataset.val()) == {"d": BOXES["d"]}
    out = capfd.readouterr().out
    assert ("path ../datasets/bolts is no folder here" in out) == ("../datasets" in text)
    assert ("1 images are found by the end of their path (/home/me/bolts/train" in out) == (".txt" in text)
    assert ("/data/bolts/valid/images/ is not here" in out) == ("/data/bolts" in text)


def test_names_stay_texts(tmp_path):
    root = write(tmp_path)
    names = Yolo(data=said(root, "train: train\nval: valid\nnames: [yes, no]\n")).classes["boxes"]
    assert names == [["yes", 0], ["no", 1]], "YAML 1.1 would say true and false"
    assert Yolo(data=said(root, "train: train\nnames: [007, on, 007]\n")).classes["boxes"] == [
        ["007 (0)", 0],
        ["on", 1],
        ["007 (2)", 2],
    ]


def test_darknet(tmp_path):
    """CVAT's export: obj.data and lists with the folder data/, which is not there."""
    root = write(tmp_path, images="obj_{0}_data/{1}.jpg", labels="obj_{0}_data/{1}.txt")
    (root / "obj.names").write_text("bolt\nnut\n")
    said(root, "classes = 2\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n", "obj.data")
    (root / "train.txt").write_text("".join(f"data/obj_train_data/{name}.jpg\n" for name in "abc"))
    (root / "valid.txt").write_text("data/obj_valid_data/d.jpg\n")
    for dataset in (Yolo(data=root / "obj.data"), Yolo(root)):
        assert dataset.classes["boxes"] == [["bolt", 0], ["nut", 1]]
        assert boxes_of(dataset.train()) == {name: BOXES[name] for name in "abc"}
        assert boxes_of(dataset.val()) == {"d": BOXES["d"]}


@pytest.mark.parametrize(
    ("images", "labels", "classes"),
    [
        ("{1}.jpg", "{1}.txt", "classes.txt"),
        ("images/{1}.jpg", "labels/{1}.txt", "classes.txt"),
        ("images/{1}.jpg", "images/{1}.txt", "classes.txt"),
        ("a/images/{1}.jpg", "a/labels/{1}.txt", "my.names"),
    ],
)
def test_a_folder_with_a_list_of_classes(tmp_path, images, labels, classes):
    root = write(tmp_path / "images" / "set", images=images, labels=labels)
    (root / classes).write_text("bolt\nnut\n\n")
    dataset = Yolo(root, val={"share": 0.25, "seed": 1})
    train, val = dataset.train(), dataset.val()
    assert (len(train), len(val)) == (3, 1) and {**boxes_of(train), **boxes_of(val)} == BOXES
    assert train.annotations(2).image_id != val.annotations(0).image_id
    with pytest.raises(UserError, match=r"names no split val \(it has train\): dataset\.val\.share=0\.2 draws it"):
        Yolo(root).val()


def test_darknets_folders_of_roboflow(tmp_path):
    root = write(tmp_path, images="{0}/{1}.jpg", labels="{0}/{1}.txt")
    (root / "train" / "_darknet.labels").write_text("bolt\nnut\n")
    dataset = Yolo(root)
    assert len(dataset.train()) == 3 and boxes_of(dataset.val()) == {"d": BOXES["d"]}


def test_rows_that_are_repeated_count_once(tmp_path, capfd):
    polygon = "0 .1 .1 .3 .1 .3 .6 .1 .6\n"
    other = "0 .1 .1 .3 .1 .1 .6 .3 .6\n"  # the same box around it
    rows = {
        "train/a": "0 .5 .5 .2 .2\n1 .5 .5 .2 .2\n0 .50 .5 .2 .2\n0 0.5 .5 2e-1 .2\n",
        "train/b": polygon * 2 + other,
    }
    root = write(tmp_path, rows)
    train = Yolo(data=said(root, "train: train\nnames: [bolt, nut]\n")).train()
    assert [train.annotations(index).labels.tolist() for index in (0, 1)] == [[0, 1], [0, 0]]
    assert "train: 3 rows equal an earlier one of their file and are left out" in capfd.readouterr().out


def test_keypoints_are_boxes_where_their_shape_is_said(tmp_path):
    root = write(tmp_path, {"train/a": "0 .5 .5 .2 .2 .1 .1 2 .9 .9 0\n"})
    train = Yolo(data=said(root, "train: train\nnames: [person]\nkpt_shape: [2, 3]\n")).train()
    assert boxes_of(train) == {"a": [[32, 16, 16, 8]]}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("0 .5 .5 .5", "4 numbers; a row is class cx cy w h, or a class and 3 or more points x y"),
        ("0 .5 .5 .5 .5 .9", "6 numbers: class cx cy w h and a confidence are predictions"),
        ("0 .5 .5 .5 .5 .9 .9 .9", "8 numbers; a row is"),
        ("2 .5 .5 .5 .5", r"class 2 is none of the 2 in names \(0 to 1\)"),
        ("-1 .5 .5 .5 .5", "class -1 is none"),
        ("0.5 .5 .5 .5 .5", "class 0.5 is none"),
        ("1e999 .5 .5 .5 .5", "class inf is none"),
        ("0 320 .5 .5 .5", "320 is not a fraction of the image"),
        ("0 .1 .1 .2 .2 .3 1.2", "1.2 is not a fraction"),
        ("0 .5 .5 -.005 .5", "a box -0.005 wide and 0.5 high"),
        ("0 .5 nan .5 .5", "nan is not a number"),
        ("0 .5 .5 .5 1-2 e", "1-2 is not a number"),
        ("bolt .5 .5 .5 .5", "bolt is not a number"),
        ("0 .5 .5 .5 1_0", "1_0 is not a number"),
        ("0, .5, .5, .5, .5", "has commas"),
    ],
)
def test_a_row_that_is_none_is_named_by_file_and_line(tmp_path, row, message):
    rows = {"train/a": "0 .5 .5 .5 .5\n", "train/b": f"0 .5 .5 .5 1.005\n\n{row}\n"}
    root = write(tmp_path, rows)
    with pytest.raises(UserError, match=rf"^{root}/train/labels/b\.txt, line 3: .*{message}"):
        Yolo(data=said(root, "train: train\nnames: [bolt, nut]\n")).train()


def test_corners_of_oriented_boxes_may_lie_outside(tmp_path):
    """Of objects at the edge: training clips them, as any box. Polygons with other numbers of points stay inside."""
    root = write(tmp_path, {"train/a": "0 .5 .5 1.1 .25 1.1 .75 .5 .75\n", "train/b": "0 .5 .5 .5 .5\n"})
    data = said(root, "train: train\nnames: [ship]\n")
    assert boxes_of(Yolo(data=data).train()) == {"a": [[40, 10, 48, 20]], "b": [[20, 10, 40, 20]]}
    (root / "train/labels/b.txt").write_text("0 .5 .5 1.6 .25 1.1 .75 .5 .75\n")
    with pytest.raises(UserError, match=r"b\.txt, line 1: 1\.6 is not a fraction"):
        Yolo(data=data).train()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("train: train\nnc: 3\nnames: [bolt, nut]\n", r"nc is 3, but there are 2 names \(bolt, nut\)"),
        ("train: train\nnames: {1: bolt, 2: nut}\n", "the keys of names are 1, 2, not 0, 1, 2"),
        ("train: train\nnames: bolt\n", "names is not a list of names"),
        ("train: train\nnames: [[bolt]]\n", "names is not a list of names"),
        ("train: train\n", "has neither names nor nc"),
        ("train: train\nnc: two\n", "nc: two is not a number of classes"),
        ("train: {a: b}\nnc: 2\n", "train is not a folder, a .txt list, or a list of them"),
        ("train: other/images\nnc: 2\n", "other/images: no such folder or list in .*; dataset.train_split=<name>"),
        ("train: /x/other/images\nnc: 2\n", "/x/other/images: no such folder or list"),  # not the folder images
        ("val: valid\nnc: 2\n", r"names no split train \(it has val\)"),
        ("train: train/images/a.jpg\nnc: 2\n", "is neither a folder nor a .txt list"),
        ("train: train/labels\nnc: 2\n", "has no image"),
        ("train: list.txt\nnc: 2\n", "no file train/images/x.jpg, neither as written nor below .*"),
        ("train: twice.txt\nnc: 2\n", "a.jpg would be both train/images/a.jpg and /x/train/images/a.jpg"),
        ("kpt_shape: 17\ntrain: train\nnc: 2\n", r"kpt_shape: 17 is not \[number of keypoints, 2 or 3\]"),
        ("- 1\n", "it is no data.yaml"),
        ("train: [\n", "is not YAML"),
        ("train: !!python/object/apply:os.system [ls]\nnc: 2\n", "no such folder or list"),
    ],
)
def test_a_description_that_is_none(tmp_path, text, message):
    root = write(tmp_path)
    (root / "images").symlink_to(root / "train" / "images")
    (root / "list.txt").write_text("train/images/a.jpg\ntrain/images/x.jpg\n")
    (root / "twice.txt").write_text("train/images/a.jpg\n/x/train/images/a.jpg\n")
    with pytest.raises(UserError, match=message):
        Yolo(data=said(root, text)).train()


def test_folders_that_are_none(tmp_path):
    with pytest.raises(UserError, match=r"dataset\.data=.*no such file or folder"):
        Yolo(data=tmp_path / "data.yaml")
    root = write(tmp_path)
    with pytest.raises(UserError, match=r"no data\.yaml, no obj\.data and no classes\.txt .*; found: train, valid"):
        Yolo(root).train()
    (root / "a.yaml").write_text("x: 1\n")
    (root / "b.yaml").write_text("x: 1\n")
    with pytest.raises(UserError, match=r"has 2 descriptions \(a\.yaml, b\.yaml\): name one"):
        Yolo(root).train()


def test_all_labels_missing_is_an_error(tmp_path):
    root = write(tmp_path, {"train/a": None, "train/b": None})
    message = r"none of 2 images has a label file: .*a\.jpg should have .*/labels/a\.txt or .*/images/a\.txt"
    with pytest.raises(UserError, match=message):
        Yolo(data=said(root, "train: train\nnc: 2\n")).train()
    for name in "ab":
        (root / "train" / "labels" / f"{name}.txt").touch()
    with pytest.raises(UserError, match="has no box to learn from"):
        Yolo(data=root / "data.yaml").train()


def test_photos_with_an_exif_turn_need_an_answer(tmp_path):
    root = write(tmp_path, {"train/a": ROWS["train/a"]}, exif=6)
    data = said(root, "train: train\nnc: 2\n")
    with pytest.raises(UserError, match=r"1 of 1 photos have an EXIF turn .*: set dataset\.upright=true if so"):
        Yolo(data=data).train()
    upright, stored = Yolo(data=data, upright=True).train(), Yolo(data=data, upright=False).train()
    assert boxes_of(upright) == {"a": [[15, 20, 10, 40], [8, 12, 4, 16]]} and boxes_of(stored) == {"a": BOXES["a"]}
    assert upright.read(0)["image"].shape == (80, 40, 3) and stored.read(0)["image"].shape == (40, 80, 3)
    assert list(upright.check()) == list(stored.check()) == [None]


def test_photos_with_an_exif_turn_are_counted_in_both_splits(tmp_path):
    root = write(tmp_path, dict.fromkeys(("train/a", "train/b", "val/c"), ROWS["train/a"]), exif=6)
    data = said(root, "train: train\nval: val\nnc: 2\n")
    both = r"1 of 1 photos of val and 2 of 2 photos of train have an EXIF turn \(.*c\.jpg, …\), and YOLO's files"
    for side in (Yolo(data=data).val, Yolo(data=data).train):
        with pytest.raises(UserError, match=both):
            side()


def test_an_image_that_cannot_be_read_is_left_to_the_check(roboflow):
    (roboflow / "train" / "images" / "a.jpg").write_bytes(b"no image")
    with pytest.raises(UserError, match="has no box to learn from"):
        Yolo(roboflow).train()
    (roboflow / "train" / "labels" / "c.txt").write_text("0 .5 .5 .5 .5\n")
    samples = Yolo(roboflow).train()
    assert [error is None for error in samples.check()] == [False, True, True]
    assert boxes_of(samples) == {"a": [], "b": [], "c": [[20, 10, 40, 20]]}


def test_what_changed_is_read_again(roboflow, monkeypatch, tmp_path):
    monkeypatch.setenv("MOBILEVISION_CACHE", str(tmp_path / "cache"))
    for _ in range(2):
        assert boxes_of(Yolo(roboflow).val()) == {"d": BOXES["d"]}
    label = roboflow / "valid" / "labels" / "d.txt"
    label.write_text("0 .5 .5 .5 .5\n")
    os.utime(label, ns=(1, 1))
    assert boxes_of(Yolo(roboflow).val()) == {"d": [[20, 10, 40, 20]]}
    (roboflow / "valid" / "images" / "c.jpg").write_bytes((roboflow / "valid" / "images" / "d.jpg").read_bytes())
    assert boxes_of(Yolo(roboflow).val()) == {"c": [], "d": [[20, 10, 40, 20]]}


def test_two_folders_of_one_split(tmp_path):
    root = write(tmp_path, {"one/a": "0 .5 .5 .5 .5\n", "two/a": "0 .5 .5 .25 .5\n"})
    train = Yolo(data=said(root, "train: [one/images, two/images, one]\nnc: 1\n")).train()
    assert [train.name(index) for index in range(len(train))] == ["one__images__a.jpg", "two__images__a.jpg"]
    assert train.annotations(1).boxes.tolist() == [[30, 10, 20, 20]]


POLYGONS = {  # of images 80 wide and 40 high; the second rectangle covers a part of the first
    "train/a": "0 .125 .25 .5 .25 .5 .75 .125 .75\n1 .375 .5 1 .5 1 1 .375 1\n",
    "train/b": "",
    "val/c": "1 0 0 .25 0 .25 .25 0 .25\n",
}


def test_polygons_are_label_maps_and_boxes(tmp_path):
    root = write(tmp_path, POLYGONS)
    dataset = Yolo(data=said(root, "train: train\nval: val\nnames: [disc, box]\n"), targets=["mask", "boxes"])
    assert [entry[:2] for entry in dataset.classes["mask"]] == [("background", 0), ("disc", 1), ("box", 2)]
    assert dataset.classes["boxes"] == [["disc", 0], ["box", 1]]
    train, val = dataset.train(), dataset.val()
    expected = np.zeros((40, 80), np.uint8)
    expected[10:30, 10:40] = 1
    expected[20:, 30:] = 2
    sample = train.read(0)
    assert np.array_equal(sample["mask"], expected)
    assert sample["bboxes"].tolist() == [[10, 10, 40, 30, 0], [30, 20, 80, 40, 1]]
    assert not train.read(1)["mask"].any() and train.read(1)["bboxes"].shape == (0, 5)
    assert list(train.check()) == [None, None] and np.count_nonzero(val.read(0)["mask"] == 2) == 200
    void = Yolo(data=root / "data.yaml", targets=["mask"], background=None)
    assert [entry[:2] for entry in void.classes["mask"]] == [("disc", 0), ("box", 1)] and "boxes" not in void.classes
    samples = void.train()
    assert samples.read(0).keys() == {"image", "mask"} and samples.size(1) == (40, 80)
    assert (samples.read(1)["mask"] == 255).all() and samples.read(0)["mask"][20, 40] == 1


def test_label_maps_of_upright_photos(tmp_path):
    root = write(tmp_path, POLYGONS, exif=6)
    data = said(root, "train: train\nnames: [disc, box]\n")
    sample = Yolo(data=data, targets=["mask"], upright=True).train().read(0)
    assert sample["image"].shape == (80, 40, 3) and sample["mask"].shape == (80, 40)
    assert sample["mask"][20, 5] == 1 and sample["mask"][79, 39] == 2


def test_boxes_are_no_label_maps(tmp_path):
    root = write(tmp_path, {**POLYGONS, "train/b": "0 .5 .5 .5 .5\n"})
    data = said(root, "train: train\nval: val\nnames: [disc, box]\n")
    with pytest.raises(UserError, match=r"train: 1 of 3 rows are boxes without a polygon \(.*/train/labels/b\.txt\)"):
        Yolo(data=data, targets=["mask"]).train()
    assert len(Yolo(data=data).train()) == 2, "boxes alone"
    root = write(tmp_path / "boxes", {"train/a": "0 .5 .5 .5 .5\n"})
    data = said(root, "train: train\nnames: [disc]\n")
    assert Yolo(data=data, targets=["mask", "boxes", "label"]).classes == {"boxes": [["disc", 0]]}
    assert Yolo(data=data, targets=["label"]).classes.keys() == {"boxes"}
    with pytest.raises(UserError, match=r"all objects are boxes; label maps are drawn of polygons"):
        Yolo(data=data, targets=["mask"]).classes  # noqa: B018 - it is computed
