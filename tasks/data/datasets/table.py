"""A table of image files and their labels: `labels.csv` beside a folder of images."""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.data.datasets.annotated_files import AnnotatedFiles
from tasks.data.datasets.drawn_split import DrawnSplit
from tasks.data.datasets.table_columns import Columns, find_columns, obvious
from tasks.data.datasets.table_labels import Labels, only_label, read_labels
from tasks.data.datasets.two_sides import Side, TwoSides
from tasks.data.files.csv_table import CsvTable, read_table
from tasks.data.files.listed_files import elsewhere, find_below, find_listed
from tasks.data.files.orientation import Upright
from tasks.data.files.walk import found_in

KINDS = ("label", "multilabel")
SPLITS = ("split", "subset", "partition")  # obvious names of the column


class Split(NamedTuple):
    """One side of the data: its rows, and the folder of its images."""

    table: CsvTable
    folder: Path


class Table(TwoSides[AnnotatedFiles]):
    """Images with one label (kind `label`) or any number of them (kind `multilabel`), from a CSV file.

        id,label          filename, cat, dog          image,tags
        a.jpg,cat         a.jpg,1,0                   a,cat dog

    Args:
        root: folder to which all paths are relative.
        table: the file; None for the only .csv or .tsv in `root`.
        images: folder of the images; None to look for the first row's: in `images`, a folder named as the table,
            `root`, and beside the table.
        file, label, labels, split: names of columns: with the files, with their label (or several with a separator),
            one of 0 and 1 for each class, with the split; None for obvious names, which are reported.
        separator: between labels of a cell; "" if there is none.
        train_split, val_split: values of the column `split`.
        merge: whether several rows of one image add up (kind `multilabel`); otherwise they are an error.
        val: `share`, `seed`, `group` (DrawnSplit), or a `table` of validation images and their folder `images`.
        targets: kinds of labels to read; if both are listed, the one that suits the table.
        upright: see AnnotatedFiles.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        table: str | None = None,
        images: str | None = None,
        file: str | None = None,
        label: str | None = None,
        labels: Sequence[str] | None = None,
        separator: str | None = None,
        split: str | None = None,
        train_split: str = "train",
        val_split: str = "val",
        merge: bool = False,
        val: Mapping[str, Any] | None = None,
        targets: Sequence[str] = ("label",),
        upright: Upright = "auto",
    ) -> None:
        super().__init__(DrawnSplit.of(val))
        self.root, self.table, self.images, self.upright = Path(root), table, images, upright
        self.file, self.label, self.labels, self.separator = file, label, labels, separator
        self.split, self.train_split, self.val_split, self.merge = split, train_split, val_split, merge
        self.val_keys = val or {}
        self.targets = [kind for kind in KINDS if kind in targets] or [*KINDS]
        ways = {"split": split, "val.table": self.val_keys.get("table"), "val.share": self.val_keys.get("share")}
        if len(given := [f"dataset.{key}={value}" for key, value in ways.items() if value is not None]) > 1:
            raise UserError(f"{' and '.join(given)}: only one of them can say what is scored")

    @cached_property
    def path(self) -> Path:
        """The table's file."""
        if self.table is not None:
            return self.root / self.table
        found = sorted((*self.root.glob("*.csv"), *self.root.glob("*.tsv")))
        if len(found) != 1:
            which = f": dataset.table={' | '.join(path.name for path in found)}" if found else ""
            raise UserError(
                f"{len(found) or 'no'} tables (.csv, .tsv) in {self.root}{which}\n"
                f"found: {found_in(self.root)}\nset dataset.root=… and dataset.table=…"
            )
        return found[0]

    @cached_property
    def whole(self) -> CsvTable:
        """The table."""
        return read_table(self.path)

    @cached_property
    def columns(self) -> Columns:
        """The columns that are read."""
        columns, guessed = find_columns(self.whole, self.file, self.label, self.labels, self.separator)
        if guessed:
            report(f"{self.path.name}: {guessed}")
        return columns

    @cached_property
    def kind(self) -> str:
        """The kind of labels that is read."""
        one = self.columns.label is not None and self.columns.separator is None and not self.merge
        return self.targets[0] if len(self.targets) == 1 else "label" if one else "multilabel"

    @cached_property
    def splits(self) -> tuple[Split, Split | None]:
        """What is trained on and what is scored; if that is drawn from the former, None."""
        folder = self.folder_for(self.whole, self.images)
        whole = Split(self.whole, folder)
        if (name := self.val_keys.get("table")) is not None:
            table = read_table(self.root / name)
            return whole, Split(table, self.folder_for(table, self.val_keys.get("images") or self.images))
        if self.drawn is not None:
            return whole, None
        column = self.split or obvious(self.whole, SPLITS, [self.columns.file, self.columns.label])
        if column is None:
            raise UserError(
                f"{self.path} has no validation images: dataset.val.share=0.2 draws some, dataset.val.table=<file> "
                f"lists them, dataset.split=<column> has {self.train_split} or {self.val_split} in each row"
            )
        return self.by_split(column, folder)

    def by_split(self, column: str, folder: Path) -> tuple[Split, Split]:
        """The rows with either split's value in a column."""
        cells = self.whole.column(column)
        sides = []
        for key, value in (("train_split", self.train_split), ("val_split", self.val_split)):
            rows = [row for row, cell in enumerate(cells) if cell == value]
            if not rows:
                counts = ", ".join(f"{cell or 'nothing'} ({count})" for cell, count in Counter(cells).most_common(8))
                raise UserError(
                    f"no row of {self.path} has {value} in column {column}: dataset.{key} is one of {counts}"
                )
            sides.append(Split(self.whole.only(rows), folder))
        unread = Counter(cell for cell in cells if cell not in (self.train_split, self.val_split))
        others = "".join(f", {count} {cell or 'without'} not read" for cell, count in unread.items())
        counts = " and ".join(f"{len(side.table.cells)}" for side in sides)
        report(f"{self.path.name}: {counts} rows to train on and to score by column {column}{others}")
        return sides[0], sides[1]

    def folder_for(self, table: CsvTable, images: str | None) -> Path:
        """The folder of the images: the given one, or the one with the file of the first row."""
        if images is not None:
            if not (self.root / images).is_dir():
                raise UserError(f"dataset.images={images}: no folder {self.root / images}")
            return self.root / images
        first = table.column(self.columns.file)[:1]
        places = (self.root / "images", self.root / table.path.stem, self.root, table.path.parent)
        return next((place for place in places if not find_listed(place, first).problems), self.root)

    @cached_property
    def classes(self) -> Mapping[str, Sequence[str]]:
        """Names of the classes."""
        return {self.kind: self.names}

    @cached_property
    def names(self) -> list[str]:
        """Names of the classes of the training images."""
        return read_labels(self.splits[0].table, self.columns).names

    def train(self) -> AnnotatedFiles:
        """The training images.

        Raises:
            UserError: for what cannot be read, with file and row.
        """
        samples = super().train()
        self.report_absent(samples, "training")
        return samples

    def val(self) -> AnnotatedFiles:
        """The images to score.

        Raises:
            UserError: for what cannot be read, with file and row, and a class that no training image has.
        """
        samples = super().val()
        self.report_absent(samples, "validation")
        return samples

    def open_side(self, side: Side) -> AnnotatedFiles:
        """All images of a side."""
        split = self.splits[0] if side == "train" else self.splits[1]
        assert split is not None
        return self.samples(split)

    def strata(self) -> list[int]:
        """The classes by which the share is drawn."""
        return strata(self.files("train"))

    def samples(self, split: Split) -> AnnotatedFiles:
        """The images of some rows."""
        table, folder = split
        cells = table.column(self.columns.file)
        if "" in cells:
            raise table.error(cells.index(""), f"no file in column {self.columns.file}")
        as_written = find_listed(folder, cells)
        files, problems = find_below(folder, cells, as_written) if as_written.problems else as_written
        if found := as_written.problems.keys() - problems.keys():
            row = min(found)
            report(f"{table.path.name}: {len(found)} files are found below {folder} ({cells[row]} is {files[row]}, …)")
        if problems:
            row = min(problems)
            more = f" ({len(problems)} of {len(cells)} images are missing)" if len(problems) > 1 else ""
            there = elsewhere(self.root, cells[row]) if folder != self.root else ""
            hint = f"; one is in {there}: dataset.images={there}" if there else ""
            raise table.error(row, f"{folder / cells[row]}: {problems[row]}{more}{hint}")
        labels = read_labels(table, self.columns, self.names)
        files, labels = self.merged(table, files, labels)
        one = self.kind == "label"
        return AnnotatedFiles(
            folder,
            files,
            source=table.path,
            labels=only_label(labels, table) if one else None,
            multilabel=None if one else labels.matrix(),
            upright=self.upright,
        )

    def merged(self, table: CsvTable, files: list[str], labels: Labels) -> tuple[list[str], Labels]:
        """Files without repetition, and their labels.

        Raises:
            UserError: for a file in several rows, unless they are merged.
        """
        number: dict[str, int] = {}
        places = np.array([number.setdefault(file, len(number)) for file in files], np.int64)
        if len(number) == len(files):
            return files, labels
        if not (self.merge and self.kind == "multilabel"):
            row = int(np.flatnonzero(places != np.arange(len(files)))[0])
            many = len(files) - len(number)
            more = f" ({many} rows repeat a file)" if many > 1 else ""
            merge = "; dataset.merge=true adds their labels up" if self.kind == "multilabel" else ""
            raise table.error(row, f"{files[row]} is in row {table.lines[files.index(files[row])]} too{more}{merge}")
        return list(number), labels._replace(rows=places[labels.rows], total=len(number))

    def report_absent(self, samples: AnnotatedFiles, split: str) -> None:
        """Report classes without an image, and images without a class."""
        if samples.multilabel is None:
            assert samples.labels is not None
            counts = np.bincount(samples.labels, minlength=len(self.names))
        else:
            counts = samples.multilabel.sum(0, dtype=np.int64)
            if none := int((samples.multilabel.sum(1, dtype=np.int64) == 0).sum()):
                report(f"{none} of {len(samples)} {split} images have no label at all: none of the classes")
        if absent := [name for name, count in zip(self.names, counts, strict=True) if not count]:
            some = ", ".join(absent[:8]) + (f" and {len(absent) - 8} more" if len(absent) > 8 else "")
            report(f"no {split} image of {len(absent)} of {len(self.names)} classes: {some}")


def strata(samples: AnnotatedFiles) -> list[int]:
    """The class of each image by which validation images are drawn: its rarest one; -1 for what no other image has."""
    if samples.multilabel is None:
        assert samples.labels is not None
        return list(samples.labels.tolist())
    counts = samples.multilabel.sum(0, dtype=np.int64)
    ranked = np.where(samples.multilabel > 0, counts, len(samples) + 1)
    rarest = np.where(ranked.min(1) <= len(samples), ranked.argmin(1), len(counts))
    return [int(own) if alike > 1 else -1 for own, alike in zip(rarest, np.bincount(rarest)[rarest], strict=True)]
