"""TrivialAugment (Müller and Hutter, ICCV 2021) and RandAugment (Cubuk et al., NeurIPS 2020) from albumentations."""

import math
from collections.abc import Callable
from typing import NamedTuple

import albumentations as A
from albumentations import BasicTransform

from tasks.common.labels import VOID


class Reach(NamedTuple):
    """Range of each operation at full strength."""

    shear: float  # tangent of the angle
    shift: float  # share of the image's side
    turn: float  # degrees
    enhance: float  # of brightness, contrast and saturation: factors from 1 - enhance to 1 + enhance
    bits: int  # removed by posterising


TRIVIAL = Reach(shear=0.99, shift=32 / 224, turn=135, enhance=0.99, bits=6)  # the paper's "wide" space
RANDOM = Reach(shear=0.3, shift=150 / 331, turn=30, enhance=0.9, bits=4)


def trivial_augment(fill: int = 128) -> A.OneOf:
    """One operation per image, its strength drawn uniformly between zero and full.

    Args:
        fill: the grey outside the image; label maps are void there.
    """
    return A.OneOf(operations(0.0, 1.0, TRIVIAL, fill), p=1.0)


def rand_augment(count: int = 2, magnitude: float = 9, fill: int = 128) -> A.SomeOf:
    """`count` operations per image in sequence, all of the same magnitude.

    Args:
        count: operations for each image.
        magnitude: 0 to 30, as in the paper.

    Raises:
        ValueError: for a magnitude out of range.
    """
    if not 0 <= magnitude <= 30:
        raise ValueError(f"magnitude={magnitude} must lie between 0 and 30")
    strength = magnitude / 30
    return A.SomeOf(operations(strength, strength, RANDOM, fill), n=count, replace=True, p=1.0)


def operations(low: float, high: float, reach: Reach, fill: int) -> list[BasicTransform]:
    """The fourteen operations, each with a strength between low and high (0 to 1) and a random sign."""

    def signed(make: Callable[[float, float], BasicTransform], full: float) -> A.OneOf:
        return A.OneOf([make(low * full, high * full), make(-high * full, -low * full)], p=1.0)

    def degrees(tangent: float) -> float:
        return math.degrees(math.atan(tangent))

    def shear(axis: str) -> Callable[[float, float], BasicTransform]:
        neutral = {"x": (0.0, 0.0), "y": (0.0, 0.0)}  # albumentations shears an omitted axis by 1 degree
        return lambda a, b: A.Affine(
            shear={**neutral, axis: (degrees(a), degrees(b))}, fill=fill, fill_mask=VOID, p=1.0
        )

    def shift(axis: str) -> Callable[[float, float], BasicTransform]:
        return lambda a, b: A.Affine(translate_percent={axis: (a, b)}, fill=fill, fill_mask=VOID, p=1.0)

    def jitter(name: str) -> Callable[[float, float], BasicTransform]:
        neutral = {
            "brightness": (1.0, 1.0),
            "contrast": (1.0, 1.0),
            "saturation": (1.0, 1.0),
            "hue": (0.0, 0.0),
        }
        return lambda a, b: A.ColorJitter(**{**neutral, name: (1 + a, 1 + b)}, p=1.0)

    bits = sorted(8 - round(strength * reach.bits) for strength in (low, high))
    return [
        A.NoOp(p=1.0),
        signed(shear("x"), reach.shear),
        signed(shear("y"), reach.shear),
        signed(shift("x"), reach.shift),
        signed(shift("y"), reach.shift),
        signed(lambda a, b: A.Affine(rotate=(a, b), fill=fill, fill_mask=VOID, p=1.0), reach.turn),
        signed(jitter("brightness"), reach.enhance),
        signed(jitter("contrast"), reach.enhance),
        signed(jitter("saturation"), reach.enhance),
        A.Sharpen(alpha=(low * reach.enhance, high * reach.enhance), lightness=(1.0, 1.0), p=1.0),
        A.Posterize(num_bits=(max(1, bits[0]), max(1, bits[1])), p=1.0),
        A.Solarize(threshold_range=(1 - high, 1 - low), p=1.0),
        A.AutoContrast(p=1.0),
        A.Equalize(p=1.0),
    ]
