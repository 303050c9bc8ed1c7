"""The generated street scenes as a data set: drawn on first use, read like Cityscapes, with scene labels."""

import csv
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.data.datasets.cityscapes import Cityscapes, LabelledImages
from tasks.data.streets.write import KINDS, generate


class Scenes(LabelledImages):
    """Street images with any of `mask` (train ids per pixel), boxes and `label` (light or weather)."""

    def __init__(self, pairs: LabelledImages, scenes: NDArray[np.int64]) -> None:
        images, labels = ([Path(path) for path in paths] for paths in (pairs.images, pairs.labels))
        super().__init__(images, labels, pairs.kind, pairs.boxes, pairs.targets)
        self.scenes = scenes

    def class_labels(self) -> NDArray[np.int64]:
        """(N,) class numbers of all images."""
        return self.scenes

    def read(self, index: int, view: Callable[[Path | Pixels], Pixels] | None = None) -> dict[str, NDArray[Any]]:
        """As Cityscapes, plus `label` () int64 if requested."""
        sample = super().read(index, view)
        return sample | {"label": self.scenes[index]} if "label" in self.targets else sample


class Streets(Cityscapes):
    """Generated street scenes in Cityscapes' layout, with the light and weather of each in scenes.csv.

    Args:
        root: folder of the scenes; they are written there once.
        targets: kinds of labels to read: mask, boxes, label.
        train, val, height, width, seed: see generate.

    Raises:
        UserError: if root holds something else, or cannot be written.
    """

    classes = {**Cityscapes.classes, "label": KINDS}  # noqa: RUF012

    def __init__(
        self, root: str | Path, *, targets: Sequence[str] = ("mask",),
        train: int, val: int, height: int, width: int, seed: int,
    ) -> None:  # fmt: skip
        super().__init__(root, targets=targets)
        if not (self.root / "streets.json").exists():
            print(f"drawing {train + val} street scenes into {self.root} …", flush=True)
        try:
            generate(self.root, seed=seed, train=train, val=val, height=height, width=width)
        except FileExistsError as error:
            raise UserError(f"{error}\nset dataset.root=… to another folder, or remove that one") from error
        except ValueError as error:
            raise UserError(f"dataset: {error}") from error
        except OSError as error:
            raise UserError(f"cannot write street scenes to {self.root}: {error.strerror}; set dataset.root") from error

    def files(self, split: str) -> Scenes:
        """A split's images with their labels, in the order of their names."""
        pairs = super().files(split)
        with (self.root / "scenes.csv").open(newline="") as file:
            scene = {Path(row["image"]).name: KINDS.index(row["scene"]) for row in csv.DictReader(file)}
        return Scenes(pairs, np.array([scene[Path(path).name] for path in pairs.images], np.int64))
