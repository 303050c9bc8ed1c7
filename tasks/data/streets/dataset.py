"""The generated street scenes as a data set: drawn at first use, read like Cityscapes, with scene labels."""

import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.data.cityscapes import CLASSES, Cityscapes, LabelledImages
from tasks.data.images import Pixels, read_rgb
from tasks.data.streets.write import KINDS, generate
from tasks.errors import UserError


class Scenes(LabelledImages):
    """Street images with any of `mask` (train ids per pixel) and `label` (which light or weather)."""

    def __init__(self, pairs: LabelledImages, labels: NDArray[np.int64], targets: Sequence[str]) -> None:
        super().__init__([Path(path) for path in pairs.images], [Path(path) for path in pairs.labels], pairs.kind)
        self.scenes, self.targets = labels, tuple(targets)

    def read(self, index: int, view: Callable[[Path | Pixels], Pixels] | None = None) -> dict[str, NDArray[Any]]:
        """`image` (H, W, 3), and of `mask` (H, W) uint8 and `label` () int64 what was asked for."""
        if "mask" in self.targets:
            sample = super().read(index, view)
        else:
            path = Path(self.images[index])
            sample = {"image": read_rgb(path) if view is None else view(path)}
        if "label" in self.targets:
            sample["label"] = self.scenes[index]
        return sample

    def check(self) -> Iterator[int]:
        """As Cityscapes' where there are masks to check; else the images' headers."""
        if "mask" in self.targets:
            yield from super().check()
        else:
            for index in range(len(self)):
                self.size(index)
                yield index


class Streets(Cityscapes):
    """Street scenes of our own making, in Cityscapes' layout, with the light and weather of each in scenes.csv.

    Args:
        root: where they lie, or are written once.
        targets: kinds of labels that are read: mask, label.
        train, val: how many scenes.
        height, width: of each.
        seed: decides everything that is drawn.

    Raises:
        UserError: if root holds something else, or cannot be written.
    """

    classes = {"mask": CLASSES, "label": KINDS}  # noqa: RUF012

    def __init__(
        self,
        root: str | Path,
        *,
        targets: Sequence[str] = ("mask",),
        train: int,
        val: int,
        height: int,
        width: int,
        seed: int,
    ) -> None:
        super().__init__(root)
        self.targets = tuple(targets)
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
        labels = np.array([scene[Path(path).name] for path in pairs.images], np.int64)
        return Scenes(pairs, labels, self.targets)
