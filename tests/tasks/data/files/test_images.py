"""Image files of every kind as uint8 RGB, or a refusal that names them."""

import os
import socket
import struct
import time
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps, TiffImagePlugin, features

from tasks.common.errors import UserError
from tasks.data.files.images import find_images, image_size, look, read_labels, read_rgb
from tasks.data.files.jpeg import Jpeg
from tasks.data.files.orientation import turned
from tasks.data.files.walk import SUFFIXES, files_below


def test_16_bits_are_scaled(tmp_path):
    Image.fromarray(np.array([[0, 256, 65535]], np.uint16)).save(tmp_path / "deep.png")
    assert read_rgb(tmp_path / "deep.png").tolist() == [[[0] * 3, [1] * 3, [255] * 3]]


GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5
CAMERA = GREY.astype(np.uint16) << 4  # 12 bits


def with_chunk(path, kind, body):
    """Put a chunk behind a PNG file's header."""
    data = path.read_bytes()
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    path.write_bytes(data[:33] + chunk + data[33:])


def test_the_declared_range_is_taken(tmp_path):
    Image.fromarray(CAMERA).save(tmp_path / "sbit.png")
    with_chunk(tmp_path / "sbit.png", b"sBIT", b"\x0c")
    info = TiffImagePlugin.ImageFileDirectory_v2()
    info[281] = 4095
    Image.fromarray(CAMERA).save(tmp_path / "most.tif", tiffinfo=info)
    maximum = np.array2string(CAMERA.ravel(), threshold=99)[1:-1]
    (tmp_path / "most.ppm").write_text(f"P2 8 6 4095 {maximum}")
    for name in ("sbit.png", "most.tif", "most.ppm"):
        assert np.abs(read_rgb(tmp_path / name)[..., 1].astype(int) - GREY).max() <= 1, name


ODD = {  # files of the same picture whose range nothing says, with the white that settles it
    "camera.png": (lambda path: Image.fromarray(CAMERA).save(path), "3,760", 4095),
    "camera.tif": (lambda path: Image.fromarray(CAMERA).save(path), "3,760", 4095),
    "wide.tif": (
        lambda path: Image.fromarray(GREY.astype(np.int32)).save(path),
        "signed or 32-bit integers up to 235",
        255,
    ),
    "floats.tif": (lambda path: Image.fromarray(GREY.astype(np.float32) / 255).save(path), "floats up to 0.92", 1.0),
    "floats.pfm": (lambda path: Image.fromarray(GREY.astype(np.float32) / 255).save(path, "PPM"), "floats up to", 1.0),
    "colours.png": (lambda path: cv2.imwrite(str(path), np.dstack([CAMERA] * 3)), "16-bit values end at", 4095),
    "bytes.png": (
        lambda path: cv2.imwrite(str(path), np.dstack([GREY.astype(np.uint16)] * 3)),
        "values end at 235",
        255,
    ),
    "colours.tif": (lambda path: cv2.imwrite(str(path), np.dstack([CAMERA] * 3)), "16-bit values end at", 4095),
}


