"""Strength of augmentation: one number that scales what a recipe's transforms do; 1 is the recipe, 0 next to nothing.

Flips, crops of fixed size and padding are no matter of strength and stay. What only is or is not (TrivialAugment, which
draws its own strength) is left out below one half.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tasks.config.tree import Tree, select

LEAST_CROP = 0.05  # share of an image that a random crop shows at least


def about(middle: float, least: float = -float("inf"), most: float = float("inf")) -> Callable[[Any, float], Any]:
    """Scales the distance of a number, or of both ends of a range, from `middle`."""

    def scaled(value: Any, factor: float) -> Any:
        if isinstance(value, Sequence):
            return [scaled(end, factor) for end in value]
        return round(min(most, max(least, middle + (value - middle) * factor)), 4)

    return scaled


def crop_scale(value: Sequence[float], factor: float) -> list[float]:
    """Moves the smallest share that is cropped away from the largest."""
    low, high = value
    return [round(max(min(LEAST_CROP, low), high - (high - low) * factor), 4), high]


def jitter(value: Any, factor: float) -> Any:
    """ColorJitter's range about 1, or its single limit about 0."""
    return about(1, least=0)(value, factor) if isinstance(value, Sequence) else about(0)(value, factor)


LIMIT, CHANCE = about(0), about(0, most=1)
SCALED: Mapping[str, Mapping[str, Callable[[Any, float], Any]]] = {  # by class, argument
    "RandomResizedCrop": {"scale": crop_scale},
    "RandomScale": {"scale_limit": about(0, least=-0.9)},
    "RandomZoomOut": {"scale": about(1, least=1)},
    "RandomBrightnessContrast": {"brightness_limit": about(0, -1, 1), "contrast_limit": about(0, -1, 1)},
    "HueSaturationValue": {"hue_shift_limit": LIMIT, "sat_shift_limit": LIMIT, "val_shift_limit": LIMIT},
    "ColorJitter": {"brightness": jitter, "contrast": jitter, "saturation": jitter, "hue": about(0, -0.5, 0.5)},
    "RandomGamma": {"gamma_limit": about(100, least=1)},
    "Rotate": {"limit": about(0, -180, 180)},
    "GaussianBlur": {"p": CHANCE},
    "GaussNoise": {"p": CHANCE},
    "CoarseDropout": {"p": CHANCE},
    "Mosaic": {"p": CHANCE},
    "rand_augment": {"magnitude": about(0, 0, 30)},
    "Mix": {"mixup": about(0, 0), "cutmix": about(0, 0)},
}
SWITCHED = ("trivial_augment",)


def strengthened(tree: Tree, factor: float) -> dict[str, Any]:
    """The values that change the strength of a configuration's augmentation, by dotted keys; {} if nothing has any.

    Args:
        tree: resolved.
        factor: 0 to about 2.
    """
    steps = {f"data.augment.{name}": step for name, step in (select(tree, "data.augment") or {}).items()}
    steps |= {"data.crop": select(tree, "data.crop"), "task.mix": select(tree, "task.mix")}
    changed: dict[str, Any] = {}
    for place, step in steps.items():
        if not isinstance(step, Mapping):
            continue
        name = str(step.get("_target_")).rpartition(".")[2]
        if name in SWITCHED and factor < 0.5:
            changed[place] = None
        for argument, scaled in SCALED.get(name, {}).items():
            value = step.get(argument)
            if value is not None and (new := scaled(value, factor)) != value:
                changed[f"{place}.{argument}"] = new
    return changed
