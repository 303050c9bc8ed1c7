"""Photos that lie on their side with an EXIF orientation: images, boxes and label maps stay together."""

import json

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import UserError
from tasks.data.datasets.cityscapes import Cityscapes
from tasks.data.datasets.coco import Coco, CocoJson
from tasks.data.datasets.folders import Folders
from tasks.data.files.images import look, opened_size, read_labels, read_rgb
from tasks.data.files.orientation import TURNS
from tasks.data.loading.upright import answer_for, answer_without_data, follow, look_at_turns

BACK = {  # how a camera stores an upright picture with each orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def lay(path, turn):
    """Store a file as a camera held so would: turned, with the orientation that turns it back."""
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.open(path).transpose(BACK[turn]).save(path, exif=exif)


@pytest.mark.parametrize("turn", TURNS)
@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("kind", ["rgb", "ids", "deep"])
def test_every_orientation_of_every_format_is_undone(tmp_path, turn, suffix, kind):
    """Pillow turns a TIFF when it decodes it, and no other."""
    upright = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3) + 100
    if kind != "rgb":
        upright = upright[..., 0]
    image = Image.fromarray(upright.astype(np.uint16) << 8 if kind == "deep" else upright).transpose(BACK[turn])
    path, exif = tmp_path / f"a.{suffix}", Image.Exif()
    exif[0x0112] = turn
    image.save(path, **({"tiffinfo": {274: turn}} if suffix == "tif" else {"exif": exif}))
    stored = np.asarray(image) >> (8 if kind == "deep" else 0)
    assert look(path) == opened_size(path) == (stored.shape[:2], turn) and look(path).upright == (4, 6)
    for asked, pixels in ((False, stored), (True, upright)):
        read = read_rgb(path, upright=asked)
        assert read.shape[:2] == pixels.shape[:2]
        assert (read == (pixels if kind == "rgb" else pixels[..., None])).all()
    if kind == "ids":
        assert (read_labels(path) == stored).all()


@pytest.fixture
def street(cityscapes):
    """The first training image and its label map, 48×64 upright."""
    stem = "train/ulm/ulm_000000_000019"
    image = cityscapes / f"leftImg8bit/{stem}_leftImg8bit.png"
    return cityscapes, image, cityscapes / f"gtFine/{stem}_gtFine_labelIds.png"


def seen_by(view):
    return lambda source: view(read_rgb(source) if not isinstance(source, np.ndarray) else source)


def test_label_maps_tell_whether_a_photo_is_upright(street, capsys):
    root, image, _ = street
    upright = Cityscapes(root).train().read(0)
    lay(image, 6)
    samples = Cityscapes(root).train()
    assert list(samples.check()) == [None] * 6
    assert "train: 1 photos are read upright, as their annotated sizes tell" in capsys.readouterr().out
    read, viewed = samples.read(0), samples.read(0, seen_by(lambda pixels: pixels[::2]))
    assert (read["image"] == upright["image"]).all() and (read["mask"] == upright["mask"]).all()
    assert (viewed["image"] == upright["image"][::2]).all() and samples.size(0) == (48, 64)
    with pytest.raises(UserError) as error:
        Cityscapes(root, upright=False).train().read(0)
    assert str(error.value).endswith(
        "_labelIds.png is 64×48, its image 48×64; the sizes fit the photo upright (EXIF orientation 6): "
        "dataset.upright=auto goes by them, dataset.upright=true reads all photos so, not false"
    )
    Image.fromarray(read_labels(street[2])).transpose(BACK[6]).save(street[2])  # without a turn of its own
    stored = Cityscapes(root).train()
    assert (stored.read(0)["image"] == np.rot90(upright["image"])).all()
    with pytest.raises(
        UserError, match=r"fit the photo as stored .* dataset\.upright=false reads all photos so, not t"
    ):
        raise next(iter(Cityscapes(root, upright=True).train().check()))


@pytest.mark.parametrize("turn", [3, 6])
def test_a_label_map_that_is_turned_like_its_photo_stays_on_it(street, turn):
    root, image, labels = street
    upright = Cityscapes(root).train().read(0)
    for path in (image, labels):
        lay(path, turn)
    for key in ("auto", True, False):
        samples = Cityscapes(root, upright=key).train()
        samples.look_at_turns()
        assert list(samples.check()) == [None] * 6
        read = samples.read(0)
        for kind in ("image", "mask"):
            stored = np.asarray(Image.fromarray(upright[kind]).transpose(BACK[turn]))
            assert np.array_equal(read[kind], stored if key is False else upright[kind]), (key, kind)
        assert samples.size(0) == read["mask"].shape


