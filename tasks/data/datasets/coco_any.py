"""Data sets with JSON of COCO's format, at any location or as a tool exports them."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.data.datasets.coco_exports import Export, find_export
from tasks.data.datasets.drawn_split import DrawnSplit
from tasks.data.datasets.instance_categories import Numbering, ids_in_use
from tasks.data.datasets.instance_files import InstanceFiles, Source
from tasks.data.files.orientation import Upright

NAMES = 3  # of categories without an annotation in a message


class CocoJson(InstanceFiles):
    """Images and JSON files at any location.

    Args:
        root: an export's folder, in which both are found (see find_export), instead of the locations in train and val.
        train: the split's `images`, a folder, and `annotations`, a file; mode=evaluate needs only val.
        val: the same, or a `share` of the training images with `seed` and `group` (see DrawnSplit).
        numbering, targets, background, upright, drop_empty: see InstanceFiles.

    Raises:
        UserError: for a split of any other form.
    """

    def __init__(
        self,
        *,
        train: Mapping[str, str | None] | None = None,
        val: Mapping[str, Any] | None = None,
        root: str | Path | None = None,
        numbering: Numbering = "dense",
        targets: Sequence[str] = ("boxes",),
        background: str | None = "background",
        upright: Upright = "auto",
        drop_empty: bool = False,
    ) -> None:
        self.named: dict[str, Mapping[str, Any]] = {"train": train or {}, "val": val or {}}
        for split, named in self.named.items():
            if not isinstance(named, Mapping):
                raise self.missing(split)
        super().__init__(
            numbering,
            targets=targets,
            background=background,
            upright=upright,
            drop_empty=drop_empty,
            drawn=DrawnSplit.of(self.named["val"]),
        )
        self.root = None if root is None else Path(str(root))
        for split, named in self.named.items():
            set_here = [key for key in ("images", "annotations") if named.get(key) is not None]
            if set_here and self.root is not None:
                raise UserError(f"dataset.root finds the files itself: leave out dataset.{split}.{set_here[0]}")
            if set_here and split == "val" and self.drawn is not None:
                raise UserError(
                    f"dataset.val.share draws from the training images: leave out dataset.val.{set_here[0]}, or share"
                )

    @cached_property
    def export(self) -> Export:
        """What was found in the root."""
        assert self.root is not None
        found = find_export(self.root, self.drawn is not None)
        print(found.line(self.root), flush=True)
        return found

    def source(self, split: str) -> Source | None:
        """Location of a split; None if its file is not set.

        Raises:
            UserError: for a missing file.
        """
        if split == "val" and self.drawn is not None:
            return None
        if self.root is not None:
            return self.export.sources.get(split)
        images, annotations = self.named[split].get("images"), self.named[split].get("annotations")
        if annotations is None:
            return None
        if images is None:
            raise self.missing(split)
        source = Source(Path(str(images)), Path(str(annotations)))  # a number may be a name
        if not source.annotations.is_file():
            raise UserError(f"dataset.{split}.annotations={annotations}: no such file")
        return source

    def missing(self, split: str) -> UserError:
        """Error that says what has to be set."""
        if split == "val":
            return UserError(
                "set dataset.val.images=<folder> and dataset.val.annotations=<file.json>, or dataset.val.share=0.2 to "
                "draw them from the training images"
            )
        return UserError(
            f"set dataset.{split}.images=<folder> and dataset.{split}.annotations=<file.json>, or "
            "dataset.root=<export> of Roboflow, CVAT, …"
        )

    def without_images(self, source: Source) -> UserError:
        """Error with the missing folder."""
        return UserError(f"no images for {source.annotations}: no such folder as {source.images}")

    def phantoms(self) -> str:
        """A line about categories that no split has an annotation of."""
        used = ids_in_use(self.instances)
        empty = [name for name, number in next(iter(self.instances.values())).categories if number not in used]
        if not empty or self.drop_empty or not used:
            return ""
        some = ", ".join(empty[:NAMES]) + (f" and {len(empty) - NAMES} more" if len(empty) > NAMES else "")
        return f"no annotation of {some}: dataset.drop_empty=true leaves such categories out"
