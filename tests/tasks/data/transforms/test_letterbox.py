"""Images at one size: where they lie, that boxes follow, and that small things survive."""

import numpy as np
import pytest
import torch
from PIL import Image

from heads.boxes import Places
from tasks.common.errors import UserError
from tasks.common.labels import nearest
from tasks.data.transforms.letterbox import Letterbox, Stretch, move, placed, stretching
from tasks.data.transforms.resize import ResizeCentreCrop, antialiased

pytestmark = pytest.mark.filterwarnings("error")  # torch warns once of an array that it could write to but must not
SIZES = [(48, 64), (64, 48), (40, 40), (7, 90), (200, 31)]


def extent(image, threshold=100):
    """left, top, right, bottom of what is bright."""
    y, x = np.nonzero(image[..., 0] > threshold)
    return np.array([x.min(), y.min(), x.max() + 1, y.max() + 1])


@pytest.mark.parametrize("size", SIZES)
def test_a_letterbox_keeps_the_shape_and_fills_the_rest(size):
    fit = Letterbox([32, 48])
    result = fit(np.full((*size, 3), 200, np.uint8))
    assert result.shape == (32, 48, 3) and result.dtype == np.uint8
    x, y, width, height = fit.place(*size)
    assert (result[y : y + height, x : x + width] == 200).all()
    assert (result == 200).all(2).sum() == width * height, "the rest is the fill"
    assert set(np.unique(result)) <= {114, 200}
    assert width == 48 or height == 32
    assert abs(x - (48 - x - width)) <= 1 and abs(y - (32 - y - height)) <= 1, "in the middle"
    exact = min(32 / size[0], 48 / size[1])
    assert abs(width - size[1] * exact) <= 0.5 and abs(height - size[0] * exact) <= 0.5


@pytest.mark.parametrize("fit", [Letterbox([96, 128]), Stretch([96, 128]), Stretch([30, 200]), Letterbox([33, 33])])
@pytest.mark.parametrize("size", [(192, 256), (256, 192), (60, 70)])
def test_boxes_lie_where_their_pixels_are(fit, size):
    image = np.zeros((*size, 3), np.uint8)
    box = np.array([[size[1] // 4, size[0] // 8, size[1] // 4 * 3, size[0] // 2, 6]], np.float32)
    left, top, right, bottom = box[0, :4].astype(int)
    image[top:bottom, left:right] = 250
    black = Letterbox([fit.height, fit.width], fill=0) if isinstance(fit, Letterbox) else fit
    moved = move({"image": image, "bboxes": box}, black)
    assert np.abs(extent(moved["image"]) - moved["bboxes"][0, :4]).max() <= 1
    assert moved["bboxes"][0, 4] == 6 and box[0, 0] == left, "the class is exact, the input unchanged"
    places = Places(torch.tensor([black.place(*size)]).float(), torch.tensor([size]).float())
    back = places.to_files(torch.from_numpy(moved["bboxes"][None, :, :4]))
    assert np.allclose(back[0].numpy(), box[:, :4], atol=1e-3), "and detections find their way back"


@pytest.mark.parametrize("fit", [Letterbox([96, 128], fill=0), Stretch([96, 128]), Letterbox([33, 50], fill=0)])
@pytest.mark.parametrize("size", [(192, 256), (256, 192), (60, 70)])
def test_masks_lie_where_their_pixels_are(fit, size):
    image = np.zeros((*size, 3), np.uint8)
    mask = np.zeros(size, np.uint8)
    part = np.s_[size[0] // 8 : size[0] // 2, size[1] // 4 : size[1] // 4 * 3]
    image[part], mask[part] = 250, 7
    moved = move({"image": image, "mask": mask}, fit)
    assert moved["mask"].shape == moved["image"].shape[:2] and moved["mask"].dtype == np.uint8
    assert set(np.unique(moved["mask"])) <= {0, 7, 255}, "no class is made of two"
    assert ((moved["mask"] == 7) == (moved["image"][..., 0] >= 125)).mean() > 0.98
    x, y, width, height = fit.place(*size)
    inside = np.zeros(moved["mask"].shape, bool)
    inside[y : y + height, x : x + width] = True
    assert ((moved["mask"] == 255) == ~inside).all(), "what the image does not cover is void"


def test_nearest_takes_the_pixel_under_the_centre():
    assert nearest(4, 2).tolist() == [1, 3] and nearest(3, 5).tolist() == [0, 0, 1, 2, 2]
    mask = np.random.default_rng(0).integers(0, 255, (50, 31), np.uint8)
    exact = torch.nn.functional.interpolate(torch.from_numpy(mask)[None, None], (17, 64), mode="nearest-exact")
    assert (mask[nearest(50, 17)][:, nearest(31, 64)] == exact[0, 0].numpy()).all()


def test_files_and_pixels_give_the_same(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    for fit in (Letterbox([32, 48]), Stretch([32, 48])):
        assert (fit(tmp_path / "a.png") == fit(image)).all()
    assert (Stretch([50, 70])(image) == image).all()


def test_shrinking_is_antialiased_as_pillow_does_it():
    image = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
    for height, width in ((30, 50), (96, 40), (200, 20), (200, 300)):
        pillow = np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR)).astype(int)
        assert np.abs(antialiased(image, height, width) - pillow).max() <= 1
    line = np.zeros((64, 64, 3), np.uint8)
    line[:, 33] = 240
    assert antialiased(line, 16, 16).max() >= 50, "a thin line does not vanish"


def test_images_that_cannot_be_written_to_are_resized():
    image = np.zeros((8, 8, 3), np.uint8)
    image.setflags(write=False)
    assert Stretch([4, 4])(image).shape == (4, 4, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Stretch([320]), r"data\.fit\.size=\[320\] must be \[height, width\]"),
        (lambda: Letterbox([320, 0]), r"data\.fit\.size=\[320, 0\]"),
        (lambda: Stretch(64), r"data\.fit\.size=64 must be \[height, width\]"),
        (lambda: Stretch([16_385, 64]), r"size=\[16385, 64\] must be \[height, width\], each between 1 and 16,384"),
        (lambda: Letterbox([320, 320], fill=300), r"data\.fit\.fill=300 must be between 0 and 255"),
    ],
)
def test_wrong_values_are_named(make, message):
    with pytest.raises(UserError, match=message):
        make()


def test_a_fit_that_moves_no_boxes_is_refused():
    with pytest.raises(UserError, match=r"data\.fit=ResizeCentreCrop moves no boxes and no masks: use tasks\.data"):
        placed(ResizeCentreCrop())
    for fit in (Letterbox([8, 8]), ResizeCentreCrop([8, 8], None)):
        with pytest.raises(
            UserError, match=rf"data\.fit={type(fit).__name__} .*use tasks\.data\.transforms\.letterbox\.Stretch"
        ):
            stretching(fit)
    assert stretching(Stretch([8, 8]))
