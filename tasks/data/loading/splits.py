"""A data set opened for a command."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple


class Splits(NamedTuple):
    """The splits that a command reads.

    Attributes:
        classes: by kind of label.
        train: training samples; None if none are read. An int8 export reads them for calibration.
        val: samples to score.
        broken: names of training images that the check found and reported unreadable.
        sources: for a mixture, names of the data sets that have labels of each kind.
        held: training samples that data.holdout leaves out of `train`.
        holdout: their split's record: see record_of in holdout.py.
        distinct: number of training images if data.share repeats a part of them; 0 if each is there once.
    """

    classes: Mapping[str, Sequence[Any]]
    train: Any
    val: Any
    broken: frozenset[str] = frozenset()
    sources: Mapping[str, Sequence[str]] = MappingProxyType({})
    held: Any = None
    holdout: Mapping[str, Any] | None = None
    distinct: int = 0
