"""Images on which NetAdapt scores its proposals: never ones that the seed was trained on."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from tasks.common.errors import UserError
from tasks.data.loading.holdout import hold_out
from tasks.data.loading.splits import Splits
from tasks.data.loading.subset import Subset
from tasks.engine.holdout_checks import check_same_split
from tasks.search.settings import NarrowSettings

PART = 0.5  # of the validation images for search.score_on=validation; the comparison has the other half


class Scoring(NamedTuple):
    """What is trained on and scored.

    Attributes:
        proposals: splits of the short trainings.
        comparison: splits of the last training and of all networks compared.
        images: the images that proposals are scored on, in words.
    """

    proposals: Splits
    comparison: Splits
    images: str


def scoring(settings: NarrowSettings, splits: Splits, trained: Mapping[str, Any] | None, seed: str) -> Scoring:
    """Choose the images. None of them is trained on, neither by the seed nor by the search or what it compares.

    Args:
        trained: the record of the seed's held-out images; None if it was trained on all.
        seed: path of the checkpoint, for messages.

    Raises:
        UserError: if no training image is new to the seed, or its data set has changed.
    """
    check_same_split(trained, splits.holdout, seed)
    if settings.score_on == "validation":
        compared, scored, _ = hold_out(splits.val, PART, "search.score_on=validation")
        images, comparison = "validation images that the comparison leaves out", splits._replace(val=compared)
    elif trained is None:
        raise UserError(
            f"{seed} was trained on all training images, which cannot score proposals: train it with data.holdout=0.15,"
            " or score on half of the validation images with search.score_on=validation"
        )
    else:
        scored, images, comparison = splits.held, "training images that no network is trained on", splits
    count = min(settings.images, len(scored))
    return Scoring(splits._replace(val=Subset(scored, range(count))), comparison, f"{count} {images}")
