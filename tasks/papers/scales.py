"""How large an experiment is run: as in the paper, or in miniature on a small data set."""

from pathlib import Path
from typing import NamedTuple

from tasks.common.errors import UserError
from tasks.papers.table import Row, Table


class Scale(NamedTuple):
    """A size at which tables are run.

    Attributes:
        data: folder below the data's root, by task; "" for generated data.
        shrink: divides the sizes of classification images that a row sets: ImageNet's 224 become 32.
    """

    data: dict[str, str]
    shrink: int


SCALES = {
    "mini": Scale({"classify": "cifar10-mini", "detect": "coco-bccd", "segment": "cityscapes-camvid"}, 7),
    "streets": Scale({"classify": "", "detect": "", "segment": ""}, 1),
}
FULL = "full"  # the paper's own


def overrides_at(scale: str, table: Table, row: Row, root: Path) -> list[str]:
    """The overrides of a row's command at a scale.

    Args:
        root: folder with the small data sets.

    Raises:
        UserError: for a data set that is not there.
    """
    if scale == FULL:
        return list(row.overrides)
    of = SCALES[scale]
    words = [f"scale={table.task}_{scale}", *row.overrides, *table.mini]
    if of.data[table.task]:
        folder = root / of.data[table.task]
        if not folder.is_dir():
            raise UserError(
                f"scale={scale} trains on {folder}, which is missing: root=<folder with {of.data[table.task]}>, or "
                "scale=streets, which is generated"
            )
        words.append(f"dataset.root={folder}")
    return [shrunk(word, of.shrink) for word in words]


def shrunk(word: str, factor: int) -> str:
    """An override in which a square image size is divided by a factor."""
    key, _, value = word.partition("=")
    if key != "image_size" or factor == 1:
        return word
    sides = [round(int(side) / factor) for side in value.strip("[]").split(",")]
    return f"{key}=[{','.join(map(str, sides))}]"


def check_scale(scale: str) -> str:
    """Raises a UserError for an unknown scale; returns it otherwise."""
    if scale not in (*SCALES, FULL):
        raise UserError(f"scale={scale}: one of {', '.join((*SCALES, FULL))}")
    return scale
