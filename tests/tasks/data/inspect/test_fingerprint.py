"""Perceptual hashes: copies are found, other pictures are not, and no pair within the distance is missed."""

import io

import numpy as np
from PIL import Image, ImageEnhance

from tasks.data.inspect.fingerprint import NEAR, fingerprint, groups, near_pairs


def photo(seed: int, size: tuple[int, int] = (160, 120)) -> Image.Image:
    """A smooth random picture, as different from others as photos are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 9, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def pairs_of(pictures):
    prints = [fingerprint(picture) for picture in pictures]
    return near_pairs(np.stack([each.hash for each in prints]), np.stack([each.small for each in prints])).tolist()


def saved(picture: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return Image.open(file)


def test_copies_are_found_and_other_pictures_are_not():
    pictures = [photo(seed) for seed in range(40)]
    copies = [saved(pictures[3], 40), pictures[7].resize((80, 60)), ImageEnhance.Brightness(pictures[9]).enhance(1.01)]
    assert pairs_of([*pictures, *copies]) == [[3, 40], [7, 41], [9, 42]]


def test_a_mirrored_picture_is_another():
    assert pairs_of([photo(1), photo(1).transpose(Image.Transpose.FLIP_LEFT_RIGHT)]) == []


def test_pictures_of_one_colour_are_plain():
    assert fingerprint(Image.new("RGB", (64, 48), (0, 0, 0))).plain
    assert fingerprint(Image.new("RGB", (64, 48), (200, 10, 10))).plain
    assert not fingerprint(photo(1)).plain


def test_equal_small_pictures_with_other_brightness_are_no_copies():
    dark = ImageEnhance.Brightness(photo(5)).enhance(0.5)
    assert pairs_of([photo(5), dark]) == []


def test_no_pair_within_the_distance_is_missed():
    generator = np.random.default_rng(0)
    base = generator.integers(0, 2**64, (50, 2), np.uint64)
    noisy = base[generator.integers(0, 50, 300)]
    for row in noisy:  # 0 to 8 bits differ
        for bit in generator.integers(0, 128, generator.integers(0, 9)).tolist():
            row[bit // 64] ^= np.uint64(1) << np.uint64(bit % 64)
    hashes = np.unique(np.concatenate((base, noisy)), axis=0)
    bits = np.bitwise_count(hashes[:, None] ^ hashes[None]).sum(2)
    expected = [[i, j] for i, j in np.argwhere(bits <= NEAR).tolist() if i < j]
    assert len(expected) > 100
    assert near_pairs(hashes, np.zeros((len(hashes), 81), np.uint8)).tolist() == expected


def test_many_equal_hashes_give_one_pair_each():
    hashes = np.full((1000, 2), 7, np.uint64)
    pairs = near_pairs(hashes, np.zeros((1000, 81), np.uint8))
    assert len(pairs) == 999
    assert groups(pairs, 1000) == [list(range(1000))]


def test_groups_join_through_others():
    assert groups(np.array([[4, 1], [1, 6], [0, 5]]), 8) == [[0, 5], [1, 4, 6]]
    assert groups(np.empty((0, 2), np.int64), 3) == []
