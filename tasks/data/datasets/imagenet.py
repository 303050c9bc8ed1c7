"""ImageNet, the 1000 classes of ILSVRC 2012 (Russakovsky et al., arXiv:1409.0575), and fast.ai's subsets."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from tasks.common.errors import UserError
from tasks.data.datasets.folders import Folders
from tasks.data.files.files import LabelledFiles
from tasks.data.files.imagenet_labels import TRUTH, label_of, read_devkit, read_solution, synsets
from tasks.data.files.orientation import Upright
from tasks.data.files.walk import files_below, folders_in, found_in, images_in

KAGGLE = "ILSVRC/Data/CLS-LOC"
TRAIN = ("train", "ILSVRC2012_img_train", f"{KAGGLE}/train", "Data/CLS-LOC/train")
VAL = ("val", "ILSVRC2012_img_val", f"{KAGGLE}/val", "Data/CLS-LOC/val")
DEVKIT = "ILSVRC2012_devkit_t12/data"
SOLUTION = "LOC_val_solution.csv"
VAL_NAME = re.compile(r"ILSVRC2012_val_(\d{8})\.JPEG")


class ImageNet:
    """Training images in folders of their WordNet id; validation images likewise, or all in one folder.

    Three layouts are detected: class folders in `train` and `val`; the unpacked official archives, with the devkit for
    the validation labels; Kaggle's download. A label is the class's index among all 1000, even if only some of them are
    present.

    Args:
        root: the folder that holds the images.
        upright: whether photos are turned by their EXIF orientation; published scores are of photos as stored.
    """

    def __init__(self, root: str | Path, *, upright: Upright = False) -> None:
        self.root, self.upright = Path(root), upright

    @property
    def classes(self) -> Mapping[str, Sequence[str]]:
        """Names of the 1000 classes."""
        return {"label": list(synsets().values())}

    def train(self) -> LabelledFiles:
        """The training images.

        Raises:
            UserError: for a missing or empty folder, or a class that is not one of the 1000.
        """
        return self.class_folders(self.find(TRAIN))

    def val(self) -> LabelledFiles:
        """The images to score.

        Raises:
            UserError: for a missing or empty folder, a class that is not one of the 1000, or missing labels.
        """
        folder = self.find(VAL)
        if folders_in(folder):
            return self.class_folders(folder)
        images = images_in(folder)
        if not images:
            raise UserError(f"no image in {folder}\n{self.layout()}")
        return LabelledFiles(folder, images, self.labels_of_flat(images, folder), upright=self.upright)

    def find(self, places: Sequence[str]) -> Path:
        """The first of several folders that exists."""
        for place in places:
            if (self.root / place).is_dir():
                return self.root / place
        why = "is missing" if not self.root.is_dir() else f"has no folder {places[0]} or {places[1]}"
        raise UserError(f"no data set at {self.root}: it {why}\n{self.layout()}")

    def class_folders(self, folder: Path) -> LabelledFiles:
        """Images in folders of their WordNet id."""
        files: list[str] = []
        labels: list[int] = []
        for wnid in folders_in(folder):
            if wnid not in label_of():
                raise UserError(
                    f"{folder / wnid} is none of ImageNet's 1000 classes (n01440764, …): dataset=folders reads any"
                )
            images = files_below(folder / wnid)
            files += [f"{wnid}/{image}" for image in images]
            labels += [label_of()[wnid]] * len(images)
        if not files:
            packed = next(folder.glob("n*.tar"), None)
            what = f"{packed} is not unpacked" if packed else f"no image in {folder}/<wnid>/"
            raise UserError(f"{what}\n{self.layout()}")
        return LabelledFiles(folder, files, labels, upright=self.upright)

    def labels_of_flat(self, images: Sequence[str], folder: Path) -> list[int]:
        """Labels of the validation images from the devkit or from Kaggle's list."""
        source = self.root / DEVKIT / TRUTH
        if source.is_file():
            truth = read_devkit(source.parent)
        elif (source := self.root / SOLUTION).is_file():
            truth = read_solution(source)
        else:
            raise UserError(
                f"{folder} has no class folders, and no labels were found: neither {DEVKIT}/{TRUTH} "
                f"nor {SOLUTION} is in {self.root}\n{self.layout()}"
            )
        for image in images:
            if image.split(".")[0] not in truth:
                form = "" if VAL_NAME.fullmatch(image) else " (names are ILSVRC2012_val_00000001.JPEG, …)"
                raise UserError(f"{folder / image} has no label in {source}{form}")
        return [truth[image.split(".")[0]] for image in images]

    def layout(self) -> str:
        """The expected trees and what was found."""
        return (
            "expected one of:\n"
            f"  {self.root}/{{train,val}}/<wnid>/*.JPEG\n"
            f"  {self.root}/train/<wnid>/*.JPEG, {self.root}/val/ILSVRC2012_val_*.JPEG and {self.root}/{DEVKIT}/\n"
            f"  {self.root}/{KAGGLE}/{{train/<wnid>,val}}/*.JPEG and {self.root}/{SOLUTION}\n"
            f"found: {found_in(self.root)}\n"
            "unpack the official archives so, there:\n"
            "  mkdir train val && tar xf ILSVRC2012_img_val.tar -C val && tar xf ILSVRC2012_img_train.tar -C train\n"
            '  (cd train && for f in n*.tar; do mkdir "${f%.tar}" && tar xf "$f" -C "${f%.tar}" && rm "$f"; done)\n'
            "  tar xf ILSVRC2012_devkit_t12.tar.gz\n"
            "set dataset.root=… or the variable DATA_ROOT"
        )


class Imagenette(Folders):
    """fast.ai's Imagenette and Imagewoof: ten classes of ImageNet with their names, numbered from 0."""

    @cached_property
    def classes(self) -> Mapping[str, Sequence[str]]:
        """Names of the classes; a folder that is not one of ImageNet's keeps its name."""
        return {"label": [synsets().get(folder, folder) for folder in self.folders]}
