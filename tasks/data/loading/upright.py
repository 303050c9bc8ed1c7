"""Whether a run reads photos upright: settled for its data before it reads them, and answered for its checkpoint."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, NamedTuple

import numpy as np

from tasks.common.errors import UserError
from tasks.data.datasets.turn_reports import Untold
from tasks.data.files.files import Files
from tasks.data.loading.mixture import as_mixture, named


class Answer(NamedTuple):
    """How a part of the data reads photos.

    Attributes:
        upright: None if it has no photo with an EXIF turn, as far as was looked, and may read them either way.
        turned: whether it has some, as far as was looked.
    """

    upright: bool | None
    turned: bool


def follow(samples: Any, upright: bool | None) -> None:
    """Read images of which only the label is known as the run's network sees photos; upright if that is open."""
    for part in [] if samples is None else as_mixture(samples).parts:
        if isinstance(part.samples, Files):
            part.samples.follow(upright is not False)


def look_at_turns(samples: Any) -> None:
    """Look for photos with an EXIF turn, where every file is not checked.

    Raises:
        UserError: that asks for the key, if the labels of some may lie either way.
    """
    for part in as_mixture(samples).parts:
        if hasattr(part.samples, "look_at_turns"):
            with named(part.set_name) if part.set_name else nullcontext():
                part.samples.look_at_turns()


@contextmanager
def both_counted(train: Any) -> Iterator[None]:
    """Inside, validation images are looked at: an error about their EXIF turns counts those of training images too.

    Args:
        train: training images; None if none are read.
    """
    try:
        yield
    except Untold as error:
        if train is None:
            raise
        try:
            look_at_turns(train)
        except Untold as other:
            raise error.with_training(other) from None
        except UserError:
            pass  # found again once dataset.upright answers for these photos
        raise


def answer_for(splits: Iterable[Any]) -> bool:
    """Whether a network trained or scored on these samples sees photos upright; answers that differ are printed.

    True if any part of the data does, or if all that leave it open have no photo with an EXIF turn: people's photos are
    shown upright. A data set that does not say (`dataset.upright`) is read as stored.
    """
    answers = {
        answer
        for samples in splits
        if samples is not None
        for part in as_mixture(samples).parts
        for answer in answers_of(part.samples)
    }
    upright = not answers or any(answer.upright is not False for answer in answers)
    if {answer.upright for answer in answers if answer.turned} >= {True, False}:
        print(
            "some photos with an EXIF turn are read upright and others as stored, as their labels lie: mode=predict "
            "reads photos upright (upright=false: as stored)",
            flush=True,
        )
    return upright


def answers_of(samples: Any) -> list[Answer]:
    """The answers of one data set: two if the sizes of its annotations tell different things."""
    upright = getattr(samples, "upright", False)
    if upright != "auto":
        turns = getattr(samples, "turns", None)
        return [Answer(bool(upright), turns is not None and bool(np.any(turns.known > 1)))]
    seen = getattr(samples, "seen", None)
    told = [] if seen is None else [side for side, count in ((True, seen.upright), (False, seen.stored)) if count]
    return [Answer(side, True) for side in told] or [Answer(None, False)]


def answer_without_data(dataset: Mapping[str, Any]) -> bool:
    """The answer for a network whose data is not opened, from the configuration of its data set."""
    return dataset.get("upright", False) is not False
