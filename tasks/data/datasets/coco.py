"""COCO (Lin et al., ECCV 2014) in its official layout."""

from collections.abc import Sequence
from pathlib import Path

from tasks.common.errors import UserError
from tasks.data.datasets.coco_any import CocoJson as CocoJson  # its name in configurations
from tasks.data.datasets.instance_categories import Numbering
from tasks.data.datasets.instance_files import InstanceFiles, Source
from tasks.data.files.orientation import Upright
from tasks.data.files.walk import found_in


class Coco(InstanceFiles):
    """The official layout: `<root>/annotations/instances_<split>.json` with `<root>/<split>/*.jpg`.

    Images are also found in `<root>/images/<split>/`.

    Args:
        root: the folder that holds annotations.
        train_split, val_split: the splits' names.
        numbering, background, upright: see InstanceFiles.
        targets: kinds of labels to read, of boxes and mask; None for boxes where they are among `wanted`, else label
            maps. The benchmark's own 80 classes of label maps would be rivals of other sets' in mixtures.
        wanted: kinds that the heads learn from.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        train_split: str = "train2017",
        val_split: str = "val2017",
        numbering: Numbering = "dense",
        targets: Sequence[str] | None = None,
        wanted: Sequence[str] = ("boxes",),
        background: str | None = "background",
        upright: Upright = "auto",
    ) -> None:
        read = (["mask"] if "mask" in wanted and "boxes" not in wanted else ["boxes"]) if targets is None else targets
        super().__init__(numbering, targets=read, background=background, upright=upright)
        self.root, self.splits = Path(root), {"train": train_split, "val": val_split}

    @property
    def unread(self) -> dict[str, str]:
        """How to read the kinds of labels that are not read."""
        return {} if "mask" in self.targets else {"mask": "dataset.targets=[mask,boxes] reads them too"}

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
