"""Cityscapes' layout: what is read, and what is refused by name."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import UserError
from tasks.common.labels import VOID
from tasks.data.datasets.cityscapes import Cityscapes
from tasks.data.datasets.cityscapes_classes import CLASSES, lookup_table
from tasks.data.files.images import find_images, read_labels, read_rgb

CAMVID = Path(__file__).parents[5] / "shared" / "data" / "cityscapes-camvid"


def test_classes_are_the_official_ones():
    helpers = pytest.importorskip("cityscapesscripts.helpers.labels")
    official = sorted((label for label in helpers.labels if 0 <= label.trainId < 255), key=lambda label: label.trainId)
    assert [(c.name, c.label_id, c.colour) for c in CLASSES] == [(o.name, o.id, o.color) for o in official]
    table = lookup_table("labelIds")
    for label in helpers.labels:
        if label.id >= 0:
            assert table[label.id] == (label.trainId if 0 <= label.trainId < 255 else VOID)


def test_label_ids_become_train_ids(cityscapes):
    samples = Cityscapes(cityscapes).train()
    sample = samples.read(0)
    assert sample["image"].shape == (48, 64, 3) and sample["mask"].shape == (48, 64)
    assert sample["image"].dtype == sample["mask"].dtype == np.uint8
    assert set(np.unique(sample["mask"])) == {0, 2, 10, VOID}  # road, building, sky, unlabelled
    assert (sample["mask"][:2] == VOID).all() and sample["mask"][-1, -1] == 0
    assert samples.name(0) == "ulm_000000_000019" and samples.size(0) == (48, 64)


def test_ready_made_train_ids_are_the_same(cityscapes):
    before = [Cityscapes(cityscapes).val().read(i)["mask"] for i in range(5)]
    for path in cityscapes.glob("gtFine/*/*/*_labelIds.png"):
        ids = lookup_table("labelIds")[np.array(Image.open(path))]
        Image.fromarray(ids).save(str(path).replace("labelIds", "labelTrainIds"))
    assert Cityscapes(cityscapes).val().masks.convert.kind == "labelIds", "what was downloaded comes first"
    forced = Cityscapes(cityscapes, labels="labelTrainIds").val()
    for path in cityscapes.glob("gtFine/*/*/*_labelIds.png"):
        path.unlink()
    found = Cityscapes(cityscapes).val()
    assert found.masks.convert.kind == "labelTrainIds"
    for i, mask in enumerate(before):
        assert (found.read(i)["mask"] == mask).all() and (forced.read(i)["mask"] == mask).all()


def test_a_missing_set_shows_the_expected_tree_and_what_is_there(tmp_path):
    (tmp_path / "leftImg8bit_trainvaltest").mkdir()
    with pytest.raises(UserError) as error:
        Cityscapes(tmp_path).train()
    first, *rest = str(error.value).splitlines()
    assert "no data set at" in first
    assert "gtFine" in "".join(rest) and "found: leftImg8bit_trainvaltest" in "".join(rest)


def test_the_test_split_is_refused(cityscapes):
    shutil.copytree(cityscapes / "leftImg8bit" / "val", cityscapes / "leftImg8bit" / "test")
    with pytest.raises(UserError, match="labels are withheld"):
        Cityscapes(cityscapes, val_split="test").val()


def test_check_looks_at_every_pair(cityscapes):
    samples = Cityscapes(cityscapes).train()
    assert list(samples.check()) == [None] * 6
    samples.path(4).write_bytes(b"")
    *before, broken, after = samples.check()
    assert before == [None] * 4 and after is None
    assert re.search(r"ulm_000004.*the file is empty", str(broken))


def test_images_of_every_mode_become_rgb(tmp_path):
    rgb = np.random.default_rng(0).integers(0, 256, (6, 5, 3), dtype=np.uint8)
    images = {
        "rgb.png": Image.fromarray(rgb),
        "grey.png": Image.fromarray(rgb[..., 0]),
        "palette.png": Image.fromarray(rgb).quantize(8),
        "cmyk.tif": Image.fromarray(rgb).convert("CMYK"),
        "deep.png": Image.fromarray(rgb[..., 0].astype(np.uint16) << 8),
        "alpha.png": Image.fromarray(np.dstack([rgb, rgb[..., :1]])),
    }
    for name, image in images.items():
        image.save(tmp_path / name)
        assert read_rgb(tmp_path / name).shape == (6, 5, 3), name
    assert (read_rgb(tmp_path / "rgb.png") == rgb).all() and (read_rgb(tmp_path / "alpha.png") == rgb).all()
    assert (read_rgb(tmp_path / "grey.png") == rgb[..., :1]).all()
    assert (read_rgb(tmp_path / "deep.png") == rgb[..., :1]).all(), "16 bits are scaled, not clipped"
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    Image.fromarray(rgb).save(tmp_path / "turned.jpg", exif=exif)
    assert read_rgb(tmp_path / "turned.jpg").shape == (6, 5, 3)
    assert read_rgb(tmp_path / "turned.jpg", upright=True).shape == (5, 6, 3)


def test_files_that_are_no_images_are_named(tmp_path):
    Image.effect_noise((64, 64), 50).save(tmp_path / "cut.png")
    data = (tmp_path / "cut.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.jpg").write_text("hello")
    for name in ("cut.png", "text.jpg", "absent.png"):
        with pytest.raises(UserError, match=name):
            read_rgb(tmp_path / name)
    Image.new("RGB", (4, 4), "red").save(tmp_path / "colour.png")
    with pytest.raises(UserError, match="mode RGB"):
        read_labels(tmp_path / "colour.png")


def test_find_images(tmp_path):
    for name in ("b.png", "a.JPG", "sub/c.jpeg", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [path.name for path in find_images(str(tmp_path))] == ["a.JPG", "b.png", "c.jpeg"]
    assert [path.name for path in find_images(str(tmp_path / "*.png"))] == ["b.png"]
    assert [path.name for path in find_images(str(tmp_path / "notes.txt"))] == ["notes.txt"]
    for nothing in ("absent", "*.bmp"):
        with pytest.raises(UserError, match="no file matches"):
            find_images(str(tmp_path / nothing))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no image in that folder"):
        find_images(str(tmp_path / "empty"))


@pytest.mark.skipif(not CAMVID.is_dir(), reason="needs the real CamVid frames in shared/data")
def test_real_frames():
    dataset = Cityscapes(CAMVID)
    train, val = dataset.train(), dataset.val()
    assert (len(train), len(val)) == (184, 51)
    assert len(list(val.check())) == 51
    counts = sum(np.bincount(val.read(i)["mask"].ravel(), minlength=256) for i in range(51))
    assert round(100 * counts[0] / counts.sum(), 1) == 28.9 and round(100 * counts[10] / counts.sum(), 1) == 9.2
    assert np.flatnonzero(counts).tolist() == [0, 1, 2, 4, 5, 7, 8, 10, 11, 12, 13, VOID]


def test_classes_are_numbered_as_the_files(cityscapes):
    assert [label.label_id for label in Cityscapes(cityscapes).classes["mask"]][:2] == [7, 8]
    for path in (cityscapes / "gtFine").rglob("*_labelIds.png"):
        path.rename(path.with_name(path.name.replace("labelIds", "labelTrainIds")))
    own = Cityscapes(cityscapes).classes["mask"]
    assert [label.label_id for label in own] == list(range(19))
    assert [label.name for label in own] == [label.name for label in CLASSES]
    assert Cityscapes(cityscapes, labels="labelIds").classes["mask"] == CLASSES
    assert Cityscapes(cityscapes / "nowhere").classes["mask"] == CLASSES


def test_labels_without_a_class_are_refused_and_one_class_is_said(cityscapes, capsys):
    for path in cityscapes.glob("gtFine/val/*/*_labelIds.png"):
        Image.fromarray(np.array(Image.open(path)) // 12).save(path)  # ids 0 and 1, which are void
    with pytest.raises(
        UserError,
        match=r"every pixel of all 5 label files is void: .*has the ids 0, 1; those of classes.*dataset.classes=",
    ):
        list(Cityscapes(cityscapes).val().check())
    for path in cityscapes.glob("gtFine/val/*/*_labelIds.png"):
        Image.fromarray(np.full((48, 64), 7, np.uint8)).save(path)
    assert len(list(Cityscapes(cityscapes).val().check())) == 5
    assert capsys.readouterr().out == "all labelled pixels of 5 label files are of one class, road\n"


def renumber(root, change, kind="labelTrainIds"):
    """Replace every label file."""
    for path in root.glob("gtFine/*/*/*_labelIds.png"):
        ids = change(np.array(Image.open(path)))
        path.unlink()
        Image.fromarray(ids).save(str(path).replace("labelIds", kind))


ROAD_OR_NOT = {"0 and 255": lambda ids: np.where(ids == 7, 0, 255), "0 and 1": lambda ids: ids == 7}


@pytest.mark.parametrize("how", ROAD_OR_NOT)
def test_binary_label_maps_do_not_pass_for_train_ids(cityscapes, how):
    renumber(cityscapes, lambda ids: ROAD_OR_NOT[how](ids).astype(np.uint8))
    with pytest.raises(
        UserError, match=rf"hold only the ids {how.replace(' and', ',')}, which .* road.*dataset.classes="
    ):
        list(Cityscapes(cityscapes).train().check())
    assert len(list(Cityscapes(cityscapes, classes="official").train().check())) == 6
    white = 255 if how == "0 and 255" else 0
    own = Cityscapes(cityscapes, classes={"other": white, "road": 255 - white if white else 1})
    assert [name for name, _, _ in own.classes["mask"]] == ["other", "road"]
    assert {*own.val().read(0)["mask"].ravel().tolist()} == {0, 1}


@pytest.mark.parametrize("kind", ["labelTrainIds", "labelIds"])
def test_own_numbers_do_not_pass_for_cityscapes(cityscapes, kind):
    table = np.zeros(256, np.uint8)
    table[[7, 11, 23]] = [8, 7, 11] if kind == "labelIds" else [1, 2, 0]
    renumber(cityscapes, lambda ids: table[ids], kind)
    if kind == "labelIds":  # 0 to 11, each in a pixel
        path = next(cityscapes.glob("gtFine/train/*/*_labelIds.png"))
        ids = np.array(Image.open(path))
        ids[0, :12] = range(12)
        Image.fromarray(ids).save(path)
    with pytest.raises(UserError, match="hold only the ids 0, 1, 2"):
        list(Cityscapes(cityscapes).train().check())
    found = Cityscapes(cityscapes, classes="found")
    assert len(found.classes["mask"]) == (12 if kind == "labelIds" else 3)
    assert len(list(found.train().check())) == 6
    with pytest.raises(UserError, match="only Cityscapes' own classes have boxes"):
        Cityscapes(cityscapes, classes="found", targets=["mask", "boxes"])
    with pytest.raises(UserError, match="are for classes of your own"):
        Cityscapes(cityscapes, ignore=[255])


def test_smoothed_label_maps_are_refused(cityscapes):
    for path in cityscapes.glob("gtFine/train/*/*.png"):
        with Image.open(path) as image:
            soft = image.resize((32, 24), Image.Resampling.BILINEAR).resize((64, 48), Image.Resampling.BILINEAR)
        soft.save(path)
    with pytest.raises(UserError, match="ids that run smoothly into each other"):
        list(Cityscapes(cityscapes).train().check())


def test_photos_may_be_jpeg(cityscapes):
    for path in cityscapes.glob("leftImg8bit/*/*/*.png"):
        Image.open(path).save(path.with_suffix(".jpg"))
        path.unlink()
    samples = Cityscapes(cityscapes).train()
    assert len(samples) == 6 and list(samples.check()) == [None] * 6 and samples.name(0) == "ulm_000000_000019"
