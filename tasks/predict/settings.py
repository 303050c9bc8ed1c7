"""Settings of predictions for photos. Validated on construction, without torch."""

from dataclasses import dataclass
from typing import Self

from tasks.common.errors import UserError
from tasks.config.rules.run import PREDICTION
from tasks.config.rules.values import check_values
from tasks.config.tree import Tree


@dataclass(frozen=True)
class PredictionSettings:
    """Which photos to predict, and how to read them.

    Attributes:
        input: an image, a folder or a glob.
        upright: whether photos are rotated according to their EXIF orientation; None as in training.
    """

    input: str
    upright: bool | None

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read from a complete, resolved configuration.

        Raises:
            UserError: for a value that violates its rule, or if there is nothing to predict.
        """
        check_values(tree, PREDICTION, {})
        if tree["mode"] == "predict" and tree["input"] is None:
            raise UserError("mode=predict needs input=<image, folder or glob>")
        return cls(input=str(tree["input"]), upright=tree["upright"])
