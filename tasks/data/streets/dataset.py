"""The generated street scenes as a data set: drawn on first use, read like Cityscapes, with scene labels."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tasks.common.errors import UserError
from tasks.data.datasets.cityscapes import Cityscapes
from tasks.data.datasets.cityscapes_files import StreetFiles
from tasks.data.files.orientation import Upright
from tasks.data.streets.write import KINDS, generate


class Streets(Cityscapes):
    """Generated street scenes in Cityscapes' layout, with the light and weather of each in scenes.csv.

    Args:
        root: folder of the scenes; they are written there once.
        targets: kinds of labels to read: mask, boxes, label.
        train, val, height, width, seed: see generate.
        upright: see AnnotatedFiles; the scenes have no EXIF turn, so that "auto" leaves open how other photos are read.

    Raises:
        UserError: if root holds something else, before anything is drawn, or cannot be written.
    """

    classes = {**Cityscapes.classes, "label": KINDS}  # noqa: RUF012

    def __init__(
        self, root: str | Path, *, targets: Sequence[str] = ("mask",),
        train: int, val: int, height: int, width: int, seed: int, upright: Upright = "auto",
    ) -> None:  # fmt: skip
        super().__init__(root, targets=targets, upright=upright)
        try:
            generate(self.root, seed=seed, train=train, val=val, height=height, width=width, announce=True)
        except FileExistsError as error:
            raise UserError(
                f"dataset.root={error}; dataset=streets generates scenes: name a folder for them, or for your own "
                f"images add dataset=auto dataset.root={self.root}"
            ) from error
        except ValueError as error:
            raise UserError(f"dataset: {error}") from error
        except OSError as error:
            raise UserError(f"cannot write street scenes to {self.root}: {error.strerror}; set dataset.root") from error

    def files(self, split: str) -> StreetFiles:
        """A split's images with their labels, in the order of their names."""
        files = super().files(split)
        files.reports_absent = split == "train"  # both splits are drawn alike: the same classes never occur
        if "label" not in self.targets:
            return files
        with (self.root / "scenes.csv").open(newline="", encoding="utf-8") as file:
            scene = {Path(row["image"]).name: KINDS.index(row["scene"]) for row in csv.DictReader(file)}
        files.labels = np.array([scene[files.path(index).name] for index in range(len(files))], np.int64)
        return files
