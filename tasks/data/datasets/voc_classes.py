"""VOC's 20 classes, and what the label maps of a data set with its layout hold."""

from collections.abc import Sequence
from pathlib import Path

from tasks.common.errors import UserError
from tasks.common.palette import colour
from tasks.data.datasets.class_names import listed
from tasks.data.files.voc_masks import BACKGROUND, Legend, MaskClass, VocLabels, legend_in

CLASSES = (
    "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip


def labels_in(folder: Path, wanted: str | Sequence[str], background: str | None) -> VocLabels:
    """What the label maps hold.

    Args:
        folder: that may have a labelmap.txt or class_names.txt.
        wanted: names of the classes; "official" for the 20, "found" for those of that file, "auto"
            for these or, without it, the 20.
        background: name of class 0; None if its pixels are void.

    Raises:
        UserError: if it is not known, or names contradict the file.
    """
    own = None if isinstance(wanted, str) else wanted
    legend = None if wanted == "official" else legend_in(folder)
    if legend is None:
        if wanted == "found":
            raise UserError(
                "dataset.classes=found: label maps have no names without labelmap.txt or class_names.txt in "
                f"{folder}: name them, dataset.classes=[name of 1, name of 2, …]"
            )
        if own is None:
            print("label maps: classes are the 20 of VOC (dataset.classes=[…] names others)", flush=True)
        names = (BACKGROUND[0], *(own or CLASSES))
        legend = Legend([MaskClass(name, number, colour(number)) for number, name in enumerate(names)])
    else:
        named = VocLabels(legend, background=None).classes
        if own is not None and {*own} != {one.name for one in named}:
            raise UserError(
                f"dataset.classes={own}, but {folder / legend.source} has {listed([one.name for one in named])}"
            )
    return VocLabels(legend, background=background, order=own)
