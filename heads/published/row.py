"""One row of a paper's table of networks with their heads."""

from collections.abc import Callable
from typing import NamedTuple

from backbones.base import Backbone
from backbones.published.row import Figure
from heads.base import Head


class Published(NamedTuple):
    """How to build a network, at which image size, and what it should cost.

    Attributes:
        paper: parameters and multiply-adds as printed: "2.11M 21.29B", "- 2.48B", or "-".
        measured: the definition's parameters and multiply-adds in millions; used as a check.
        head_only: whether the paper counts the head without its backbone.
    """

    name: str
    backbone: Callable[[], Backbone]
    head: Callable[[Backbone], Head]
    height: int
    width: int
    paper: str
    measured: tuple[float, float]
    head_only: bool = False

    @property
    def printed(self) -> tuple[Figure | None, Figure | None]:
        """The paper's parameters and multiply-adds."""
        params, madds = [*self.paper.split(), "-"][:2]
        return Figure.read(params), Figure.read(madds)
