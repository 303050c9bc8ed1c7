"""No transform of albumentations labels pixels as class 0 that the image does not have."""

import inspect
import warnings

import albumentations as A
import numpy as np
import pytest
from hydra.utils import instantiate

from tasks.common.errors import UserError
from tasks.config.tree import put
from tasks.data.loading.augmented import TrainDataset
from tasks.data.loading.samplers import Draw
from tasks.data.loading.splits import Splits
from tasks.data.transforms.label_fill import shifted, with_void
from tasks.data.transforms.policies import rand_augment, trivial_augment
from tasks.engine.build import build_data
from tasks.engine.settings import Run
from tests.test_config import run_of, tree_of

SIDE, CLASS = 64, 7
# fmt: off
ARGUMENTS = {  # as much border as possible, and what must be given
    "Affine": {"rotate": [30, 40], "shear": [10, 20]}, "AtLeastOneBBoxRandomCrop": {"height": 40, "width": 40},
    "CenterCrop": {"height": 90, "width": 90, "pad_if_needed": True}, "CoarseDropout": {"num_holes_range": [3, 5]},
    "ConstrainedCoarseDropout": {"mask_indices": [CLASS], "hole_height_range": [0.1, 0.2]},
    "Crop": {"x_min": 0, "y_min": 0, "x_max": 90, "y_max": 90, "pad_if_needed": True},
    "CropAndPad": {"px": [5, 12], "keep_size": False}, "CropNonEmptyMaskIfExists": {"height": 40, "width": 40},
    "ElasticTransform": {"alpha": 300, "sigma": 20}, "GridDistortion": {"distort_limit": [0.5, 0.6]},
    "GridElasticDeform": {"num_grid_xy": [4, 4], "magnitude": 8}, "LongestMaxSize": {"max_size": 40},
    "Mosaic": {"target_size": [80, 80]}, "OpticalDistortion": {"distort_limit": [0.5, 0.6]}, "Pad": {"padding": 10},
    "PadIfNeeded": {"min_height": 100, "min_width": 110}, "Perspective": {"scale": [0.2, 0.3], "keep_size": False},
    "RandomCrop": {"height": 90, "width": 90, "pad_if_needed": True}, "RandomResizedCrop": {"size": [40, 40]},
    "RandomSizedBBoxSafeCrop": {"height": 40, "width": 40}, "Resize": {"height": 40, "width": 40},
    "RandomSizedCrop": {"size": [40, 40], "min_max_height": [20, 40]}, "Rotate": {"limit": [30, 40]},
    "SafeRotate": {"limit": [30, 40]}, "SmallestMaxSize": {"max_size": 40},
    "CenterCrop3D": {"size": [4, 4, 4]}, "RandomCrop3D": {"size": [4, 4, 4]}, "Pad3D": {"padding": 1},
    "PadIfNeeded3D": {"min_zyx": [4, 4, 4]},
    "XYMasking": {"num_masks_x": 2, "num_masks_y": 2, "mask_x_length": 10, "mask_y_length": 10},
}
# fmt: on
PLACED_BY_HAND = ("Lambda", "OverlayElements", "RandomCropNearBBox", "CubicSymmetry", "DualTransform")
NAMES = [
    name for name, found in vars(A).items()
    if inspect.isclass(found) and issubclass(found, A.DualTransform) and name not in PLACED_BY_HAND
]  # fmt: skip
FILLING = {  # leave something else than the image in this test; all others move what is there
    *("Affine", "CenterCrop", "CoarseDropout", "ConstrainedCoarseDropout", "Crop", "CropAndPad", "ElasticTransform"),
    *("Erasing", "FrequencyMasking", "GridDistortion", "GridDropout", "GridElasticDeform", "MaskDropout"),
    *("OpticalDistortion", "Pad", "PadIfNeeded", "RandomCrop", "Rotate", "SafeRotate", "ShiftScaleRotate"),
    *("ThinPlateSpline", "TimeMasking", "XYMasking"),
}


class OneClass:
    """Images whose pixels are all of one class."""

    def __len__(self):
        return 1

    def name(self, index):
        return str(index)

    def read(self, index, view=None):
        pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        return {
            "image": pixels,
            "mask": np.full((SIDE, SIDE), CLASS, np.uint8),
            "bboxes": np.array([[9.0, 9, 40, 40, 0]]),
        }


