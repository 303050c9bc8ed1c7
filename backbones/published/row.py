"""One row of a paper's table of networks."""

from collections.abc import Callable
from typing import NamedTuple

from backbones.base import Backbone


class Published(NamedTuple):
    """A network with its size as printed and as its definition gives it.

    Attributes:
        backbone: the name it has in conf/backbone.
        variant: what the row changes about it; "" for the network as its paper presents it.
        build: makes it, without arguments.
        paper: parameters and multiply-adds as the paper (or the authors' page) prints them.
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
