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
        crop: height and width at which DeepLab's authors count; None where they did not.
        scales: of the images whose results are averaged; if there are several, each is also mirrored.
    """

    name: str
    backbone: Callable[[], Backbone]
    head: Callable[[Backbone], Head]
    height: int
    width: int
    paper: str
    measured: tuple[float, float]
    head_only: bool = False
    crop: tuple[int, int] | None = None
    scales: tuple[float, ...] = (1.0,)

    @property
    def printed(self) -> tuple[Figure | None, Figure | None]:
        """The paper's parameters and multiply-adds."""
        params, madds = [*self.paper.split(), "-"][:2]
        return Figure.read(params), Figure.read(madds)

    def passes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Sizes of the images that the network processes for one image of this size."""
        scaled = [(int((height - 1) * scale) + 1, int((width - 1) * scale) + 1) for scale in self.scales]
        return scaled if len(scaled) == 1 else 2 * scaled
