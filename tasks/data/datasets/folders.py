"""Class folders, `<root>/{train,val}/<class>/*`: the layout of most classification data sets."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from tasks.common.errors import UserError
from tasks.data.files.files import LabelledFiles
from tasks.data.files.walk import files_below, folders_in, found_in, images_in


class Folders:
    """Images of each class in a folder of its name, at any depth below it.

    The classes are the folders of the training split, sorted by name; those of the validation split if there is no
    training split, which is enough to score a model.

    Args:
        root: the folder that holds the splits.
        train_split, val_split: names of their folders.
    """

    def __init__(self, root: str | Path, *, train_split: str = "train", val_split: str = "val") -> None:
        self.root, self.train_split, self.val_split = Path(root), train_split, val_split

    @cached_property
    def folders(self) -> list[str]:
        """The class folders, in the order of the labels.

        Raises:
            UserError: if there is no split, or no class in it.
        """
        for split in (self.train_split, self.val_split):
            if (self.root / split).is_dir():
                return self.classes_of(split)
        missing = f"{self.root} is missing" if not self.root.is_dir() else f"{self.root / self.train_split} is missing"
        raise UserError(f"no data set at {self.root}: {missing}\n{self.layout()}")

    @property
    def classes(self) -> Mapping[str, Sequence[str]]:
        """Names of the classes."""
        return {"label": self.folders}

    def train(self) -> LabelledFiles:
        """The training images.

        Raises:
            UserError: for a missing split, or a class without images.
        """
        samples = self.split(self.train_split)
        with_images = set(samples.labels.tolist())
        for label, folder in enumerate(self.folders):
            if label not in with_images:
                raise UserError(f"no image in {self.root / self.train_split / folder}/\n{self.layout()}")
        return samples

    def val(self) -> LabelledFiles:
        """The images to score.

        Raises:
            UserError: for a missing or empty split, or a class that is not in the training split.
        """
        return self.split(self.val_split)

    def split(self, split: str) -> LabelledFiles:
        """All images of a split, class by class."""
        number = {folder: label for label, folder in enumerate(self.folders)}
        if not (self.root / split).is_dir():
            use = ": only mode=evaluate works without it" if split == self.train_split else ""
            raise UserError(f"no data set at {self.root}: {self.root / split} is missing{use}\n{self.layout()}")
        files: list[str] = []
        labels: list[int] = []
        for folder in self.classes_of(split):
            if folder not in number:
                raise UserError(
                    f"{self.root / split / folder} is a class that {self.root / self.train_split} lacks "
                    f"({len(number)} classes there: {', '.join(self.folders[:8])}{', …' if len(number) > 8 else ''})"
                )
            images = files_below(self.root / split / folder)
            files += [f"{folder}/{image}" for image in images]
            labels += [number[folder]] * len(images)
        if not files:
            raise UserError(f"no image in {self.root / split}/<class>/\n{self.layout()}")
        return LabelledFiles(self.root / split, files, labels)

    def classes_of(self, split: str) -> list[str]:
        """The class folders of a split."""
        folder = self.root / split
        names = folders_in(folder)
        if not names:
            loose = images_in(folder)
            what = f"{len(loose)} images lie in {folder} itself: each class needs a folder" if loose else ""
            raise UserError(f"{what or f'no class folder in {folder}'}\n{self.layout()}")
        return names

    def layout(self) -> str:
        """The expected tree and what was found."""
        return (
            f"expected:\n  {self.root}/{{{self.train_split},{self.val_split}}}/<class>/*.jpg (or .png, …)\n"
            f"found: {found_in(self.root)}\n"
            "set dataset.root=… or the variable DATA_ROOT"
        )
