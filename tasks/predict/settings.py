"""Settings of predictions for photos. Checked when they are made, without torch."""

from dataclasses import dataclass
from typing import Self

from tasks.common.errors import UserError
from tasks.config.rules.run import PREDICTION
from tasks.config.rules.values import check_values
from tasks.config.tree import Tree


@dataclass(frozen=True)
class PredictionSettings:
    """Which photos, and how they are read.

    Attributes:
        input: an image, a folder or a glob.
        upright: whether photos are turned as their EXIF data says.
    """

    input: str
    upright: bool

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Of a whole configuration, resolved.

        Raises:
            UserError: for a value outside its rule, and for nothing to predict.
        """
        check_values(tree, PREDICTION, {})
        if tree["mode"] == "predict" and tree["input"] is None:
            raise UserError("mode=predict needs input=<image, folder or glob>")
        return cls(input=str(tree["input"]), upright=tree["upright"])