@pytest.mark.parametrize("name", ODD)
def test_values_of_an_unknown_range_are_refused_until_white_is_set(tmp_path, name):
    write, message, white = ODD[name]
    write(tmp_path / name)
    with pytest.raises(UserError) as error:
        read_rgb(tmp_path / name)
    assert (
        name in str(error.value)
        and message in str(error.value)
        and f"set white={white}" in str(error.value)
        and "\n" not in str(error.value)
    )
    with pytest.raises(UserError, match=f"set white={white}"):
        look(tmp_path / name)
    assert (read_rgb(tmp_path / name, white=white) == GREY[..., None]).all()
    assert look(tmp_path / name, white) == ((6, 8), 1)
    if white > 1:
        with pytest.raises(UserError, match=f"above white={white // 2}"):
            read_rgb(tmp_path / name, white=white // 2)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("plain", [True, False])
def test_white_is_of_the_values_in_a_netpbm_file(tmp_path, channels, plain):
    kind = {(1, True): 2, (3, True): 3, (1, False): 5, (3, False): 6}[channels, plain]
    values = np.repeat(CAMERA.ravel(), channels)
    body = (" ".join(map(str, values)) + "\n").encode() if plain else values.astype(">u2").tobytes()
    path = tmp_path / "camera.ppm"
    path.write_bytes(f"P{kind} 8 6 4095\n".encode() + body)
    for white, wanted in ((None, GREY), (4095, GREY), (8191, GREY // 2), (65535, CAMERA >> 8)):
        assert np.abs(read_rgb(path, white=white).astype(int) - wanted[..., None].astype(int)).max() <= 1, white
    with pytest.raises(UserError, match="it has the value 3760, above white=1023"):
        read_rgb(path, white=1023)
    assert look(path, 4095) == ((6, 8), 1)


def test_16_bits_that_are_used_need_no_word(tmp_path):
    deep = GREY.astype(np.uint16) << 8
    Image.fromarray(deep).save(tmp_path / "deep.png")
    Image.frombytes("I;16B", (8, 6), deep.astype(">u2").tobytes()).save(tmp_path / "big.tif")
    cv2.imwrite(str(tmp_path / "colours.png"), np.dstack([deep] * 3))
    for name in ("deep.png", "big.tif", "colours.png"):
        assert (read_rgb(tmp_path / name) == GREY[..., None]).all(), name
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "black.png")
    assert not read_rgb(tmp_path / "black.png").any()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(deep).save(tmp_path / "turned.png", exif=exif)
    assert (read_rgb(tmp_path / "turned.png", upright=True)[..., 0] == np.rot90(GREY, -1)).all()


@pytest.mark.parametrize("turn", range(2, 9))
def test_deep_photos_turn_like_others(turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    image = Image.fromarray(np.dstack([GREY] * 3))
    image.getexif().update(exif)
    expected = np.asarray(ImageOps.exif_transpose(image))
    assert (turned(np.asarray(image), turn) == expected).all()


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([[-1, 5]], np.int32), "negative values, down to -1"),
        (np.array([[np.nan, 1]], np.float32), "not finite"),
    ],
)
def test_values_that_are_no_brightness_are_refused(tmp_path, values, message):
    Image.fromarray(values).save(tmp_path / "odd.tiff")
    with pytest.raises(UserError, match=rf"odd\.tiff.*{message}"):
        read_rgb(tmp_path / "odd.tiff", white=9)


def test_a_bug_of_ours_is_no_damaged_file(tmp_path):
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(ZeroDivisionError):  # the rules refuse white=0 before
        read_rgb(tmp_path / "a.tif", white=0.0)
    (tmp_path / "a.tif").write_bytes((tmp_path / "a.tif").read_bytes()[:-9])
    with pytest.raises(UserError, match=r"cannot read image .*a\.tif"):
        read_rgb(tmp_path / "a.tif", white=0.0)


def test_bytes_behind_a_png_do_not_matter_but_missing_ones_do(tmp_path):
    path = tmp_path / "a.png"
    Image.effect_noise((200, 90), 50).save(path)
    whole = path.read_bytes()
    for tail in (b"", bytes(37), b"more" * 5000, b"IEND"):
        path.write_bytes(whole + tail)
        assert look(path) == ((90, 200), 1) and read_rgb(path).shape == (90, 200, 3)
    for cut in (1, 11, 12, 13, 5000):
        path.write_bytes(whole[:-cut])
        with pytest.raises(UserError, match="the file is truncated"):
            look(path)


def resized_header(path, width, height):
    """Change what a PNG or JPEG file says of its size."""
    data = bytearray(path.read_bytes())
    if data[:2] == b"\xff\xd8":
        at = data.index(b"\xff\xc0") + 5
        data[at : at + 4] = struct.pack(">HH", height, width)
    else:
        data[16:24] = struct.pack(">II", width, height)
        data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
