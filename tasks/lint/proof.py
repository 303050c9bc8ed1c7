"""What a rewrite would change in a network."""

from typing import NamedTuple


class Proof(NamedTuple):
    """A rewrite's effect on a network.

    Attributes:
        count: how many operators it replaced.
        difference: the largest of all outputs for noise, relative to each output's largest value; of all rewrites
            together.
    """

    name: str
    what: str
    count: int
    difference: float
