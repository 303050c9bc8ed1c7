"""Class folders, `<root>/{train,val}/<class>/*`: the layout of most classification data sets."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from tasks.common.console import report
from tasks.common.errors import UserError, not_one_of
from tasks.data.datasets.drawn_split import DrawnSplit
from tasks.data.datasets.folder_layouts import advice, misread, named_as_split
from tasks.data.datasets.two_sides import Side, TwoSides
from tasks.data.files.files import LabelledFiles
from tasks.data.files.orientation import Upright
from tasks.data.files.walk import files_below, folders_in, found_in, images_in, passed_over

Layout = Literal["split_first", "class_first"]


class Folders(TwoSides[LabelledFiles]):
    """Images of each class in a folder of its name, at any depth below it.

        split_first   <root>/train/<class>/*      or, with val.share, <root>/<class>/*
        class_first   <root>/<class>/train/*

    The classes are the folders of the training split, sorted by name; those of the validation split if there is no
    training split, which is enough to score a model.

    Args:
        root: the folder that holds the splits or, without splits, the classes.
        train_split, val_split: names of their folders; "." for the root itself.
        layout: whether split folders hold class folders, or class folders hold split folders.
        val: how validation images are drawn from the training images (DrawnSplit); without a share, val_split has them.
        upright: whether photos are turned by their EXIF orientation; "auto" is true.

    Raises:
        UserError: for an unknown layout or an invalid `val`.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        train_split: str = "train",
        val_split: str = "val",
        layout: Layout = "split_first",
        val: Mapping[str, Any] | None = None,
        upright: Upright = False,
    ) -> None:
        super().__init__(DrawnSplit.of(val))
        if layout not in (choices := ("split_first", "class_first")):
            raise UserError(f"dataset.layout={layout} {not_one_of(layout, choices)}")
        self.root, self.train_split, self.val_split = Path(root), train_split, val_split
        self.layout, self.upright = layout, upright

    @cached_property
    def folders(self) -> list[str]:
        """The class folders, in the order of the labels.

        Raises:
            UserError: if there is no split, or no class in it.
        """
        if self.layout == "class_first" or self.unsplit:
            return self.classes_of(self.train_split)
        for split in (self.train_split, self.val_split):
            if (self.root / split).is_dir():
                return self.classes_of(split)
        raise self.not_there(self.train_split)

    @cached_property
    def unsplit(self) -> bool:
        """Whether the class folders are in the root itself: there is no training split, and images are drawn."""
        if self.drawn is None or self.layout == "class_first" or not self.root.is_dir():
            return False
        if (self.root / self.train_split).is_dir():
            return False
        names = folders_in(self.root)
        deep = [name for folder in names for name in folders_in(self.root / folder)]
        return not any(map(named_as_split, (*names, *deep)))

    @property
    def classes(self) -> Mapping[str, Sequence[str]]:
        """Names of the classes."""
        return {"label": self.folders}

    def val(self) -> LabelledFiles:
        """The images to score.

        Raises:
            UserError: for a missing or empty split, or a class that is not in the training split.
        """
        samples = super().val()
        scored = set(samples.labels.tolist())
        if lacking := [name for label, name in enumerate(self.folders) if label not in scored]:
            some = ", ".join(lacking[:8]) + (f" and {len(lacking) - 8} more" if len(lacking) > 8 else "")
            report(f"no validation image of {len(lacking)} of {len(self.folders)} classes: {some}")
        return samples

    def open_side(self, side: Side) -> LabelledFiles:
        """All images of a split; of the training split, also those drawn to score.

        Raises:
            UserError: for a missing split, or a training class without images.
        """
        if side == "val":
            return self.split(self.val_split)
        samples = self.split(self.train_split)
        with_images = set(samples.labels.tolist())
        for label, folder in enumerate(self.folders):
            if label not in with_images:
                raise UserError(
                    f"no image in {self.folder_of(self.train_split, folder)}/{self.way_out()}\n{self.expected()}"
                )
        return samples

    def draw(self) -> tuple[LabelledFiles, LabelledFiles]:
        """The images to train on and those to score, drawn again."""
        assert self.drawn is not None
        if self.layout == "split_first" and not self.unsplit and (unread := self.root / self.val_split).is_dir():
            report(f"{unread} is not read: dataset.val.share={self.drawn.share:g} draws from {self.train_split}")
        return super().draw()

    def strata(self) -> list[int]:
        """The images' classes."""
        return list(self.files("train").labels.tolist())

    def split(self, split: str) -> LabelledFiles:
        """All images of a split, class by class."""
        number = {folder: label for label, folder in enumerate(self.folders)}
        files: list[str] = []
        labels: list[int] = []
        others: list[str] = []
        place = self.root if self.layout == "class_first" or self.unsplit else self.root / split
        for folder in self.classes_of(split):
            if folder not in number:
                raise UserError(
                    f"{self.folder_of(split, folder)} is a class that {self.root / self.train_split} lacks "
                    f"({len(number)} classes there: {', '.join(self.folders[:8])}{', …' if len(number) > 8 else ''})"
                )
            inside = self.folder_of(split, folder)
            below, passed = inside.relative_to(place).as_posix(), list[str]()
            images = files_below(inside, passed) if inside.is_dir() else []
            files += [f"{below}/{image}" for image in images]
            labels += [number[folder]] * len(images)
            others += [f"{below}/{name}" for name in passed]
        line = passed_over(others)
        if not files:
            raise UserError(f"no image in {place}/<class>/{f' ({line})' if line else ''}\n{self.expected()}")
        if line:
            report(f"{place}: {line}")
        return LabelledFiles(place, files, labels, upright=self.upright)

    def folder_of(self, split: str, name: str) -> Path:
        """The folder of a class's images."""
        if self.unsplit:
            return self.root / name
        return self.root / name / split if self.layout == "class_first" else self.root / split / name

    def classes_of(self, split: str) -> list[str]:
        """The class folders of a split.

        Raises:
            UserError: if the split is missing, or has none.
        """
        folder = self.root if self.layout == "class_first" or self.unsplit else self.root / split
        if not folder.is_dir():
            raise self.not_there(split)
        names = folders_in(folder)
        if self.layout == "class_first" and names and not any((folder / name / split).is_dir() for name in names):
            raise UserError(f"no folder of {self.root} has a folder {split}{self.way_out()}\n{self.expected()}")
        if not names:
            loose = images_in(folder)
            what = f"{len(loose)} images lie in {folder} itself: each class needs a folder" if loose else ""
            raise UserError(f"{what or f'no class folder in {folder}'}{self.way_out()}\n{self.expected()}")
        if self.layout == "split_first" and (keys := misread(folder, names)):
            keys = keys if self.unsplit else keys.replace(f"dataset.root={self.root}/", "dataset.train_split=", 1)
            raise UserError(
                f"the folders of {folder} ({', '.join(names[:8])}) are no classes: class folders lie below them; what "
                f"is there is read with {keys}"
            )
        return names

    def not_there(self, split: str) -> UserError:
        """Error for a missing split."""
        if not self.root.is_dir():
            return UserError(f"no data set at {self.root}: {self.root} is missing\n{self.expected()}")
        way = self.way_out()
        use = ": only mode=evaluate works without it" if split == self.train_split and not way else ""
        return UserError(f"no data set at {self.root}: {self.root / split} is missing{use}{way}\n{self.expected()}")

    def way_out(self) -> str:
        """The keys that would read what is there; '' if it is no layout of class folders."""
        keys = advice(self.root, self.train_split)
        return f"; what is there is read with {keys}" if keys else ""

    def expected(self) -> str:
        """The expected tree and what was found."""
        splits = f"{{{self.train_split},{self.val_split}}}"
        tree = f"<class>/{splits}" if self.layout == "class_first" else f"{splits}/<class>"
        return (
            f"expected:\n  {self.root}/{tree}/*.jpg (or .png, …)\n"
            f"found: {found_in(self.root)}\n"
            "set dataset.root=… or the variable DATA_ROOT"
        )
