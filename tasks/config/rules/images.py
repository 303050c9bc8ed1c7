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
    list_of,
    number,
    one_of,
    optional,
    whole,
)

SIDE = whole(1, most=LONGEST)


def are_steps(value: Any) -> bool:
    """Whether a value is a list of pairs: an image side, and the share of the steps until which it applies."""
    return is_list(value) and all(
        is_list(step) and len(step) == 2 and SIDE[0](step[0]) and is_number(step[1]) and 0 < step[1] < 1
        for step in value
    )


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
    "dataset.root": TEXT,
    "dataset.data": optional(TEXT),
    "dataset.train_split": TEXT,
    "dataset.val_split": TEXT,
    "dataset.labels": one_of("labelIds", "labelTrainIds", "auto"),
    "dataset.layout": one_of("split_first", "class_first"),
    "dataset.numbering": one_of("dense", "ids"),
    "dataset.name": one_of("cifar10", "cifar100"),
    "dataset.classes": either(one_of("auto", "official", "found"), list_of(TEXT)),
    "dataset.images": optional(TEXT),
    "dataset.annotations": optional(TEXT),
    "dataset.background": optional(TEXT),
    "dataset.first_pixel": one_of(0, 1),
    "dataset.upright": either(SWITCH, one_of("auto")),
    "dataset.val.share": optional(number(above=0, below=1)),
    "dataset.val.seed": whole(0),
    "dataset.val.group": optional(TEXT),
    "dataset.height": whole(32, most=4096),
    "dataset.width": whole(32, most=4096),
    "dataset.seed": whole(0, most=2**32 - 1),
}
STREETS: Rules = {"dataset.train": whole(1, most=100_000), "dataset.val": whole(1, most=100_000)}
