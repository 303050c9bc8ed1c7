"""Rules for the data set, and for what turns a file into an image. Applied to keys that are present."""

from typing import Any

from tasks.common.labels import is_number
from tasks.config.rules import (
    LONGEST,
    SIZE,
    SWITCH,
    TEXT,
    Rules,
    ascending,
    either,
    is_list,
    is_whole,
    list_of,
    number,
    one_of,
    optional,
    whole,
)

SIDE = whole(1, most=LONGEST)
SIZES = 12  # of training images: heads keep the anchors of a few more (heads/anchors.py)


def are_steps(value: Any) -> bool:
    """Whether a value is a list of pairs: an image side, and the share of the steps until which it applies."""
    return is_list(value) and all(
        is_list(step) and len(step) == 2 and SIDE[0](step[0]) and is_number(step[1]) and 0 < step[1] < 1
        for step in value
    )


def are_sizes(value: Any) -> bool:
    """Whether a value is a list of image sizes."""
    return is_list(value) and 0 < len(value) <= SIZES and all(SIZE[0](size) for size in value)


def is_mapping(value: Any) -> bool:
    return isinstance(value, dict) and len(value) > 0


def are_ignored(value: Any) -> bool:
    """Whether a value is a value of a label file, a colour, a list of those, or the word "others"."""
    if is_list(value):
        return all(is_whole(entry) or is_list(entry) or isinstance(entry, str) for entry in value)
    return value in (None, "others") or is_whole(value)


RULES: Rules = {
    "data.crop.size": SIDE,
    "data.crop.scale": ascending(number(above=0, most=1)),
    "data.crop.ratio": ascending(number(above=0, most=1000)),
    "data.crop.flip": number(0, 1),
    "data.crop.interpolation": one_of("bilinear", "bicubic"),
    "data.fit.size": SIZE,
    "data.fit.fill": whole(0, most=255),
    "data.fit.resize": optional(either(SIDE, SIZE)),
    "data.fit.crop": optional(SIDE),
    "data.fit.interpolation": one_of("nearest", "bilinear", "bicubic", "lanczos"),
    "data.progressive": optional((are_steps, "a list of [side, share of the steps] pairs")),
    "data.scales": optional((are_sizes, f"a list of up to {SIZES} [height, width], each between 4 and 16,384")),
    "dataset.root": optional(TEXT),
    "dataset.data": optional(TEXT),
    "dataset.train_split": optional(TEXT),
    "dataset.val_split": optional(TEXT),
    "dataset.images": optional(TEXT),
    "dataset.masks": optional(TEXT),
    "dataset.template": optional(TEXT),
    "dataset.ignore": (are_ignored, "a value or colour, a list of them, others, or null"),
    "dataset.nearest": SWITCH,
    "dataset.alpha": SWITCH,
    "dataset.resize_masks": SWITCH,
    "dataset.unlabelled": one_of("refuse", "skip"),
    "dataset.labels": optional(either(one_of("labelIds", "labelTrainIds", "auto"), list_of(TEXT))),
    "dataset.layout": one_of("split_first", "class_first"),
    "dataset.numbering": one_of("dense", "ids"),
    "dataset.name": one_of("cifar10", "cifar100"),
    "dataset.classes": optional(either(TEXT, list_of(TEXT), (is_mapping, "{name: value or colour, …}"))),
    "dataset.annotations": optional(TEXT),
    "dataset.background": optional(TEXT),
    "dataset.first_pixel": one_of(0, 1),
    **{f"dataset.{name}": optional(TEXT) for name in ("table", "file", "split", "val.table", "val.images")},
    "dataset.label": optional(TEXT),
    "dataset.separator": optional((lambda v: isinstance(v, str), "a text")),
    "dataset.merge": SWITCH,
    "dataset.upright": either(SWITCH, one_of("auto")),
    "dataset.drop_empty": one_of(True, False),
    "dataset.val.share": optional(number(above=0, below=1)),
    "dataset.val.seed": whole(0),
    "dataset.val.group": optional(TEXT),
    "dataset.height": whole(32, most=4096),
    "dataset.width": whole(32, most=4096),
    "dataset.seed": whole(0, most=2**32 - 1),
}
STREETS: Rules = {"dataset.train": whole(1, most=100_000), "dataset.val": whole(1, most=100_000)}
