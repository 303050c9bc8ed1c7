"""Colours for classes whose data set has none."""

from collections.abc import Sequence

Colour = tuple[int, int, int]
BLACK = (0, 0, 0)  # of background, as in Pascal VOC's pictures


def palette(count: int) -> list[Colour]:
    """Distinct colours: those of Pascal VOC's colour map (VOC 2012 devkit, VOClabelcolormap), from its second on.

    Its first is black, which pictures use for void.
    """
    return [colour(number % 255 + 1) for number in range(count)]


def class_colours(names: Sequence[str]) -> list[Colour]:
    """A colour for each class: black for the one called background, those of `palette` for the others."""
    others = iter(palette(len(names)))
    return [BLACK if name.casefold().strip("_ ") == "background" else next(others) for name in names]


def colour(number: int) -> Colour:
    """A colour of VOC's map: the number's bits are dealt out to red, green and blue, most significant places first."""
    red = green = blue = 0
    for place in range(7, -1, -1):
        red |= (number & 1) << place
        green |= (number >> 1 & 1) << place
        blue |= (number >> 2 & 1) << place
        number >>= 3
    return red, green, blue