def labels_of(*transforms, draws=4):
    """The class numbers in augmented label maps."""
    samples = TrainDataset(OneClass(), transforms)
    return set(np.concatenate([np.unique(samples.sample(Draw(0, (s,)), [])[0]["mask"]) for s in range(draws)]).tolist())


def made(name, **more):
    node = {"_target_": f"albumentations.{name}", "p": 1.0, **ARGUMENTS.get(name, {}), **more}
    return instantiate(with_void(node), _convert_="all")


@pytest.mark.parametrize("name", NAMES)
def test_no_pixel_is_labelled_wrongly(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # albumentations calls some of its names old
        transform = made(name)
        if name.endswith("3D"):  # of volumes, which no data set here has
            assert "fill_mask" not in inspect.signature(getattr(A, name)).parameters or transform.fill_mask == 255
            return
        found = labels_of(transform)
    assert found - {CLASS} == ({255} if name in FILLING else set())


def test_what_is_typed_stays():
    assert labels_of(made("PadIfNeeded", fill_mask=3)) == {CLASS, 3}
    assert labels_of(made("PadIfNeeded", fill_mask=0)) == {CLASS, 0}
    assert labels_of(made("CoarseDropout", fill_mask=None)) == {CLASS}, "hidden, and yet to be guessed"
    by_position = {"_target_": "albumentations.Pad", "_args_": [9, 0, 4], "p": 1.0}
    assert with_void(by_position) == by_position


def test_classes_and_void_go_through_what_has_no_parameter():
    labels = np.arange(256, dtype=np.uint8).reshape(16, 16).repeat(4, 0).repeat(4, 1)
    assert (shifted(lambda mask: mask, labels) == labels).all()
    assert (shifted(np.zeros_like, labels) == 255).all()
    inner = A.GridElasticDeform(num_grid_xy=(4, 4), magnitude=8, p=1.0)
    assert labels_of(A.Sequential([inner, A.OneOf([A.TimeMasking(p=1.0)], p=1.0)], p=1.0)) == {CLASS, 255}


def test_of_a_configuration_with_transforms_inside_of_others():
    pad = {"_target_": "albumentations.PadIfNeeded", "min_height": 80, "min_width": 80, "p": 1.0}
    own = {"_target_": "albumentations.PadIfNeeded", "min_height": 96, "min_width": 96, "p": 1.0, "fill_mask": 1}
    one = {"_target_": "albumentations.OneOf", "transforms": [pad], "p": 1.0}
    nested = {"_target_": "albumentations.Sequential", "transforms": [one, own], "p": 1.0}
    run = Run.of("segment", put(tree_of("recipe=none", "data.workers=0"), "data.augment", {"all": nested}))
    data = build_data(run.data, run.seed, Splits({"mask": []}, OneClass(), OneClass(), frozenset(), {}))
    assert labels_of(*data.augment) == {CLASS, 255, 1}
    assert "fill_mask" not in run.data.augment["all"]["transforms"][0]["transforms"][0], "the configuration stays"


@pytest.mark.parametrize("policy", [trivial_augment, rand_augment])
def test_of_our_policies(policy):
    assert labels_of(policy(), draws=40) == {CLASS, 255}


def as_floats(image, **_):
    return image / 255


@pytest.mark.parametrize(
    ("transform", "what"),
    [(A.Lambda(image=as_floats), "float64 and shape 64×64×3"),
     (A.ToGray(num_output_channels=1, p=1.0), "uint8 and shape 64×64"),
     (A.ToTensorV2(), "torch.uint8 and shape 3×64×64")],
)  # fmt: skip
def test_other_pixels_than_are_scored(transform, what):
    with pytest.raises(UserError, match=f"data.augment makes images of {what}, but the network is scored on uint8"):
        labels_of(transform)


@pytest.mark.parametrize("name", ["ToFloat", "FromFloat", "Normalize", "ToTensorV2"])
def test_other_pixels_are_refused_by_name_before_anything_is_read(name):
    inner = f"{{_target_:albumentations.OneOf,transforms:[{{_target_:albumentations.{name}}}]}}"
    with pytest.raises(UserError, match=rf"^data.augment.x.transforms.0: {name} would train on other pixels"):
        run_of("recipe=none", f"+data.augment.x={inner}")
