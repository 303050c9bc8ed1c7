"""Photos for the tests of load()."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def photos(tmp_path):
    """Two photos that their cameras noted as turned by 90 degrees."""
    folder, generator = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    turned = Image.Exif()
    turned[0x0112] = 6
    for name, size in (("a.jpg", (60, 90, 3)), ("b.png", (40, 31, 3))):
        image = Image.fromarray(generator.integers(0, 255, (4, 6, 3)).astype(np.uint8)).resize(size[1::-1])
        image.save(folder / name, exif=turned)
    return folder
