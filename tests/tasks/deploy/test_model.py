"""An exported file as a function: photos in, results out, and one line for whatever is wrong."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.deploy.manifest import write_manifest
from tasks.deploy.model import open_model
from tasks.errors import UserError
from tests.tasks.deploy.test_decode import takes, write_folder

ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path):
    write_folder(tmp_path / "export")
    return tmp_path / "export"


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(60, 110, (20, 30, 3)).astype(np.uint8)


def test_files_and_arrays_give_the_same(folder, image, tmp_path):
    Image.fromarray(image).save(tmp_path / "a.png")
    for path in (folder / "model.onnx", str(folder / "model.json")):
        model = open_model(path, threads=1)
        of_file, of_array = model.predict(tmp_path / "a.png"), model.predict(image)
        np.testing.assert_array_equal(of_file["classify"]["logits"], of_array["classify"]["logits"])
        bright, dark = of_array["classify"]["logits"]
        assert bright == pytest.approx(image.mean(), abs=1) and dark == pytest.approx(128 - bright)
    assert model.manifest["tasks"]["classify"]["classes"] == ["bright", "dark"]


def test_photos_are_turned_upright_if_the_network_saw_them_so(folder, tmp_path):
    """A light that is on the left of the pixels, and at the top as viewers show it."""
    description = write_folder(tmp_path / "upright")
    description["input"] |= {"resize": takes({"rule": "none"})["input"]["resize"], "height": None, "width": None}
    shutil.copy(folder / "model.onnx", tmp_path / "upright")
    image, exif = Image.new("RGB", (8, 4)), Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    image.save(tmp_path / "a.jpg", exif=exif)
    for upright, size in ((False, "8×4"), (True, "4×8")):
        description["input"] |= {"upright": upright, "height": 5, "width": 5}
        write_manifest(tmp_path / "upright", description, ["model.onnx"])
        with pytest.raises(UserError, match=f"a.jpg: it is {size} pixels, and the file takes 5×5"):
            open_model(tmp_path / "upright" / "model.onnx").predict(tmp_path / "a.jpg")


def test_what_cannot_be_used_is_named(folder, image, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"cannot read image .*broken\.png"):
        open_model(folder / "model.onnx").predict(tmp_path / "broken.png")
    with pytest.raises(UserError, match=r"nothing\.onnx: no such file"):
        open_model(folder / "nothing.onnx")
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes()[:-20])
    with pytest.raises(UserError, match="cut off or was changed"):
        open_model(folder / "model.onnx")


def test_nothing_heavy_is_imported(folder, image, tmp_path):
    Image.fromarray(image).save(tmp_path / "a.png")
    code = (
        "import sys; from tasks.deploy.model import open_model\n"
        "print(open_model(sys.argv[1]).predict(sys.argv[2]))\n"
        "heavy = {'torch', 'torchvision', 'lightning', 'hydra', 'omegaconf', 'albumentations', 'cv2', 'rich'}\n"
        "print('HEAVY', sorted(heavy & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(folder / "model.onnx"), str(tmp_path / "a.png")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert "logits" in done.stdout and "HEAVY []" in done.stdout, done.stdout + done.stderr
