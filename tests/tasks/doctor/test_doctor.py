"""The real command on miniatures that have each fault once: counts, examples, exit status, and a safe page."""

import json
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.chromium import DESKTOP, PHONE
from tests.tasks.data.inspect.test_fingerprint import photo

TINY = ("recipe=none", "backbone=mobilenet_v3_small", "backbone.width=0.35")


@pytest.fixture
def examined(command, tmp_path):
    """The command, and the findings by key and split."""

    def go(*arguments: str):
        folder = tmp_path / "doctor"
        result = command("doctor", *arguments, *TINY, f"hydra.run.dir={folder}", "overwrite=true")
        record = json.loads((folder / "doctor.json").read_text()) if (folder / "doctor.json").exists() else {}
        return result, {(each["key"], each["split"]): each for each in record.get("findings", ())}, folder

    return go


def write_json(path: Path, images: list[tuple[str, int, int]], boxes: list[tuple[int, int, list[float]]]) -> None:
    """An instances file of images (name, width, height) and boxes (image, category, xywh)."""
    content = {
        "images": [
            {"id": number, "file_name": name, "width": width, "height": height}
            for number, (name, width, height) in enumerate(images)
        ],
        "annotations": [
            {"id": number, "image_id": image, "category_id": category, "bbox": box, "area": 1, "iscrowd": 0}
            for number, (image, category, box) in enumerate(boxes)
        ],
        "categories": [
            {"id": 1, "name": "cat"},
            {"id": 2, "name": "dog"},
            {"id": 3, "name": "<script>alert(1)</script>"},
        ],
    }
    path.write_text(json.dumps(content))


