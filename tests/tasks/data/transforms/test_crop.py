"""Random resized crops: the boxes, what is decoded of a file, and that nothing but time is lost."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop as Theirs
from torchvision.transforms.functional import resized_crop

from tasks.common.errors import UserError
from tasks.data.files.images import read_rgb
from tasks.data.files.jpeg import Jpeg
from tasks.data.transforms.crop import Box, RandomResizedCrop, cut_box

PHOTOS = Path(__file__).parents[5] / "shared" / "data" / "imagenet-mini" / "val"
COLOURS = ["4:4:4", "4:2:2", "4:2:0"]


def picture(height: int, width: int) -> Image.Image:
    """Smooth colours with some edges, different in every corner."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    rgb = np.stack([np.sin(9 * x + 3 * y), np.cos(7 * y), (x + y > 0.8) - 0.5], axis=2)
    return Image.fromarray((127 + 120 * rgb / np.abs(rgb).max()).astype(np.uint8))


def theirs(image: Image.Image, box: Box, size: int) -> np.ndarray:
    return np.asarray(resized_crop(image.convert("RGB"), *box, [size, size], antialias=True), int)


def same(ours: np.ndarray, other: np.ndarray, mean: float) -> bool:
    return ours.shape == other.shape and np.abs(ours.astype(int) - other).mean() < mean


@pytest.mark.parametrize("subsampling", COLOURS)
@pytest.mark.parametrize("progressive", [False, True])
def test_a_box_at_full_scale_is_pillows(tmp_path, subsampling, progressive):
    path = tmp_path / "a.jpg"
    picture(197, 251).save(path, quality=90, subsampling=subsampling, progressive=progressive)
    for box in (Box(0, 0, 60, 70), Box(3, 5, 100, 61), Box(90, 100, 107, 151), Box(0, 0, 197, 251)):
        ours = cut_box(path, box, 100, "bilinear")
        assert ours.dtype == np.uint8 and ours.flags.c_contiguous
        assert np.abs(ours.astype(int) - theirs(Image.open(path), box, 100)).max() <= 1, box


@pytest.mark.parametrize("subsampling", COLOURS)
def test_rows_below_are_not_decoded_and_those_above_are_the_same(tmp_path, subsampling, capfd):
    path = tmp_path / "a.jpg"
    picture(400, 320).save(path, quality=90, subsampling=subsampling)
    whole = Jpeg(path).decode(400, 1)
    assert (whole == read_rgb(path)).all()
    for rows in (1, 8, 17, 160, 383, 384, 399):
        part = Jpeg(path).decode(rows, 1)
        assert rows <= len(part) <= max(rows + 32, 32)
        assert (part[:rows] == whole[:rows]).all()
    assert capfd.readouterr().err == "", "libjpeg has nothing to report"
    picture(40, 32).save(path, progressive=True)
    assert Jpeg(path).band == 0, "each scan goes through all rows"


def test_large_boxes_are_decoded_small(tmp_path):
    path = tmp_path / "a.jpg"
    image = picture(800, 1000)
    image.save(path, quality=95)
    assert Jpeg(path).decode(800, 4).shape == (200, 250, 3)
    for box in (Box(0, 0, 800, 1000), Box(101, 203, 497, 600), Box(333, 1, 260, 257)):
        for size in (40, 64, 128):
            assert same(cut_box(path, box, size, "bilinear"), theirs(Image.open(path), box, size), 1.3), (box, size)


@pytest.mark.parametrize("kind", ["grey.jpg", "cmyk.jpg", "palette.png", "alpha.png", "deep.png", "rgb.bmp"])
def test_files_of_every_kind(tmp_path, kind):
    path, image = tmp_path / kind, picture(61, 83)
    convert = {"grey": "L", "cmyk": "CMYK", "palette": "P", "alpha": "RGBA", "deep": "L", "rgb": "RGB"}
    image = image.convert(convert[kind.split(".")[0]])
    if kind == "deep.png":
        image = Image.fromarray(np.asarray(image).astype(np.uint16) << 8)
    image.save(path)
    expected = theirs(Image.fromarray(read_rgb(path)), Box(7, 9, 40, 51), 32)
    assert np.abs(cut_box(path, Box(7, 9, 40, 51), 32, "bilinear") - expected).max() <= 1