@pytest.mark.parametrize("size", [(65_500, 65_500), (21_000, 21_000), (65_500, 40)])
def test_headers_that_promise_too_much_are_refused_at_once(tmp_path, name, size):
    path = tmp_path / name
    Image.effect_noise((40, 40), 50).save(path)
    resized_header(path, *size)
    start = time.process_time()  # another process may take the core meanwhile
    for read in (look, read_rgb, image_size) if size[1] > 40 else (read_rgb,):
        if name == "a.jpg" and size == (65_500, 40):
            continue  # 2.6 million pixels in 1,600 bytes are possible
        with pytest.raises(UserError, match=rf"{name}.*(500,000,000 pixels|truncated)"):
            read(path)
    if name == "a.jpg" and size[1] > 40:
        with pytest.raises(ValueError, match="more pixels than there can be"):
            Jpeg(path)
    assert time.process_time() - start < 2


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_a_small_avif_file_may_hold_many_pixels(tmp_path):
    Image.new("RGB", (640, 480), (200, 30, 30)).save(tmp_path / "a.avif")
    assert (tmp_path / "a.avif").stat().st_size < 2_000
    assert look(tmp_path / "a.avif") == ((480, 640), 1) and read_rgb(tmp_path / "a.avif").shape == (480, 640, 3)


def test_large_photos_are_read_up_to_a_limit(tmp_path, monkeypatch):
    Image.new("L", (10, 10)).save(tmp_path / "aerial.png")
    resized_header(tmp_path / "aerial.png", 14_000, 13_000)  # more than Pillow opens by itself
    with (tmp_path / "aerial.png").open("ab") as file:
        file.write(bytes(30_000))  # as many bytes as it may have
    assert image_size(tmp_path / "aerial.png") == (13_000, 14_000)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 40)
    Image.new("L", (10, 9)).save(tmp_path / "a.png")
    for read in (look, read_rgb, read_labels, image_size):
        with pytest.raises(UserError, match=r"a\.png: it has more than 500,000,000 pixels$"):
            read(tmp_path / "a.png")


@pytest.fixture
def odd_files(tmp_path):
    """What has an image's name and is no file; by name, with what is said of it."""
    os.mkfifo(tmp_path / "pipe.png")
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "gone.png").symlink_to("nowhere.png")
    (tmp_path / "circle.png").symlink_to("circle.png")
    (tmp_path / "device.png").symlink_to("/dev/zero")
    (tmp_path / "empty.png").touch()
    (tmp_path / "line\nbreak.png").write_text("text")
    (tmp_path / os.fsdecode(b"latin\xe9.png")).write_text("text")
    with socket.socket(socket.AF_UNIX) as server:
        here = Path.cwd()
        os.chdir(tmp_path)  # its path must be short
        server.bind("socket.png")
        os.chdir(here)
    return {
        "pipe.png": "a pipe (FIFO)",
        "folder.png": "a folder",
        "gone.png": "a link to what is not there",
        "circle.png": "Too many levels of symbolic links",
        "device.png": "a device",
        "empty.png": "the file is empty",
        "line\nbreak.png": "no image of a known format",
        os.fsdecode(b"latin\xe9.png"): "no image of a known format",
        "socket.png": "a socket",
    }


def test_what_is_no_file_is_said_in_a_line_and_never_waited_for(tmp_path, odd_files):
    for name, message in odd_files.items():
        for read in (look, read_rgb, read_labels, image_size):
            with pytest.raises(UserError) as error:
                read(tmp_path / name)
            assert message in str(error.value) and str(error.value).isprintable()
        with pytest.raises((OSError, ValueError)):
            Jpeg(tmp_path / name)
    found = [path.name for path in find_images(str(tmp_path))]
    assert sorted(found) == sorted(odd_files), "all are listed, so that all are said to be skipped"
    with pytest.raises(UserError, match=r"pipe\.png is a pipe \(FIFO\), not a file"):
        find_images(str(tmp_path / "pipe.png"))


