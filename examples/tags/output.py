"""Writes an image's tags, predicted by a checkpoint or an exported file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tasks.common.labels import Pixels
from tasks.common.output import Found, Layer, Output
from tasks.common.parity import Agreement, Parity, Result


def there(found: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
    """(C) which classes are present, from their `logits` or `probabilities`."""
    return found["logits"] > 0 if "logits" in found else found["probabilities"] > 0.5


class TagsOutput(Output):
    """Writes the tags to the index; a picture would add nothing."""

    layer: ClassVar[Layer] = Layer.CAPTION

    def __init__(self, classes: Sequence[str]) -> None:
        self.names = list(classes)

    @classmethod
    def of_model_json(cls, entry: Mapping[str, Any]) -> Self:
        return cls(entry["classes"])

    def result(self, found: Found) -> dict[str, Any]:
        """`tags`: names of the present classes."""
        return {"tags": self.tags(found)}

    def write(self, found: Found, _folder: Path, _name: Path) -> dict[str, Any]:
        return {"tags": self.summary(found)}

    def overlay(self, image: Pixels, _found: Found, _covered: bool) -> Pixels:
        return image

    def summary(self, found: Found) -> str:
        return " ".join(self.tags(found)) or "nothing"

    def tags(self, found: Found) -> list[str]:
        return [name for name, is_there in zip(self.names, there(found), strict=True) if is_there]


class SameTags(Parity):
    """The share of classes on which file and checkpoint agree, over all images."""

    least: ClassVar[Mapping[str, float]] = {"fp32": 0.99, "fp16": 0.95, "bf16": 0.9, "int8": 0.75}

    def agreement(self, ours: Result, theirs: Result, _made_of: None, _precision: str) -> Agreement:
        same = there(ours) == there(theirs)
        return Agreement(int(same.sum()), len(same))

    def title(self, _agreements: Sequence[Agreement]) -> str:
        return "same tags"
