"""What is packed is read as it was: pixels, labels and boxes are equal; labels of smaller images fit them."""

import io
import json
import tarfile

import numpy as np
import pytest
from PIL import Image

from tasks.data.datasets.coco import Coco
from tasks.data.datasets.folders import Folders
from tasks.data.datasets.table import Table
from tasks.data.packed.dataset import Packed
from tasks.data.streets.dataset import Streets
from tasks.data.transforms.crop import RandomResizedCrop
from tasks.data.transforms.resize import ResizeCentreCrop
from tests.tasks.multilabel.test_command import write_table


def turn(path, orientation: int) -> None:
    """Give a JPEG file an EXIF orientation."""
    with Image.open(path) as image:
        exif = image.getexif()
        exif[0x0112] = orientation
        image.load()
        image.save(path, quality=95, exif=exif)


def of_folders(root):
    (root / "train" / "red").mkdir(parents=True)
    generator = np.random.default_rng(0)
    for split, names in (("train", ("red", "blue")), ("val", ("red", "blue"))):
        for name in names:
            (root / split / name).mkdir(parents=True, exist_ok=True)
            for number, suffix in enumerate(("jpg", "png", "jpg", "bmp")):
                image = Image.fromarray(generator.integers(0, 255, (30 + number, 48, 3)).astype(np.uint8))
                image.save(root / split / name / f"{number}.{suffix}")
            Image.fromarray(generator.integers(0, 65535, (20, 24)).astype(np.uint16)).save(
                root / split / name / "deep.png"
            )
            turn(root / split / name / "2.jpg", 6)
    return Folders(root, upright="auto"), ("dataset=folders",), "classify"


def of_coco(root, coco):
    turn(coco / "train2017" / "000000000100.jpg", 3)
    return (
        Coco(coco, targets=["mask", "boxes"], upright=False),
        ("dataset=coco", "dataset.targets=[mask,boxes]"),
        "multitask",
    )


def of_table(root):
    write_table(root)
    return Table(root, targets=["multilabel"]), ("dataset=table",), "multilabel"


def of_streets(root):
    options = {"train": 3, "val": 2, "height": 64, "width": 96, "seed": 0}
    typed = [f"dataset.{key}={value}" for key, value in options.items() if key != "seed"]
    return Streets(root, targets=["mask", "boxes", "label"], **options), ("dataset=streets", *typed), "multitask"


@pytest.mark.parametrize("kind", ["folders", "coco", "table", "streets"])
def test_packed_samples_are_those_of_the_data_set(kind, pack, tmp_path, request):
    root = tmp_path / kind
    if kind == "coco":
        root = request.getfixturevalue("coco")
        original, typed, task = of_coco(root, root)
    else:
        original, typed, task = {"folders": of_folders, "table": of_table, "streets": of_streets}[kind](root)
    out = tmp_path / "packed"
    result = pack(f"task={task}", *typed, f"dataset.root={root}", f"out={out}")
    assert result.status == 0, result.err
    packed = Packed(out)
    assert dict(packed.classes) == {kind: plain(original.classes[kind]) for kind in packed.classes}
    for split in ("train", "val"):
        ours, theirs = getattr(packed, split)(), getattr(original, split)()
        assert len(ours) == len(theirs) > 0 and list(ours.check()) == [None] * len(ours)
        if hasattr(theirs, "follow"):
            theirs.follow(True)  # as a training would
        for index in range(len(theirs)):
            assert ours.name(index) == theirs.name(index) and ours.size(index) == theirs.size(index)
            same(ours.read(index), theirs.read(index))
            for view in (ResizeCentreCrop(20, 16), crop_of(index)):
                same(ours.read(index, view), theirs.read(index, view))
            if "boxes" in packed.classes:
                for ours_, theirs_ in zip(ours.annotations(index), theirs.annotations(index), strict=True):
                    assert np.array_equal(ours_, theirs_)
        for kind, labels in (("label", "class_labels"), ("multilabel", "label_matrix")):
            if kind in packed.classes:
                assert np.array_equal(getattr(ours, labels)(), getattr(theirs, labels)())
        if "mask" in packed.classes:
            classes = len(packed.classes["mask"])
            assert np.array_equal(ours.class_pixels(classes), theirs.class_pixels(classes))


def plain(classes):
    """Classes with the types that a packed data set gives them."""
    return [entry if isinstance(entry, str) else list(entry) if len(entry) == 2 else tuple(entry) for entry in classes]


def crop_of(index: int):
    return lambda source: RandomResizedCrop(16, scale=(0.1, 0.4))(source, np.random.default_rng(index))


