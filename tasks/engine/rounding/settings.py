"""Settings of quantisation-aware training. Without torch."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Self

from tasks.common.errors import UserError
from tasks.config.rules.run import QUANTISE
from tasks.config.rules.values import check_values
from tasks.config.tree import Tree, select

INSTALL = 'pip install "mobilevision[quantise]"'


@dataclass(frozen=True)
class RoundingSettings:
    """Whose rounding a network is trained with, see `quantise` in conf/base.yaml.

    Attributes:
        form: of the int8 file: onnx, openvino or litert.
        images: number of images that give the first ranges.
    """

    form: str
    images: int

    @classmethod
    def of(cls, tree: Tree) -> Self | None:
        """Read from a complete configuration; None without it, and for older ones, which lack the keys."""
        if not select(tree, "quantise.aware"):
            return None
        return cls(select(tree, "quantise.format"), select(tree, "quantise.images"))


def check_rounding(tree: Tree) -> None:
    """Check that quantisation-aware training has what it needs and fits the rest.

    Raises:
        UserError: for a value that violates its rule, a mode, a start or a precision that it is not for, a mixture with
            separate statistics, and a missing package.
    """
    check_values(tree, {}, QUANTISE)
    if not select(tree, "quantise.aware") or tree["mode"] not in ("train", "search"):
        return
    if tree["mode"] == "search":
        raise UserError("quantise.aware=true is for mode=train: train what a search has found")
    if tree["checkpoint"] is None and tree["resume"] is None:
        raise UserError("quantise.aware=true needs checkpoint=<file.ckpt>: it fine-tunes a network that is trained")
    if tree.get("batchnorm") == "separate":
        raise UserError("quantise.aware=true: batchnorm=separate has several networks in one; an int8 file is one")
    precision = select(tree, "trainer.precision")
    if str(precision) not in ("32", "32-true"):
        raise UserError(f"quantise.aware=true imitates int8 in float32: trainer.precision=32-true, not {precision}")
    if tree["ema"] is not None:
        raise UserError(f"quantise.aware=true: ema={tree['ema']} would mix networks of different ranges: ema=null")
    if find_spec("torchao") is None:
        raise UserError(f"quantise.aware=true needs torchao: {INSTALL}")


@contextmanager
def needs_torchao() -> Iterator[None]:
    """Raises a UserError for an import that fails: a checkpoint may come from elsewhere."""
    try:
        yield
    except ImportError as error:
        raise UserError(f"a network trained with quantise.aware=true needs torchao: {INSTALL}") from error