def test_photos_upside_down_are_asked_about_before_training(street):
    root, image, _ = street
    for path in sorted(image.parent.iterdir())[:4]:
        lay(path, 3)
    samples = Cityscapes(root).train()
    for looking in (samples.look_at_turns, lambda: list(samples.check())):
        with pytest.raises(UserError) as error:
            looking()
        assert str(error.value) == (
            "4 photos have an EXIF turn (ulm_000000_000019_leftImg8bit.png, ulm_000001_000019_leftImg8bit.png, "
            "ulm_000002_000019_leftImg8bit.png, …) and nothing tells whether the label maps are on the upright "
            "picture: dataset.upright=true if the annotation tool showed them upright (most do), false if as stored"
        )


def test_class_folders_are_read_as_people_see_them(folders):
    path = folders / "train" / "blue" / "blue_1.png"  # 48×48
    pixels = np.arange(30 * 48 * 3, dtype=np.uint8).reshape(30, 48, 3)
    Image.fromarray(pixels).save(path)
    lay(path, 6)
    upright, stored = Folders(folders, upright="auto").train(), Folders(folders).train()
    for samples, wanted in ((upright, pixels), (stored, np.rot90(pixels))):
        assert (samples.read(1)["image"] == wanted).all() and samples.size(1) == wanted.shape[:2]
        assert (samples.read(1, seen_by(lambda image: image[1:]))["image"] == wanted[1:]).all()
        assert samples.of([1]).size(0) == wanted.shape[:2]


def test_sizes_that_the_annotations_lack_tell_nothing(coco):
    source = coco / "annotations" / "instances_train2017.json"
    content = json.loads(source.read_text())
    for image in content["images"]:
        del image["height"], image["width"]
    source.write_text(json.dumps(content))
    lay(coco / "train2017" / content["images"][0]["file_name"], 6)
    split = {"images": str(coco / "train2017"), "annotations": str(source)}
    with pytest.raises(UserError, match=r"1 photo has an EXIF turn .* nothing tells whether the boxes"):
        CocoJson(train=split, val=split).train().look_at_turns()
    for key, size in ((True, (48, 64)), (False, (64, 48))):
        samples = CocoJson(train=split, val=split, upright=key).train()
        assert samples.size(0) == samples.read(0)["image"].shape[:2] == size


def test_the_answer_for_prediction(coco, folders, cityscapes, capsys):
    where = {"images": str(coco / "val2017"), "annotations": str(coco / "annotations" / "instances_val2017.json")}
    assert answer_for([CocoJson(val=where).val()]) and not answer_for([Coco(coco, upright=False).val()])
    assert answer_for([None, Cityscapes(cityscapes).val()])
    labels = Folders(folders, upright="auto").val()
    follow(labels, False)  # the network was trained on photos as stored
    assert labels.upright is False and not answer_for([labels])
    assert answer_without_data({"upright": "auto"}) and not answer_without_data({"upright": False})
    assert not answer_without_data({})
    name = sorted((coco / "val2017").iterdir())[0]
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open(name).save(name, exif=exif)  # the JSON has the stored size
    told = CocoJson(val=where).val()
    look_at_turns(told)
    assert not answer_for([told]) and told.seen == (0, 1, [])
    assert "1 photos with an EXIF turn are read as stored" in capsys.readouterr().out
    lay(sorted((coco / "val2017").iterdir())[1], 8)
    told = CocoJson(val=where).val()
    look_at_turns(told)
    assert (
        answer_for([told]) and "some photos with an EXIF turn are read upright and others as" in capsys.readouterr().out
    )


@pytest.mark.parametrize("check", [True, False])
def test_one_message_counts_the_photos_of_both_splits(check, coco, tmp_path, command):
    photos = {
        split: sorted((coco / f"{split}2017").glob("*.jpg"))[:count] for split, count in (("train", 2), ("val", 1))
    }
    for path in (path for paths in photos.values() for path in paths):
        lay(path, 3)
    words = (
        f"dataset.root={coco}",
        f"hydra.run.dir={tmp_path / 'run'}",
        f"check={str(check).lower()}",
        "data.workers=0",
    )
    said = command("detect", "dataset=coco", "dataset.upright=auto", *words)
    names = ", ".join(path.name for path in (*photos["val"], *photos["train"]))
    assert said.status == 2 and said.err.count("\n") == 1
    assert f"3 photos have an EXIF turn ({names}; 1 in val, 2 in train) and nothing tells" in said.err
    Image.open(photos["val"][0]).convert("L").convert("RGB").save(photos["val"][0], exif=Image.Exif())
    said = command("detect", "dataset=coco", "dataset.upright=auto", *words)
    names = ", ".join(path.name for path in photos["train"])
    assert said.status == 2 and f"2 photos have an EXIF turn ({names}) and nothing tells" in said.err
