"""Checks of an opened data set, whatever its kind."""

from typing import Any

from tasks.common.errors import UserError
from tasks.data.files.opening import shown
from tasks.data.loading.mixture import as_mixture
from tasks.data.loading.same_files import paths_of, same_files

MOST = 300_000  # images whose bytes are compared: their sizes are looked up in a second or two


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


def report_overlap(train: Any, val: Any, drawable: bool = False) -> None:
    """Report how many images are both trained on and scored: their scores say nothing about new images.

    Files are compared by their bytes; in data sets of more than MOST images only by their paths.

    Args:
        drawable: whether `dataset.val.share` could draw the images to score, and does not.
    """
    learned, scored = ([path for part in parts_of(split) for path in paths_of(part)] for split in (train, val))
    if len(learned) + len(scored) > MOST:
        both = set(map(str, learned))
        pairs = [(path, path) for path in scored if str(path) in both]
    else:
        pairs = same_files(learned, scored)
    if pairs:
        path, same = pairs[0]
        other = "" if path == same else f" ({shown(path)} is {shown(same)}, byte for byte)"
        way = "; dataset.val.share=0.2 draws others, and dataset.val.group=<regex> keeps frames of a video together"
        print(
            f"{len(pairs)} of {len(val)} validation images are also trained on{other}: their scores say little"
            f"{way if drawable and 2 * len(pairs) > len(val) else ''}",
            flush=True,
        )
