"""Which classes a data set has whose files name the class of each object: `dataset.classes`."""

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError, not_one_of

SHOWN = 20  # names that a message proposes to type


def check_classes(classes: object, words: Sequence[str]) -> str | list[str]:
    """Check `dataset.classes`: one of the words, or distinct names.

    Raises:
        UserError: for anything else.
    """
    if isinstance(classes, str) and classes in words:
        return classes
    if isinstance(classes, str) or not isinstance(classes, Sequence) or not classes:
        raise UserError(f"dataset.classes={classes} {not_one_of(classes, (*words, '[name, …]'))}")
    names = [str(name) for name in classes]
    for name in names:
        if names.count(name) > 1:
            raise UserError(f"dataset.classes={classes} names {name} {names.count(name)} times")
    return names


def typed(names: Collection[str]) -> str:
    """Class names as a key of the command line."""
    return f"dataset.classes=[{','.join(sorted(names)[:SHOWN])}{',…' if len(names) > SHOWN else ''}]"


def listed(names: Sequence[str], most: int = 8) -> str:
    """Class names for a message."""
    return f"{', '.join(names[:most])}{', …' if len(names) > most else ''}"


def check_learned(names: Sequence[str], trained: NDArray[np.int64], scored: NDArray[np.int64], source: object) -> None:
    """Check that every class to score can be learned, where validation images are drawn.

    Args:
        names: of all classes.
        trained, scored: class numbers of the objects of either side.

    Raises:
        UserError: for a class that all training images lack.
    """
    only = [names[number] for number in sorted(set(scored.tolist()) - set(trained.tolist()))]
    if only:
        raise UserError(
            f"{source}: all objects of class {listed(only)} are in the validation images that were drawn: another "
            f"dataset.val.seed draws others; {typed(names)} keeps such classes, never learned"
        )