def test_an_orientation_is_left_alone(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    picture(48, 80).save(tmp_path / "a.jpg", exif=exif)
    crop = RandomResizedCrop(80, scale=(1, 1), ratio=(80 / 48, 80 / 48), flip=0)
    assert same(
        crop(tmp_path / "a.jpg", np.random.default_rng(0)),
        theirs(Image.open(tmp_path / "a.jpg"), Box(0, 0, 48, 80), 80),
        1,
    )


@pytest.mark.parametrize("part", [0.1, 0.5, 0.99])
def test_a_file_that_was_cut_off_is_named(tmp_path, part):
    picture(200, 200).save(tmp_path / "cut.jpg")
    data = (tmp_path / "cut.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(data[: int(part * len(data))])
    for seed in range(4):  # also where the box lies above the cut
        with pytest.raises(UserError, match=r"cut\.jpg"):
            RandomResizedCrop(8)(tmp_path / "cut.jpg", np.random.default_rng(seed))


def test_files_that_are_odd_but_whole(tmp_path, capfd):
    stream = io.BytesIO()
    picture(64, 64).save(stream, "JPEG")
    data = stream.getvalue()
    (tmp_path / "whole").write_bytes(data)
    expected = read_rgb(tmp_path / "whole")
    files = {
        "padded": data + bytes(5000),
        "fill bytes": data[:2] + b"\xff\xff\xff" + data[2:],
        "thumbnail": data[:2] + b"\xff\xe2" + (len(data) + 2).to_bytes(2, "big") + data + data[2:],
        "two pictures": data[:2] + b"\xff\xe2\x00\x06MPF\0" + data[2:] + data,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        assert same(cut_box(tmp_path / name, Box(0, 0, 20, 64), 64, "bilinear")[10:50],
                    theirs(Image.fromarray(expected), Box(0, 0, 20, 64), 64)[10:50], 1), name  # fmt: skip
    assert capfd.readouterr().err == ""
    (tmp_path / "thumbnail").write_bytes(files["thumbnail"][:-50])  # the thumbnail's end is not the picture's
    with pytest.raises(ValueError, match="no end of image"):
        Jpeg(tmp_path / "thumbnail")
    with pytest.raises(UserError, match="truncated"):
        cut_box(tmp_path / "thumbnail", Box(0, 0, 20, 64), 64, "bilinear")


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xd8", b"\xff\xd8\xff\xe0\0", b"\xff\xd8\xff\xc0\0\x0b\x08\0\0\0\0\x01"]
)
def test_files_without_a_picture_are_named(tmp_path, content):
    (tmp_path / "a.jpg").write_bytes(content)
    with pytest.raises(UserError, match=r"a\.jpg"):
        RandomResizedCrop(8)(tmp_path / "a.jpg", np.random.default_rng(0))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.jpg: no such file"):
        RandomResizedCrop(8)(tmp_path / "absent.jpg", np.random.default_rng(0))


def test_boxes_are_distributed_like_torchvisions():
    image, generator = torch.zeros(3, 300, 400), np.random.default_rng(0)
    torch.manual_seed(0)
    ours = np.array([RandomResizedCrop(8).draw(300, 400, generator) for _ in range(3000)])
    other = np.array([Theirs.get_params(image, (0.08, 1.0), (3 / 4, 4 / 3)) for _ in range(3000)])
    for column in range(4):
        difference = np.quantile(ours[:, column], [0.1, 0.3, 0.5, 0.7, 0.9]) - np.quantile(
            other[:, column], [0.1, 0.3, 0.5, 0.7, 0.9]
        )
        assert np.abs(difference).max() < 15


@pytest.mark.parametrize(("height", "width"), [(10, 1000), (1000, 10), (1, 1), (1, 7)])
def test_long_images_give_their_middle(height, width):
    crop = RandomResizedCrop(8, scale=(0.9, 1))
    expected = Theirs.get_params(torch.zeros(3, height, width), (0.9, 1), (3 / 4, 4 / 3))
    assert crop.draw(height, width, np.random.default_rng(0)) == tuple(expected)


@pytest.mark.filterwarnings("error")
def test_an_array_is_cropped_and_flipped_by_the_generator_alone():
    image = np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    image.flags.writeable = False
    crop = RandomResizedCrop(32)
    first, again = (crop(image, np.random.default_rng(5)) for _ in range(2))
    assert (first == again).all() and not (first == crop(image, np.random.default_rng(6))).all()
    whole = {flip: RandomResizedCrop(32, scale=(1, 1), ratio=(1, 1), flip=flip) for flip in (0, 1)}
    assert (whole[0](image, np.random.default_rng(0)) == image).all()
    assert (whole[1](image, np.random.default_rng(0)) == image[:, ::-1]).all()


def test_bicubic_is_pillows():
    image = picture(90, 120)
    expected = image.crop((10, 20, 100, 80)).resize((32, 32), Image.Resampling.BICUBIC)
    ours = cut_box(np.asarray(image), Box(20, 10, 60, 90), 32, "bicubic")
    assert np.abs(ours.astype(int) - np.asarray(expected)).max() <= 1


@pytest.mark.parametrize(
    ("name", "value"), [("size", 0), ("scale", (0.5, 0.1)), ("ratio", (0, 1)), ("flip", 2), ("interpolation", "area")]
)
def test_values_out_of_range_are_named(name, value):
    with pytest.raises(UserError, match=f"data.crop.{name}="):
        RandomResizedCrop(**{"size": 8, name: value})


@pytest.mark.skipif(not PHOTOS.is_dir(), reason="needs the real photos in shared/data")
def test_real_photos():
    crop, generator, differences = RandomResizedCrop(224), np.random.default_rng(0), []
    for path in sorted(PHOTOS.glob("*/*.JPEG"))[::3]:
        jpeg = Jpeg(path)
        assert (jpeg.height, jpeg.width) == Image.open(path).size[::-1]
        box = crop.draw(jpeg.height, jpeg.width, generator)
        differences.append(np.abs(cut_box(path, box, 224, "bilinear") - theirs(Image.open(path), box, 224)).mean())
    assert np.mean(differences) < 0.5 and np.max(differences) < 3
