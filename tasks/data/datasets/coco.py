"""COCO (Lin et al., ECCV 2014) in its official layout, and data sets with JSON of its format."""

from collections.abc import Mapping
from pathlib import Path

from tasks.common.errors import UserError
from tasks.data.datasets.instance_files import InstanceFiles, Numbering, Source
from tasks.data.files.orientation import Upright
from tasks.data.files.walk import found_in


class Coco(InstanceFiles):
    """The official layout: `<root>/annotations/instances_<split>.json` with `<root>/<split>/*.jpg`.

    Images are also found in `<root>/images/<split>/`.

    Args:
        root: the folder that holds annotations.
        train_split, val_split: the splits' names.
        numbering, upright: see InstanceFiles.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        train_split: str = "train2017",
        val_split: str = "val2017",
        numbering: Numbering = "dense",
        upright: Upright = "auto",
    ) -> None:
        super().__init__(numbering, upright)
        self.root, self.splits = Path(root), {"train": train_split, "val": val_split}

    def source(self, split: str) -> Source | None:
        """Location of a split; None if its file does not exist."""
        name = self.splits[split]
        annotations = self.root / "annotations" / f"instances_{name}.json"
        if not annotations.is_file():
            return None
        below = self.root / "images" / name
        return Source(below if below.is_dir() else self.root / name, annotations)

    def missing(self, split: str) -> UserError:
        """Error with the missing file, the expected tree and what was found."""
        file = self.root / "annotations" / f"instances_{self.splits[split]}.json"
        use = ": only mode=evaluate works without it" if split == "train" and self.source("val") else ""
        return UserError(f"no data set at {self.root}: {file} is missing{use}\n{self.layout()}")

    def without_images(self, source: Source) -> UserError:
        """Error with the missing folder, the expected tree and what was found."""
        return UserError(f"no images for {source.annotations}: {source.images} is missing\n{self.layout()}")

    def layout(self) -> str:
        """The expected tree and what was found."""
        train, val = self.splits.values()
        return (
            f"expected:\n  {self.root}/annotations/instances_{{{train},{val}}}.json\n"
            f"  {self.root}/{{{train},{val}}}/*.jpg (or {self.root}/images/{{{train},{val}}}/*.jpg)\n"
            f"found: {found_in(self.root)}\n"
            "set dataset.root=… or the variable DATA_ROOT"
        )


class CocoJson(InstanceFiles):
    """Images and JSON files at any location.

    Args:
        train, val: each split's `images`, a folder, and `annotations`, a file; mode=evaluate needs only val.
        numbering, upright: see InstanceFiles.

    Raises:
        UserError: for a split of any other form.
    """

    def __init__(
        self,
        *,
        train: Mapping[str, str | None] | None,
        val: Mapping[str, str | None] | None,
        numbering: Numbering = "dense",
        upright: Upright = "auto",
    ) -> None:
        super().__init__(numbering, upright)
        self.named = {"train": train or {}, "val": val or {}}
        for split, named in self.named.items():
            if not isinstance(named, Mapping):
                raise self.missing(split)

    def source(self, split: str) -> Source | None:
        """Location of a split; None if its file is not set.

        Raises:
            UserError: for a missing file.
        """
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
        return UserError(f"set dataset.{split}.images=<folder> and dataset.{split}.annotations=<file.json>")

    def without_images(self, source: Source) -> UserError:
        """Error with the missing folder."""
        return UserError(f"no images for {source.annotations}: no such folder as {source.images}")
