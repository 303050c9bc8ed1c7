"""Images to be scored: byte for byte what torchvision makes of a Pillow image."""

import numpy as np
import pytest
from PIL import Image
from torchvision import transforms

from tasks.common.errors import UserError
from tasks.data.transforms.resize import ResizeCentreCrop

SIZES = [(40, 60), (60, 40), (41, 67), (97, 64), (33, 33), (20, 90), (7, 5), (32, 31), (1, 50), (28, 41)]
FILTERS = {
    name: getattr(transforms.InterpolationMode, name.upper()) for name in ("nearest", "bilinear", "bicubic", "lanczos")
}


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize("size", SIZES)
def test_resized_and_cut_as_torchvision_does(size, interpolation):
    image = Image.fromarray(noise(*size))
    for resize, crop in ((32, 28), (37, 28), (32, 33), (20, 28), (33, 33)):
        expected = transforms.Compose([transforms.Resize(resize, FILTERS[interpolation]), transforms.CenterCrop(crop)])
        ours = ResizeCentreCrop(resize, crop, interpolation=interpolation)(noise(*size))
        assert ours.dtype == np.uint8 and (ours == np.asarray(expected(image))).all(), (resize, crop)


@pytest.mark.parametrize("size", SIZES)
def test_cut_only(size):
    for crop in (27, 28, 45):
        expected = np.asarray(transforms.CenterCrop(crop)(Image.fromarray(noise(*size))))
        assert (ResizeCentreCrop(None, crop)(noise(*size)) == expected).all(), crop


def test_two_numbers_stretch():
    expected = np.asarray(transforms.Resize((20, 30))(Image.fromarray(noise(41, 50))))
    assert (ResizeCentreCrop([20, 30], None)(noise(41, 50)) == expected).all()
    assert ResizeCentreCrop([20, 30], 16)(noise(41, 50)).shape == (16, 16, 3)


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK", "P"])
def test_files_become_rgb(tmp_path, mode):
    path = tmp_path / ("a.png" if mode == "P" else "a.jpg")
    Image.fromarray(noise(50, 70)).convert(mode).save(path)
    expected = transforms.Compose([transforms.Resize(32), transforms.CenterCrop(28)])(Image.open(path).convert("RGB"))
    assert (ResizeCentreCrop(32, 28)(path) == np.asarray(expected)).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"interpolation": "area"}, "interpolation=area"),
        ({"resize": 0}, "resize=0"),
        ({"resize": [1, 2, 3]}, "resize="),
        ({"crop": 0}, "crop=0"),
        ({"crop": None}, "crop=null"),
    ],
)
def test_values_out_of_range_are_named(arguments, message):
    with pytest.raises(UserError, match=message):
        ResizeCentreCrop(**arguments)


def test_a_file_that_was_cut_off_is_named(tmp_path):
    Image.fromarray(noise(90, 90)).save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:3000])
    with pytest.raises(UserError, match=r"cut\.jpg"):
        ResizeCentreCrop()(tmp_path / "cut.jpg")
