"""What a rewrite would change in a network."""

from collections.abc import Sequence
from typing import NamedTuple

from tasks.deploy.rewrite_table import REWRITES, possible


class Proof(NamedTuple):
    """A rewrite's effect on a network.

    Attributes:
        replaced: how many operators.
        difference: the largest of all outputs for noise, relative to each output's largest value, with all rewrites
            together; None for a file, whose network is not here.
    """

    name: str
    what: str
    replaced: int
    difference: float | None = None

    @property
    def line(self) -> str:
        """In words."""
        told = f"{self.name}: {self.what}, {self.replaced} times"
        if self.difference is None:
            return f"{told}, by an export with export.rewrite"
        return f"{told}; outputs differ by {self.difference:.1e}"


def of_kinds(target: str, kinds: Sequence[str]) -> list[Proof]:
    """What the rewrites for a target would replace in a file with operators of these kinds."""
    return [Proof(name, REWRITES[name].what, count) for name, count in possible(target, kinds).items()]
