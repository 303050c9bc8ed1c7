"""Cityscapes' evaluated classes and the ids of its label files."""

from typing import Literal, NamedTuple

import numpy as np

from tasks.common.labels import VOID, Pixels


class LabelClass(NamedTuple):
    """One evaluated class. Its train id is its index in CLASSES."""

    name: str
    label_id: int
    colour: tuple[int, int, int]


# fmt: off
CLASSES = (  # the 19 classes of the benchmark, with the label ids of the files and the official colours
    LabelClass("road",           7, (128,  64, 128)),
    LabelClass("sidewalk",       8, (244,  35, 232)),
    LabelClass("building",      11, ( 70,  70,  70)),
    LabelClass("wall",          12, (102, 102, 156)),
    LabelClass("fence",         13, (190, 153, 153)),
    LabelClass("pole",          17, (153, 153, 153)),
    LabelClass("traffic light", 19, (250, 170,  30)),
    LabelClass("traffic sign",  20, (220, 220,   0)),
    LabelClass("vegetation",    21, (107, 142,  35)),
    LabelClass("terrain",       22, (152, 251, 152)),
    LabelClass("sky",           23, ( 70, 130, 180)),
    LabelClass("person",        24, (220,  20,  60)),
    LabelClass("rider",         25, (255,   0,   0)),
    LabelClass("car",           26, (  0,   0, 142)),
    LabelClass("truck",         27, (  0,   0,  70)),
    LabelClass("bus",           28, (  0,  60, 100)),
    LabelClass("train",         31, (  0,  80, 100)),
    LabelClass("motorcycle",    32, (  0,   0, 230)),
    LabelClass("bicycle",       33, (119,  11,  32)),
)
# fmt: on
TRAIN_ID_CLASSES = tuple(label._replace(label_id=number) for number, label in enumerate(CLASSES))
THINGS = tuple(label for label in CLASSES if label.label_id >= 24)  # with separate objects, which have boxes
LabelKind = Literal["labelIds", "labelTrainIds"]
MAX_LABEL_ID = 33
NOT_AN_ID = 254


def lookup_table(kind: LabelKind) -> Pixels:
    """(256,) table from a file's ids to train ids; 255 is void, 254 an id that is invalid in such a file."""
    table = np.full(256, NOT_AN_ID, np.uint8)
    if kind == "labelTrainIds":
        table[: len(CLASSES)] = np.arange(len(CLASSES))
        table[VOID] = VOID
    else:
        table[: MAX_LABEL_ID + 1] = VOID
        table[[label.label_id for label in CLASSES]] = np.arange(len(CLASSES))
    return table
