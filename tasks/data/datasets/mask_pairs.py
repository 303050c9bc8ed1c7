"""What to do about images without label file, and label files without image."""

from collections.abc import Sequence
from pathlib import Path

from tasks.common.errors import UserError
from tasks.data.files.pairs import Pairs
from tasks.data.files.patterns import Pattern
from tasks.data.files.walk import found_in


def reported(found: Pairs, root: Path, images: Pattern, labels: str, *, skip: bool) -> Pairs:
    """The pairs; what has no partner is refused or printed.

    Args:
        root: of the data set.
        images: pattern of the images' paths below it.
        labels: pattern of the label files' paths, for messages.
        skip: whether images without label file are left out.

    Raises:
        UserError: for no pair, or an image without label file unless these are skipped.
    """
    where = root / images.folder
    if not found.images and not found.alone:
        raise UserError(f"no image in {where} (dataset.images={images.text}): {found_in(where)}")
    if not found.images:
        raise UserError(
            f"none of {len(found.alone)} images in {where} has a label file like {labels}, such as "
            f"{found.alone[0]}; set dataset.masks and dataset.template"
        )
    if found.alone and not skip:
        raise UserError(
            f"{len(found.alone)} of {len(found.alone) + len(found.images)} images in {where} have no label file "
            f"like {labels}: {some(found.alone)}; dataset.unlabelled=skip leaves them out"
        )
    for names, what in (
        (found.alone, "images left out, without label file"),
        (found.lost, "label files without image"),
    ):
        if names:
            print(f"{len(names)} {what}: {some(names)}", flush=True)
    return found


def some(names: Sequence[str]) -> str:
    """The first names, for a message."""
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
