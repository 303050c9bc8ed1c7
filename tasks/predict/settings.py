"""Settings of predictions for photos and videos. Validated on construction, without torch."""

from dataclasses import dataclass
from typing import NamedTuple, Self

from tasks.common.errors import UserError
from tasks.config.rules.run import PREDICTION
from tasks.config.rules.values import check_values
from tasks.config.tree import Tree


class Frames(NamedTuple):
    """Which frames of a video are predicted.

    Attributes:
        every: every n-th frame.
        most: of each video; None for all.
    """

    every: int = 1
    most: int | None = None


@dataclass(frozen=True)
class PredictionSettings:
    """What to predict, and how to read it.

    Attributes:
        input: see tasks/predict/sources.py.
        frames: of videos.
        upright: whether photos are rotated according to their EXIF orientation; None as in training.
    """

    input: str
    frames: Frames
    upright: bool | None

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read from a complete, resolved configuration.

        Raises:
            UserError: for a value that violates its rule, or if there is nothing to predict.
        """
        check_values(tree, PREDICTION, {})
        if tree["mode"] == "predict" and tree["input"] is None:
            raise UserError("mode=predict needs input=<image, video, folder, glob, list.txt, address or camera>")
        frames = Frames(tree["predict"]["every"], tree["predict"]["frames"])
        return cls(input=str(tree["input"]), frames=frames, upright=tree["upright"])
