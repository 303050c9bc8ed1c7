"""Checks of an opened data set, whatever its kind."""

from typing import Any

from tasks.common.errors import UserError
from tasks.data.files.files import Files
from tasks.data.loading.mixture import as_mixture


def parts_of(samples: Any) -> list[Any]:
    """The samples of each data set; [] for None, a split that is not read."""
    return [] if samples is None else [part.samples for part in as_mixture(samples).parts]


def named_parts(samples: Any) -> list[tuple[str, Any]]:
    """The samples of each data set with its name in the mixture, '' for a single one."""
    return [(part.set_name, part.samples) for part in as_mixture(samples).parts]


def set_white(samples: Any, white: float | None) -> None:
    """Set the value of white in files of more than 8 bits per channel; None leaves it to the files."""
    for part in parts_of(samples):
        if hasattr(part, "white"):
            part.white = white


def check_boxes(samples: Any, use: str) -> None:
    """Raise if samples have boxes among their labels, but not a single box.

    Args:
        use: of the boxes, for the message.

    Raises:
        UserError: with the file that the boxes come from.
    """
    for part in parts_of(samples):
        boxes = getattr(part, "boxes", None)
        if boxes is not None and boxes.crowd.all():
            raise UserError(f"{part.source} has no box to {use}: add images with objects to this split")


def report_overlap(train: Any, val: Any) -> None:
    """Report how many images are both trained on and scored: their scores say nothing about new images."""
    both = sum(shared(learned, scored) for learned in parts_of(train) for scored in parts_of(val))
    if both:
        print(f"{both} of {len(val)} validation images are also trained on: their scores say little", flush=True)


def shared(train: Any, val: Any) -> int:
    """Number of files of `val` that are also in `train`."""
    if not (isinstance(train, Files) and isinstance(val, Files)):
        return 0
    folders = train.folder.resolve(), val.folder.resolve()
    if folders[0] not in (folders[1], *folders[1].parents) and folders[1] not in folders[0].parents:
        return 0  # nearly always; a million paths would take a second
    learned, scored = (
        [f"{folder}/{samples.files[index]}" for index in range(len(samples))]
        for folder, samples in zip(folders, (train, val), strict=True)
    )
    return len(set(scored).intersection(learned))
