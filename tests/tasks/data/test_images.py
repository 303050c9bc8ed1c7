"""Image files of every kind as uint8 RGB, or a refusal that names them."""

import numpy as np
import pytest
from PIL import Image

from tasks.data.images import find_images, read_rgb
from tasks.errors import UserError


def test_16_bits_are_scaled(tmp_path):
    Image.fromarray(np.array([[0, 256, 65535]], np.uint16)).save(tmp_path / "deep.png")
    assert read_rgb(tmp_path / "deep.png").tolist() == [[[0] * 3, [1] * 3, [255] * 3]]


@pytest.mark.parametrize(
    ("values", "message"),
    [(np.array([[0, 100_000]], np.int32), "beyond 16 bits"), (np.array([[0.0, 1.0]], np.float32), "floats")],
)
def test_values_of_an_unknown_range_are_refused(tmp_path, values, message):
    Image.fromarray(values).save(tmp_path / "odd.tiff")
    with pytest.raises(UserError, match=rf"odd\.tiff.*{message}"):
        read_rgb(tmp_path / "odd.tiff")


def test_hidden_files_are_no_input(tmp_path):
    for name in ("a.jpg", "._a.jpg", ".b.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    assert [path.name for path in find_images(str(tmp_path))] == ["a.jpg"]
