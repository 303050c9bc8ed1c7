"""How often images are drawn, by how rare the classes are that they show: any number of classes per image."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.common.labels import VOID, Pixels
from tasks.data.files.samples import Samples, key_of

NO_PIXELS = np.zeros((1, 1, 3), np.uint8)


class Often(NamedTuple):
    """How often each image is drawn in an epoch.

    Attributes:
        weights: (N,) relative to each other.
        line: what is reported about them; "" if there is nothing to say.
    """

    weights: NDArray[np.float64]
    line: str


def repeat_factors(present: NDArray[np.bool_], threshold: float) -> NDArray[np.float64]:
    """(N,) how often each image is drawn (Gupta et al., CVPR 2019, arXiv:1908.03195, section 5.3, "repeat factor").

    A class that is in a share f of the images has factor max(1, √(threshold / f)); an image has the largest factor of
    its classes, 1 without any.

    Args:
        present: (N, C) whether an image shows a class.
        threshold: share of the images below which a class is rare.
    """
    share = present.mean(0)
    factors = np.sqrt(np.maximum(1.0, threshold / np.where(share > 0, share, 1.0)))
    result: NDArray[np.float64] = np.where(present, factors, 1.0).max(1, initial=1.0)
    return result


def class_uniform(present: NDArray[np.bool_], balance: float) -> NDArray[np.float64]:
    """(N,) weights, 1 on average, so that `balance` of the draws take a class first, all equally often.

    Then one of the images with that class is drawn, all equally often (class uniform sampling: Zhu et al., CVPR 2019,
    arXiv:1812.01593, section 3.4). The other draws take images as they come.
    """
    images = present.sum(0)
    shown = present[:, images > 0] / images[images > 0]
    if not shown.shape[1]:
        return np.ones(len(present))
    result: NDArray[np.float64] = (1 - balance) + balance * shown.mean(1) * len(present)
    return result


def often(samples: Any, kinds: Sequence[str], repeat_factor: float, balance: float) -> Often | None:
    """How often the images of a data set are drawn; None if all equally often.

    Args:
        samples: of one data set.
        kinds: of its labels.
        repeat_factor: threshold of repeat_factors(); 0 for none.
        balance: of class_uniform(); 0 for none.
    """
    present = present_classes(samples, kinds)
    if not (repeat_factor or balance) or not present.any():
        return None
    weights = repeat_factors(present, repeat_factor) if repeat_factor else class_uniform(present, balance)
    largest = float(weights.max() / weights.min())
    drawn = int((weights > weights.min() * (1 + 1e-9)).sum())
    rarest = int(np.where(present.any(0), present.sum(0), len(present) + 1).argmin())
    said = f"data.repeat_factor={repeat_factor:g}" if repeat_factor else f"data.balance={balance:g}"
    line = (
        f"{said}: {drawn} of {len(weights)} images are drawn more often than others, up to {largest:.1f} times as often"
    )
    return Often(weights, f"{line}; the rarest class is in {int(present[:, rarest].sum())}")


def present_classes(samples: Any, kinds: Sequence[str]) -> NDArray[np.bool_]:
    """(N, C) whether an image shows a class; the classes of several kinds of labels stand side by side.

    Images are not decoded; label maps are. Files that cannot be read show nothing.
    """
    found = [np.zeros((len(samples), 0), bool)]
    if "label" in kinds:
        labels = samples.class_labels()
        found.append(labels[:, None] == np.arange(labels.max(initial=-1) + 1))
    if "multilabel" in kinds:
        found.append(samples.label_matrix() > 0)
    for kind in ("boxes", "mask"):
        if kind in kinds:
            with thread_pool() as pool:
                rows = list(pool.map(partial(numbers_in, samples, key_of(kind)), range(len(samples))))
            matrix = np.zeros((len(rows), VOID + 1 if kind == "mask" else 1 + max(map(max_or_none, rows))), bool)
            for row, numbers in zip(matrix, rows, strict=True):
                row[numbers] = True
            found.append(matrix[:, :VOID] if kind == "mask" else matrix)
    return np.concatenate(found, 1)


def numbers_in(samples: Samples, key: str, index: int) -> NDArray[np.int64]:
    """Class numbers of an image's boxes or mask."""
    if key == "bboxes":
        truth = samples.annotations(index)
        return truth.labels[~truth.crowd]
    try:
        return np.flatnonzero(np.bincount(samples.read(index, no_pixels)[key].ravel(), minlength=VOID + 1))
    except UserError:  # reported when it is checked or drawn
        return np.empty(0, np.int64)


def no_pixels(_source: Any) -> Pixels:
    """A view that decodes nothing."""
    return NO_PIXELS


def max_or_none(numbers: NDArray[np.int64]) -> int:
    return int(numbers.max(initial=-1))


def drawn_by_weight(weights: NDArray[np.float64], draws: int, generator: np.random.Generator) -> NDArray[np.int64]:
    """(draws,) indices in random order, each as often as its share of the weights says, give or take one.

    Systematic sampling: the shares lie end to end in random order, and every whole number after a random start draws
    the image on whose share it falls, so that on average each is drawn exactly as often as its share.
    """
    order = generator.permutation(len(weights))
    ends = np.cumsum(weights[order])
    ends *= draws / ends[-1]
    ends[-1] = draws
    marks = np.floor(np.concatenate(([0.0], ends)) + generator.random()).astype(np.int64)
    return generator.permutation(np.repeat(order, np.diff(marks)))
