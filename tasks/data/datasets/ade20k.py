"""ADE20K's scene parsing challenge (Zhou et al., CVPR 2017): 150 classes, numbered from 1; 0 is void."""

from pathlib import Path
from typing import Literal

from tasks.data.datasets.masks import MaskFolders

CLASSES = 150
NAMES = "objectInfo150.txt"  # of the download


class ADE20K(MaskFolders):
    """`images/<split>/*.jpg` with `annotations/<split>/*.png`.

    Class names are those of objectInfo150.txt, or the numbers of the files if it is missing.

    Args:
        root: the folder of images and annotations.
        train_split, val_split: names of their folders.
        unlabelled: see MaskFolders.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        train_split: str = "training",
        val_split: str = "validation",
        unlabelled: Literal["refuse", "skip"] = "refuse",
    ) -> None:
        numbers = {str(number): number for number in range(1, CLASSES + 1)}
        super().__init__(
            root,
            images="images/{split}",
            masks="annotations/{split}",
            template="{stem}.png",
            train_split=train_split,
            val_split=val_split,
            classes=NAMES if (Path(root) / NAMES).is_file() else numbers,
            ignore=[0],
            unlabelled=unlabelled,
            upright=False,
        )