def same(ours, theirs) -> None:
    """Two samples with equal arrays."""
    for key in ours:
        assert np.array_equal(ours[key], theirs[key]) and ours[key].dtype == theirs[key].dtype, key
    assert "image" in ours and len(ours) > 1


def test_smaller_images_have_labels_that_fit(coco, pack, tmp_path):
    arguments = ("task=multitask", "dataset=coco", "dataset.targets=[mask,boxes]", f"dataset.root={coco}")
    result = pack(*arguments, f"out={tmp_path / 'packed'}", "side=32", "quality=80", "shard_mb=1")
    assert result.status == 0, result.err
    packed, original = Packed(tmp_path / "packed"), Coco(coco, targets=["mask", "boxes"], upright=False)
    ours, theirs = packed.train(), original.train()
    for index in range(len(ours)):
        height, width = theirs.size(index)
        assert min(ours.size(index)) == 32 and ours.size(index) == (
            round(height * 32 / min(height, width)),
            round(width * 32 / min(height, width)),
        )
        sample, truth, whole = ours.read(index), ours.annotations(index), theirs.annotations(index)
        assert sample["image"].shape[:2] == sample["mask"].shape == ours.size(index) == (truth.height, truth.width)
        scale = np.array([width, height, width, height]) / np.array([*ours.size(index)[::-1]] * 2)
        assert np.allclose(truth.boxes * scale, whole.boxes) and np.array_equal(truth.crowd, whole.crowd)
        assert np.allclose(truth.areas * scale[0] * scale[1], whole.areas) and truth.image_id == whole.image_id
        assert set(np.unique(sample["mask"])) <= set(np.unique(theirs.read(index)["mask"])), "no class in between"
    for index in range(len(packed.val())):  # scores stay those of the data set
        assert np.array_equal(packed.val().read(index)["image"], original.val().read(index)["image"])
    card = (tmp_path / "packed" / "README.md").read_text()
    assert "shorter side of 32 pixels" in card and "keep their size" in card and str(tmp_path) not in card
    assert "not comparable" in card_of(pack, arguments, tmp_path), "the card warns of scores on smaller images"


def card_of(pack, arguments, tmp_path) -> str:
    assert pack(*arguments, f"out={tmp_path / 'packed'}", "val_side=32", "overwrite=true").status == 0
    return (tmp_path / "packed" / "README.md").read_text()


def test_shards_are_webdataset_s(folders, pack, tmp_path):
    (folders / "LICENSE").write_text("of the photos")
    result = pack("dataset=folders", f"dataset.root={folders}", f"out={tmp_path / 'packed'}", "licence=CC0-1.0")
    assert result.status == 0, result.err
    with tarfile.open(tmp_path / "packed" / "val-000000.tar") as shard:
        names = shard.getnames()
        assert names[:2] == ["000000000.jpg", "000000000.cls"] and len(names) == 18
        first = shard.extractfile(names[0]).read()
    assert first == (folders / "val" / "blue" / "blue_0.jpg").read_bytes(), "the file's own bytes"
    assert (tmp_path / "packed" / "SOURCE_LICENSE").read_text() == "of the photos"
    assert "CC0-1.0" in (tmp_path / "packed" / "README.md").read_text()


def test_webdataset_reads_the_shards(coco, pack, tmp_path):
    webdataset = pytest.importorskip("webdataset")
    pack("task=detect", "dataset=coco", f"dataset.root={coco}", f"out={tmp_path / 'packed'}")
    read = list(webdataset.WebDataset(str(tmp_path / "packed" / "val-000000.tar"), shardshuffle=False))
    ours = Packed(tmp_path / "packed").val()
    assert len(read) == len(ours)
    for index, sample in enumerate(read):
        truth = ours.annotations(index)
        assert json.loads(sample["json"])["boxes"] == truth.boxes.tolist()
        assert Image.open(io.BytesIO(sample["jpg"])).size == (truth.width, truth.height)


def test_many_shards_give_the_same_samples(folders, pack, tmp_path, monkeypatch):
    arguments = ("dataset=folders", f"dataset.root={folders}")
    pack(*arguments, f"out={tmp_path / 'one'}")
    monkeypatch.setattr("tasks.pack.command.Packing", small_shards)
    pack(*arguments, f"out={tmp_path / 'many'}")
    one, many = Packed(tmp_path / "one").train(), Packed(tmp_path / "many").train()
    assert len(one.shard_sizes) == 1 and len(many.shard_sizes) == 3 and sum(many.shard_sizes) == len(one)
    for index in range(len(one)):
        same(one.read(index), many.read(index))


def small_shards(place, folder, _bytes, classes):
    from tasks.data.packed.pack import Packing

    return Packing(place, folder, 20_000, classes)
