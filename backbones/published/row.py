"""One row of a paper's table of networks."""

from collections.abc import Callable
from typing import NamedTuple

from backbones.base import Backbone
from backbones.published.shapes import Counts

UNITS = {"M": 1_000_000, "G": 1_000_000_000, "B": 1_000_000_000}


class Figure(NamedTuple):
    """A number as it is printed: "0.2B" is 200,000,000, give or take 50,000,000."""

    value: int
    rounding: float

    @classmethod
    def read(cls, text: str) -> "Figure | None":
        """The number that a text such as "4.2M" or "3.86G" prints; "-" is none."""
        if text == "-":
            return None
        number, unit = text[:-1], UNITS[text[-1]]
        decimals = len(number.partition(".")[2])
        return cls(round(float(number) * unit), 0.5 * unit / 10**decimals)

    def prints(self, count: int) -> bool:
        """Whether this is what remains of a count when it is rounded."""
        return abs(count - self.value) <= self.rounding

    def difference(self, count: int) -> float:
        """How much more the count is, as a fraction of what is printed."""
        return count / self.value - 1


class Published(NamedTuple):
    """A network with its size as printed and as its definition gives it.

    Attributes:
        backbone: the name it has in conf/backbone.
        variant: what the row changes about it; "" for the network as its paper presents it.
        build: makes it, without arguments.
        paper: parameters and multiply-adds as the paper (or the authors' page) prints them: "4.2M 569M", parameters
            alone "45.7M", multiply-adds alone "- 418M", neither "-".
        measured: millions of trainable parameters and of multiply-adds of the definition; a check compares with these.
        size: image height and width.
        classes: of the classifier that is counted with it.
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
        """What `paper` says of parameters and of multiply-adds; "-" where it says nothing."""
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
        """Whether the printed figures are the counts: rounded, with or without BatchNorm's; MAdds also within 1 %."""
        params, madds = self.paper_params, self.paper_madds
        return (params is None or params.prints(counts.params) or params.prints(counts.params_without_norm)) and (
            madds is None or madds.prints(counts.madds) or abs(madds.difference(counts.madds)) <= 0.01
        )
