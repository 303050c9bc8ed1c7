"""The images that score a recipe search: training images that are held out, never those of val."""

from tasks.data.loading.holdout import hold_out
from tasks.data.loading.mixture import MixedSamples
from tasks.data.loading.splits import Splits
from tasks.data.loading.subset import Subset
from tasks.search.settings import RecipeSettings


def scored_apart(splits: Splits, settings: RecipeSettings) -> tuple[Splits, str]:
    """Images to train on, and held-out training images in the place of val; and a line that says so.

    Raises:
        UserError: if too few images are left on either side.
    """
    train, held, record = splits.train, splits.held, splits.holdout
    if held is None:
        train, held, record = hold_out(splits.train, settings.holdout, "search.holdout")
    count, whole = len(held), len(train) + len(held)
    if len(held) > settings.images and not isinstance(held, MixedSamples):
        held = Subset(held, range(settings.images))
    some = f"{len(held):,} of {count:,}" if len(held) < count else f"{count:,}"
    line = f"scored    on {some} training images held out of {whole:,}; never on val, whose score stays honest"
    return splits._replace(train=train, val=held, held=None, holdout=record), line