@pytest.fixture
def faulty(tmp_path: Path) -> tuple[str, ...]:
    """Boxes with every fault once; the arguments that read them."""
    root = tmp_path / "set"
    for split in ("train", "val"):
        (root / split).mkdir(parents=True)
    train = ["good.jpg", "cut.jpg", "turned.jpg", "black.jpg", "other_size.jpg", "<script>.jpg", "wide.jpg", "twin.jpg"]
    for number, name in enumerate(train):
        photo(number, (480, 120) if name == "wide.jpg" else (160, 120)).save(root / "train" / name, quality=95)
    whole = (root / "train" / "cut.jpg").read_bytes()
    (root / "train" / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    exif = Image.Exif()
    exif[0x0112] = 3
    photo(2).save(root / "train" / "turned.jpg", exif=exif)
    Image.new("RGB", (160, 120)).save(root / "train" / "black.jpg")
    photo(20).save(root / "train" / "nobody.jpg")
    (root / "train" / "phone.heic").write_bytes(b"heic")
    shutil.copy(root / "train" / "good.jpg", root / "val" / "copied.jpg")
    photo(5).save(root / "val" / "again.jpg", quality=60)
    photo(30).save(root / "val" / "new.jpg")
    shutil.copy(root / "train" / "twin.jpg", root / "train" / "twin (1).jpg")
    sizes = [(name, 480 if name == "wide.jpg" else 160, 120) for name in [*train, "twin (1).jpg"]]
    sizes[4] = ("other_size.jpg", 150, 100)
    boxes = [
        (0, 1, [10, 10, 60, 60]),
        (0, 1, [10, 10, 60, 61]),  # doubled
        (0, 2, [10, 10, 60, 60]),  # of another class
        (1, 1, [20, 20, 80, 80]),
        (2, 1, [120, 20, 80, 80]),  # outside
        (4, 1, [50, 50, 0.5, 20]),  # without area
        (4, 1, [50, 30, 60, 60]),
        (5, 1, [30, 30, 4, 4]),  # below a cell
        (5, 3, [30, 30, 50, 50]),
        (6, 1, [30, 30, 70, 70]),
        (7, 1, [30, 30, 70, 70]),
        (8, 1, [30, 30, 70, 70]),
    ]
    write_json(root / "train.json", sizes, boxes)
    scored = [("copied.jpg", 160, 120), ("again.jpg", 160, 120), ("new.jpg", 160, 120)]
    write_json(root / "val.json", scored, [(0, 1, [10, 10, 60, 60]), (1, 2, [30, 30, 70, 70])])
    keys = (
        f"dataset.{s}.{k}={root / v}"
        for s in ("train", "val")
        for k, v in (("images", s), ("annotations", f"{s}.json"))
    )
    return ("task=detect", "dataset=coco_json", *keys, "image_size=[160,160]")


def test_every_fault_of_boxes_once(examined, faulty):
    result, found, folder = examined(*faulty)
    assert result.status == 1
    expected = {  # count, level, first example
        ("unreadable", "train"): (1, "wrong", "cut.jpg (image file is truncated"),
        ("size_mismatch", "train"): (1, "wrong", "other_size.jpg is 160×120, but"),
        ("exact_duplicates_across", ""): (1, "wrong", "train/good.jpg = val/copied.jpg"),
        ("near_duplicates_across", ""): (1, "wrong", "train/<script>.jpg = val/again.jpg"),
        ("exact_duplicates", ""): (1, "look", "train/twin.jpg = train/twin (1).jpg"),
        ("boxes_outside", "train"): (1, "look", "turned.jpg: cat at 120, 20, 80×80"),
        ("boxes_without_area", "train"): (1, "look", "other_size.jpg: cat at 50, 50, 0.5×20"),
        ("boxes_doubled", "train"): (1, "look", "good.jpg: cat at 10, 10, 60×61"),
        ("boxes_below_cell", "train"): (1, "look", "<script>.jpg: cat, 4×4 pixels in the file"),
        ("classes_not_scored", "val"): (1, "look", "<script>alert(1)</script>"),
        ("classes_too_rare", "val"): (2, "look", "cat (1)"),
        ("images_without_boxes", "train"): (1, "note", "black.jpg"),
        ("images_without_boxes", "val"): (1, "note", "new.jpg"),
        ("passed_over", ""): (1, "look", "phone.heic"),
        ("images_without_labels", ""): (1, "look", "nobody.jpg"),
        ("plain", "train"): (1, "look", "black.jpg"),
        ("exif_turns", "train"): (1, "look", "turned.jpg (EXIF 3)"),
        ("aspect_ratios", "train"): (1, "look", "wide.jpg (480×120)"),
    }
    for key, (count, level, example) in expected.items():
        each = found[key]
        assert (each["count"], each["level"]) == (count, level), key
        assert example in each["examples"][0], key
        assert len(each["examples"]) == count, key
    notes = {("sizes", "train"), ("sizes", "val"), ("pixels", "train"), ("pixels", "val")}
    assert set(found) - set(expected) - notes <= {("refused", "train"), ("boxes_unreached", "train")}
    assert "dataset.upright" in found["refused", "train"]["text"]
    check_page(folder / "doctor.html")
    levels = [
        line.split()[0] for line in result.out.splitlines() if line.split()[:1] in (["wrong"], ["look"], ["note"])
    ]
    assert levels == sorted(levels, key=["wrong", "look", "note"].index)
    assert levels.count("wrong") == 5


class Tags(HTMLParser):
    """The tags and the sources of a page, and its visible text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.sources: list[str] = []
        self.words = ""

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.sources += [value for name, value in attrs if name in ("src", "href")]

    def handle_data(self, data):
        self.words += data


def check_page(path: Path) -> None:
    """Nothing is loaded or run, and names from files are text."""
    tags = Tags()
    tags.feed(path.read_text())
    assert not tags.tags & {"script", "link", "iframe", "object", "svg"}
    assert tags.sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in tags.sources)
    assert "<script>alert(1)</script>" in tags.words
    assert "train/<script>.jpg" in tags.words


def test_the_page_in_a_browser(examined, faulty, chromium, tmp_path):
    _, found, folder = examined(*faulty)
    chromium.open(folder / "doctor.html")
    assert chromium.run("return document.querySelectorAll('.finding').length") == len(found)
    assert chromium.run("return [...document.images].every(image => image.complete && image.naturalWidth > 0)")
    for name, size in (("desktop", DESKTOP), ("phone", PHONE)):
        chromium.resize(size)
        assert not chromium.overflows(), name
        chromium.photograph(tmp_path / f"{name}.png")
    assert chromium.complaints() == []


def test_every_fault_of_label_maps_once(examined, cityscapes):
    labels = sorted((cityscapes / "gtFine" / "train" / "ulm").glob("*.png"))
    ids = np.array(Image.open(labels[0]))
    ids[0, 0] = 77
    Image.fromarray(ids).save(labels[0])
    Image.fromarray(np.full((24, 32), 7, np.uint8)).save(labels[1])
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(labels[2])
    labels[3].write_bytes(labels[3].read_bytes()[:40])
    shutil.copy(labels[4], labels[4].with_name("ulm_999999_000019_gtFine_labelIds.png"))
    shutil.copy(labels[4], labels[4].with_name("ulm_000004_000019_gtFine_color.png"))
    result, found, _ = examined("dataset=cityscapes", f"dataset.root={cityscapes}")
    assert result.status == 1
    for key, text in {
        ("values_no_class", "train"): "has id 77, which is no labelId of Cityscapes",
        ("size_mismatch", "train"): "is 32×24, its image 64×48",
        ("labels_unreadable", "train"): "cannot read",
        ("images_without_label", "train"): "ulm_000002_000019_leftImg8bit.png",
        ("labels_without_image", ""): "ulm_999999_000019_gtFine_labelIds.png",
    }.items():
        assert found[key]["count"] == 1, key
        assert text in found[key]["examples"][0], key
    assert found["classes_unused", "train"]["count"] == 16
    assert found["class_pixels", "val"]["text"].startswith(
        "pixels: road 54.36%, sky 23.89%, building 17.58%; void 4.17%"
    )


def test_a_set_without_faults(examined, folders):
    for split in ("train", "val"):
        for number, path in enumerate(sorted((folders / split).rglob("*.*"))):
            photo(number + (100 if split == "val" else 0)).save(path)
    result, found, folder = examined("dataset=folders", f"dataset.root={folders}")
    assert result.status == 0
    assert {each["level"] for key, each in found.items() if key[0] != "classes_too_rare"} == {"note"}
    record = json.loads((folder / "doctor.json").read_text())
    assert record["classes"] == {"label": [{"name": name, "train": 4, "val": 3} for name in ("blue", "green", "red")]}
    assert (record["task"], record["wrong"]) == ("classify", 0)


def test_one_cut_file_in_val_is_wrong(examined, folders):
    path = folders / "val" / "red" / "red_0.jpg"
    path.write_bytes(path.read_bytes()[:300])
    result, found, _ = examined("task=classify", "dataset=folders", f"dataset.root={folders}")
    assert result.status == 1
    assert found["unreadable", "val"]["examples"][0].startswith("red/red_0.jpg (")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("task=classify", "dataset=folders", "dataset.root=/nowhere"), "no data set at /nowhere"),
        (("dataset=folders", "dataset.rooot=/nowhere"), "rooot"),
        (("task=detekt", "dataset=coco"), "task=detekt: no such task (did you mean detect?)"),
        (("task=detect", "dataset=coco", "dataset.root=/nowhere"), "no data set at /nowhere"),
        (("task=detect", "dataset=coco", "mode=evaluate"), "mode=evaluate: not here"),
    ],
)
def test_user_errors_are_one_line_and_status_2(examined, arguments, message):
    result, found, _ = examined(*arguments)
    assert result.status == 2
    assert message in result.err
    assert not found
