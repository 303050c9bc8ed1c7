"""An exported file as a function: photos in, results out, and one line for whatever is wrong."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.checkpoint.manifest import write_manifest
from tasks.common.errors import UserError
from tasks.deploy.model import Model, open_model
from tasks.deploy.runners.opening import open_runner
from tests.tasks.deploy.brightness import write_folder
from tests.tasks.deploy.decoder_inputs import takes

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
    for upright, size in ((False, "4×8"), (True, "8×4")):
        description["input"] |= {"upright": upright, "height": 5, "width": 5}
        opened = Model(open_runner(tmp_path / "upright" / "model.onnx", description), description)
        with pytest.raises(UserError, match=f"a.jpg: it is {size} pixels, and the file takes 5×5"):
            opened.predict(tmp_path / "a.jpg")


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


def grey(image):
    return image[..., 0]


REFUSED = {  # by what is said, what is done to an image (20, 30, 3)
    "its values are float64 from 0.2": lambda image: image / 255,
    "not uint8: (image * 255).round().astype(np.uint8)": lambda image: (image / 255).astype(np.float32),
    "not uint8: image.round().astype(np.uint8)": lambda image: image.astype(np.float64),
    "give the bytes, 0 to 255, not normalised": lambda image: (image / 255 - 0.45) / 0.22,
    "some are no numbers": lambda image: np.full(image.shape, np.nan),
    "not uint8: image.astype(np.uint8)": lambda image: image.astype(int),
    "its values are int16 from -": lambda image: image.astype(np.int16) - 255,
    "not uint8: (image / image.max() * 255).astype(np.uint8)": lambda image: image.astype(np.uint16) * 257,
    "its values are bool, not uint8: image.astype(np.uint8) * 255": lambda image: image > 80,
    "its values are complex128, not uint8: give the bytes, 0 to 255": lambda image: image * 1j,
    "its values are object, not uint8: give the bytes, 0 to 255": lambda image: image.astype(object),
    "its channels come first (1×20×30)": lambda image: image[None, ..., 0],
    "it has 5 dimensions (1×1×20×30×3)": lambda image: image[None, None],
    "its channels come first (3×20×30): image.transpose(1, 2, 0)": lambda image: image.transpose(2, 0, 1),
    "it is grey (20×30)": grey,
    "it is grey (20×30×1)": lambda image: image[..., :1],
    "it has an alpha channel (20×30×4): image[..., :3]": lambda image: np.dstack((image, grey(image))),
    "it has 2 channels": lambda image: image[..., :2],
    "it is a batch (1×20×30×3): give one image": lambda image: image[None],
    "it is empty (0×30×3); an image is (H, W, 3), RGB, of at least one pixel": lambda image: image[:0],
    "it has 1 dimensions (3)": lambda image: image[0, 0],
    "it has 0 dimensions": lambda image: np.array(None),
    "takes one image, a path or an array (H, W, 3) uint8 RGB, not list": lambda image: [image],
    "uint8 RGB, not Image": Image.fromarray,
    "uint8 RGB, not NoneType": lambda image: None,
    "nothing.png: no such file": lambda image: "nothing.png",
    "is a folder: predict() takes one image": lambda image: ROOT,
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_is_no_image_is_refused_in_words(folder, image, said):
    with pytest.raises(UserError) as error:
        open_model(folder / "model.onnx").predict(REFUSED[said](image))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_what_is_said_mends_it(folder, image):
    model = open_model(folder / "model.onnx")
    expected = model.predict(image)["classify"]["logits"]
    with_alpha, first = np.dstack((image, grey(image))), image.transpose(2, 0, 1)
    scaled = ((image / 255) * 255).round().astype(np.uint8)
    for mended in (with_alpha[..., :3], first.transpose(1, 2, 0), scaled, image[::-1][::-1], np.asfortranarray(image)):
        np.testing.assert_array_equal(model.predict(mended)["classify"]["logits"], expected)
    frozen = image.copy()
    frozen.flags.writeable = False
    np.testing.assert_array_equal(model.predict(frozen)["classify"]["logits"], expected)
    flat = grey(image)
    made = np.repeat(flat.reshape(*flat.shape[:2], 1), 3, 2)
    assert model.predict(made)["classify"]["logits"].shape == (2,)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("classes", ["bright"], "model.onnx gives logits 2 for an image; its description, with 1 classes of classify"),
        ("classes", ["bright", "dim", "dark"], "with 3 classes of classify, needs 3"),
        (
            "outputs",
            {"logits": "chances"},
            "model.onnx has no output chances, which its description names; it has logits",
        ),
    ],
)
def test_a_description_that_does_not_fit_the_file(folder, image, key, value, said):
    description = json.loads((folder / "model.json").read_text())
    description["tasks"]["classify"][key] = value
    with pytest.raises(UserError) as error:
        Model(open_runner(folder / "model.onnx", description), description).predict(image)
    assert said in str(error.value)


@pytest.mark.parametrize("count", [1, 40, 1000])
def test_a_damaged_file_is_one_line(folder, count):
    """Bytes changed, and the hash with them; or cut off."""
    path = folder / "model.onnx"
    data = bytearray(path.read_bytes())
    random = np.random.default_rng(count)
    for place in random.integers(0, len(data), count):
        data[place] ^= 255
    for content in (bytes(data), bytes(data[: len(data) // 2]), b""):
        path.write_bytes(content)
        write_manifest(folder, json.loads((folder / "model.json").read_text()), ["model.onnx"])
        try:
            open_model(path).predict(np.zeros((4, 5, 3), np.uint8))
        except UserError as error:
            assert "\n" not in str(error) and "model.onnx" in str(error)