def test_links_in_circles_end(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    for number in range(3):
        (tmp_path / "a" / "b" / f"up{number}").symlink_to(tmp_path)
    Image.new("RGB", (4, 4)).save(tmp_path / "a" / "b" / "x.png")
    assert files_below(tmp_path) == ["a/b/x.png"]


def test_a_folder_with_an_images_name_may_hold_one(tmp_path):
    (tmp_path / "photo.jpg").mkdir()  # as Kaggle unpacks some
    Image.new("RGB", (4, 4)).save(tmp_path / "photo.jpg" / "photo.jpg")
    assert files_below(tmp_path) == ["photo.jpg/photo.jpg"]


def test_labels_of_any_form_that_keeps_ids(tmp_path):
    ids = np.array([[0, 7], [26, 255]], np.uint8)
    grey = Image.fromarray(ids)
    palette = Image.fromarray(ids)
    palette.putpalette(bytes(range(256)) * 3)
    forms = {
        "grey.png": grey,
        "palette.png": palette,
        "deep.png": Image.fromarray(ids.astype(np.uint16)),
        "wide.tif": Image.fromarray(ids.astype(np.int32)),
        "alpha.png": Image.merge("LA", (grey, Image.new("L", (2, 2), 128))),
        "colours.png": Image.merge("RGB", (grey,) * 3),
        "rgba.png": Image.merge("RGBA", (*(grey,) * 3, Image.new("L", (2, 2), 3))),
    }
    for name, image in forms.items():
        image.save(tmp_path / name)
        assert (read_labels(tmp_path / name) == ids).all(), name
    for name, image, message in (
        ("a.jpg", grey, "stored as JPEG, which changes ids: label files are PNG"),
        ("b.png", Image.fromarray(ids.astype(np.uint16) * 9), "values from 0 to 2295 .*ids are 0-255"),
        ("c.png", Image.new("RGB", (2, 2), "red"), "has colours"),
    ):
        image.save(tmp_path / name)
        (tmp_path / name).rename(tmp_path / "labels.png")  # whatever it is called
        with pytest.raises(UserError, match=rf"labels\.png.*{message}"):
            read_labels(tmp_path / "labels.png")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_of_every_suffix_is_read(tmp_path, suffix):
    path = tmp_path / f"a{suffix.upper()}"
    image = Image.new("1" if suffix == ".pbm" else "RGB", (8, 6), "white")
    more = {"save_all": True, "append_images": [image]} if suffix == ".mpo" else {}
    image.save(path, "MPO" if suffix == ".mpo" else Image.registered_extensions()[suffix], **more)
    assert find_images(str(tmp_path)) == [path] and (read_rgb(path) >= 254).all() and look(path) == ((6, 8), 1)


def test_what_a_folder_has_beside_images_is_said(tmp_path, capsys):
    for name in ("a.heic", "b.HEIC", "c.txt", "d", ".hidden", "e.mp4", "f.zip", "g.csv", "h.json"):
        (tmp_path / name).touch()
    with pytest.raises(UserError, match=r"no image in that folder \(passed over: 2 \.heic \(a\.heic\), 1 without"):
        find_images(str(tmp_path))
    Image.new("RGB", (2, 2)).save(tmp_path / "x.png")
    assert len(find_images(str(tmp_path))) == 1
    assert capsys.readouterr().out == (
        f"input={tmp_path}: passed over: 2 .heic (a.heic), 1 without suffix (d), 1 .csv (g.csv), 1 .json (h.json), "
        "1 .mp4 (e.mp4) and 2 other suffixes; .heic is not read here: convert it to JPEG\n"
    )


def test_hidden_files_are_no_input(tmp_path):
    for name in ("a.jpg", "._a.jpg", ".b.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    assert [path.name for path in find_images(str(tmp_path))] == ["a.jpg"]
