"""Training images and images to score: of two splits, or the latter drawn from the former."""

from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Literal

from tasks.data.datasets.annotated_files import AnnotatedFiles
from tasks.data.datasets.class_names import check_learned
from tasks.data.datasets.drawn_split import DrawnSplit

Side = Literal["train", "val"]


class TwoSides(ABC):
    """A data set with a split for each side, or with one from which images to score are drawn.

    Args:
        drawn: how they are drawn; None for two splits.
        named: whether the classes were named, so that those without a training image are meant.
    """

    def __init__(self, drawn: DrawnSplit | None, *, named: bool) -> None:
        self.drawn, self.named = drawn, named

    @property
    @abstractmethod
    def names(self) -> list[str]:
        """Names of the objects' classes, in the order of their numbers."""

    @abstractmethod
    def files(self, side: Side) -> AnnotatedFiles:
        """All images of a split."""

    @abstractmethod
    def source_of(self, side: Side) -> Path:
        """The list or the folder of a split, for messages."""

    def train(self) -> AnnotatedFiles:
        """The training images.

        Raises:
            UserError: for a missing split or file, an error in one, or no box in any.
        """
        files = self.files("train") if self.drawn is None else self.sides[0]
        if files.boxes is not None:
            files.must_teach(self.source_of("train"))
        return files

    def val(self) -> AnnotatedFiles:
        """The images to score.

        Raises:
            UserError: for a missing split or file, or an error in one.
        """
        return self.files("val") if self.drawn is None else self.sides[1]

    @cached_property
    def sides(self) -> tuple[AnnotatedFiles, AnnotatedFiles]:
        """The training images and those drawn from them to score."""
        assert self.drawn is not None
        files = self.files("train")
        train, val = map(files.of, self.drawn.sides([files.files[index] for index in range(len(files))]))
        if train.boxes is not None and val.boxes is not None and not self.named:
            check_learned(self.names, train.boxes.labels, val.boxes.labels, self.source_of("train"))
        return train, val
