"""TrivialAugment and RandAugment: what they do to an image, and that a seed decides it."""

import random

import albumentations
import numpy as np
import pytest

from tasks.data.transforms.policies import TRIVIAL, operations, rand_augment, trivial_augment


def apply(transform, image, seed):
    compose = albumentations.Compose([transform])
    compose.set_random_state(np.random.default_rng(seed), random.Random(seed))
    return compose(image=image)["image"]


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(40, 200, (24, 32, 3), dtype=np.uint8)


@pytest.mark.parametrize("make", [trivial_augment, rand_augment, lambda: rand_augment(count=3, magnitude=30)])
def test_a_seed_decides_and_seeds_differ(make, image):
    results = [apply(make(), image, seed) for seed in range(60)]
    assert all(result.shape == image.shape and result.dtype == np.uint8 for result in results)
    assert all((result == apply(make(), image, seed)).all() for seed, result in enumerate(results[:10]))
    assert len({result.tobytes() for result in results}) > 20


def test_no_strength_changes_nothing_but_colours_levels(image):
    """At strength 0 every operation is an identity, except the two that have no strength."""
    changed = [not (apply(operation, image, 0) == image).all() for operation in operations(0.0, 0.0, TRIVIAL, 128)]
    assert changed[:-2] == [False] * 12 and changed[-2:] == [True, True]


def test_full_strength_by_hand(image):
    shift, brightness = operations(1.0, 1.0, TRIVIAL, 128)[3], operations(1.0, 1.0, TRIVIAL, 128)[6]
    moved = {int((apply(shift, image, seed) == 128).all((0, 2)).sum()) for seed in range(8)}
    assert moved == {int(32 * 32 / 224)}, "columns of grey that the shift leaves"
    means = {round(float(apply(brightness, image, seed).mean())) for seed in range(8)}
    assert len(means) == 2 and min(means) <= 2 and max(means) > 180, "nearly black or nearly twice as bright"


def test_a_wrong_magnitude_is_named():
    with pytest.raises(ValueError, match="magnitude=31 must lie between 0 and 30"):
        rand_augment(magnitude=31)
