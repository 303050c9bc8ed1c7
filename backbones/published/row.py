"""One row of a paper's table of networks."""

from collections.abc import Callable
from typing import NamedTuple

from backbones.base import Backbone
from backbones.published.shapes import Counts

UNITS = {"M": 1_000_000, "G": 1_000_000_000, "B": 1_000_000_000}


class Figure(NamedTuple):
    """A number as printed: "0.2B" is 200,000,000, give or take 50,000,000."""

    value: int
    rounding: float

    @classmethod
    def read(cls, text: str) -> "Figure | None":
        """Parse a text such as "4.2M" or "3.86G"; None for "-"."""
        if text == "-":
            return None
        number, unit = text[:-1], UNITS[text[-1]]
        decimals = len(number.partition(".")[2])
        return cls(round(float(number) * unit), 0.5 * unit / 10**decimals)

    def prints(self, count: int) -> bool:
        """Whether a count rounds to this number."""
        return abs(count - self.value) <= self.rounding

    def difference(self, count: int) -> float:
        """Difference of a count from the printed number, relative to it."""
        return count / self.value - 1


class Published(NamedTuple):
    """A network with its printed size and the size of its definition.

    Attributes:
        backbone: its name in conf/backbone.
        variant: what the row changes about it; "" for the paper's main version.
        build: builds it, without arguments.
        paper: parameters and multiply-adds as printed in the paper (or on the authors' page): "4.2M 569M", only
            parameters "45.7M", only multiply-adds "- 418M", neither "-".
        measured: the definition's trainable parameters and multiply-adds in millions; used as a check.
        size: image height and width.
        classes: of the classifier counted with it.
        note: what cannot be reproduced, and why.
    """

    backbone: str
    variant: str
    build: Callable[[], Backbone]
    paper: str
    measured: tuple[float, float]
    size: int = 224
    classes: int = 1000
    note: str = ""

    @property
    def printed(self) -> tuple[str, str]:
        """Parameters and multiply-adds in `paper`; "-" if not printed."""
        params, madds = [*self.paper.split(), "-"][:2]
        return params, madds

    @property
    def paper_params(self) -> Figure | None:
        """The printed number of parameters."""
        return Figure.read(self.printed[0])

    @property
    def paper_madds(self) -> Figure | None:
        """The printed number of multiply-adds."""
        return Figure.read(self.printed[1])

    def agrees(self, counts: Counts) -> bool:
        """Whether the printed figures match the counts: rounded, with or without BatchNorm's; MAdds also within 1 %."""
        params, madds = self.paper_params, self.paper_madds
        return (params is None or params.prints(counts.params) or params.prints(counts.params_without_norm)) and (
            madds is None or madds.prints(counts.madds) or abs(madds.difference(counts.madds)) <= 0.01
        )
