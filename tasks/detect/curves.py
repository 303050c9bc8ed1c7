"""Precision-recall curves."""

from collections.abc import Sequence
from textwrap import shorten
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.charts import INK, prepare
from tasks.common.legend import Colour
from tasks.detect.draw import colour_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Numbers = NDArray[np.floating]
GREY = "#cdcdcd"
NAMED, WORST = 20, 10  # above NAMED classes, only the WORST are named
LETTERS = 24  # of a name in the legend


class Curve(NamedTuple):
    """A class, or the mean of all."""

    name: str
    colour: str
    width: float
    precisions: tuple[Numbers, Numbers]  # (101) in each chart
    ap50: float


class Curves(NamedTuple):
    """What is drawn: unnamed curves, those in the legend, and the names of classes without truth."""

    grey: list[Curve]
    named: list[Curve]
    absent: list[str]


def precision_recall(
    precision: Numbers, precision75: Numbers, names: Sequence[str], ap50: Sequence[float | None]
) -> Curves:
    """A curve for each class, the best class first.

    With more than 20 classes only the mean and the ten worst have names and colours; the others are grey. Classes
    without truth are only listed.

    Args:
        precision, precision75: (101, K) at recalls 0 to 1, counting a box as right from an IoU of 0.5 or 0.75;
            -1 or NaN for classes without truth.
        names, ap50: (K).
    """
    known = np.array([column.min() >= 0 for column in precision.T])
    curves = [
        Curve(names[k], hexadecimal(colour_of(k)), 1.5, (precision[:, k], precision75[:, k]), float(ap50[k] or 0))
        for k in np.flatnonzero(known).tolist()
    ]
    curves.sort(key=lambda curve: -curve.ap50)
    absent = [name for name, is_known in zip(names, known, strict=True) if not is_known]
    if len(curves) <= NAMED:
        return Curves([], curves, absent)
    mean = (precision[:, known].mean(1), precision75[:, known].mean(1))
    average = Curve(f"mean of {len(curves)}", INK, 3, mean, sum(curve.ap50 for curve in curves) / len(curves))
    grey = [curve._replace(colour=GREY, width=0.75) for curve in curves[:-WORST]]
    return Curves(grey, [average, *curves[-WORST:]], absent)


def draw_curves(figure: "Figure", curves: Curves) -> None:
    """Draw a chart for each of the two overlaps, and a legend with the average precisions."""
    for number, (axes, overlap) in enumerate(zip(figure.subplots(1, 2), (0.5, 0.75), strict=True)):
        prepare(axes, "recall", f"precision at IoU {overlap}")
        axes.set(xlim=(0, 1.01), ylim=(0, 1.01), aspect="equal")
        for curve in (*curves.grey, *reversed(curves.named)):  # the first named one is on top
            axes.plot(*corners(curve.precisions[number]), color=curve.colour, linewidth=curve.width)
    lines = list(reversed(figure.axes[0].lines))[: len(curves.named)]
    texts = [f"{curve.ap50:.3f}   {curve.precisions[1].mean():.3f}   {clipped(curve.name)}" for curve in curves.named]
    if curves.grey:
        lines.append(figure.axes[0].lines[0])
        texts.append(f"the {len(curves.grey)} better ones")
    legend = figure.legend(
        lines,
        ["-"] * len(lines),
        loc="outside right upper",
        title=f"{' ' * 9}AP50     AP75",
        alignment="left",
        handlelength=1,
        frameon=False,
    )
    for entry, text in zip(legend.get_texts(), texts, strict=True):  # literal, even with a $ or a leading underscore
        entry.set(text=text, parse_math=False)
    if curves.absent:
        names = shorten(", ".join(curves.absent), 140, placeholder=" …")
        text = f"{len(curves.absent)} without truth: {names}"
        figure.supxlabel(text, x=0.01, horizontalalignment="left", fontsize=10, parse_math=False)


def corners(precision: Numbers) -> tuple[list[float], list[float]]:
    """Recalls and precisions of a curve (101), which drops to 0 after the highest recall reached."""
    reached = np.flatnonzero(precision > 0)
    heights = precision[: reached[-1] + 1].tolist() if len(reached) else [0.0]
    recalls = [k / 100 for k in range(len(heights))]
    return (recalls, heights) if len(heights) == len(precision) else ([*recalls, recalls[-1]], [*heights, 0.0])


def hexadecimal(colour: Colour) -> str:
    """A colour in matplotlib's notation."""
    red, green, blue = colour
    return f"#{red:02x}{green:02x}{blue:02x}"


def clipped(name: str) -> str:
    """A name shortened to fit the legend."""
    return name if len(name) <= LETTERS else f"{name[: LETTERS - 1]}…"
