"""Charts with axes, drawn by matplotlib (the extra `plots`): networks by cost and worth, and their Pareto front."""

import io
import warnings
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from tasks.common.writing import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.path import Path as MatplotlibPath
    from matplotlib.text import Annotation
    from matplotlib.transforms import Bbox

Spot = tuple[int, int, str, str]
INK, GRID, PALE, FRONT = "#1e1e1e", "#e8e8e8", "#969696", "#c83c1e"
SPOTS: tuple[Spot, ...] = (  # allowed positions of a name relative to its point: offset in points, alignment
    (8, 0, "left", "center"),
    (-8, 0, "right", "center"),
    (0, 7, "center", "bottom"),
    (0, -7, "center", "top"),
    (6, 5, "left", "bottom"),
    (6, -5, "left", "top"),
    (-6, 5, "right", "bottom"),
    (-6, -5, "right", "top"),
)


class Style(NamedTuple):
    """How one kind of point is drawn.

    Attributes:
        heading: in the legend; "" for none.
        colour: None for red on the front and pale elsewhere; with its own colour, a point on the front has a red ring.
        joined: whether the points are joined by a line, starting at the cheapest.
        named: which points are labelled; "on the front": those on the front that have room for a name.
    """

    heading: str = ""
    colour: str | None = None
    joined: bool = False
    named: Literal["all", "on the front", "none"] = "all"


class Point(NamedTuple):
    """A network: its name, its cost (less is better) and its worth (more is better)."""

    name: str
    cost: float
    worth: float
    style: Style = Style()


def write_chart(path: Path, draw: Callable[["Figure"], None], width: float, height: float) -> str:
    """Draw a chart and write it as PNG.

    Args:
        draw: fills an empty figure.
        width, height: in hundreds of pixels.

    Returns:
        A line with the picture's path, or with what is missing to draw it.
    """
    if find_spec("matplotlib") is None:
        return f'no picture {path.name} without matplotlib: pip install "mobilevision[plots]"'
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.08)  # inches: labels of axes with a fixed shape stay inside
    figure, encoded = Figure((width, height), dpi=100, layout=layout), io.BytesIO()
    FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # names in any script
        draw(figure)
        figure.savefig(encoded, format="png")
    with replacing(path) as file:
        file.write(encoded.getvalue())
    return f"picture   {path}"


def prepare(axes: "Axes", across: str, up: str) -> None:
    """Name the axes, and draw a pale grid below everything else."""
    axes.set_xlabel(across, parse_math=False)
    axes.set_ylabel(up, parse_math=False)
    axes.grid(color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def front(points: Sequence[Point]) -> list[int]:
    """Indices of the points that no other point beats (the Pareto front), from the cheapest to the most worth."""
    chosen: list[int] = []
    for number in sorted(range(len(points)), key=lambda n: (points[n].cost, -points[n].worth)):
        if not chosen or points[number].worth > points[chosen[-1]].worth:
            chosen.append(number)
    return chosen


def draw_front(figure: "Figure", points: Sequence[Point], cost: str, worth: str, *, from_zero: bool = True) -> None:
    """Draw the points with their names; a line joins those on the front.

    Args:
        cost, worth: names of the axes.
        from_zero: whether the cost axis starts at 0 instead of the lowest cost.
    """
    axes, best = figure.subplots(), front(points)
    prepare(axes, cost, worth)
    styles = dict.fromkeys(point.style for point in points)
    for style in sorted(styles, key=lambda style: style.colour is not None):  # pale ones below
        own = sorted((point.cost, point.worth) for point in points if point.style == style)
        shape = "o-" if style.joined else "o"
        axes.plot(*zip(*own, strict=True), shape, color=style.colour or PALE, label=style.heading or "_", linewidth=1)
    line = [(points[number].cost, points[number].worth) for number in best]
    axes.plot(*zip(*line, strict=True), color=FRONT, label="Pareto front", linewidth=1)
    for number in best:
        _, x, y, style = points[number]
        axes.plot(x, y, "o", color=style.colour or FRONT, markeredgecolor=FRONT, markeredgewidth=1.5)
    axes.margins(0.08)
    if from_zero:
        axes.set_xlim(0, 1.08 * max(point.cost for point in points) or 1)
    figure.legend(loc="outside upper right", ncols=6, frameon=False)
    figure.draw_without_rendering()  # fixes the position of the axes
    write_names(axes, points, best)


def write_names(axes: "Axes", points: Sequence[Point], best: Sequence[int]) -> None:
    """Write names where they cover no point, line or other name, those on the front first."""
    from matplotlib.transforms import Bbox

    dots = axes.transData.transform([(point.cost, point.worth) for point in points])
    taken = [Bbox([dot - 4, dot + 4]) for dot in dots]
    lines = [line.get_path().transformed(axes.transData) for line in axes.lines if line.get_linestyle() != "None"]
    frame = axes.get_window_extent()
    for number in (*best, *(n for n in range(len(points)) if n not in best)):
        name, x, y, style = points[number]
        if style.named == "none" or (style.named == "on the front" and number not in best):
            continue
        text = axes.annotate(name, (x, y), (0, 0), textcoords="offset points", parse_math=False, in_layout=False)
        text.set_color(style.colour or (INK if number in best else PALE))
        boxes = {}
        for spot in SPOTS:
            place_at(text, spot)
            boxes[spot] = text.get_window_extent()
        inside = {spot: box for spot, box in boxes.items() if frame.x0 < box.x0 and box.x1 < frame.x1} or boxes
        free = [spot for spot, box in inside.items() if not is_covered(box, taken, lines)]
        if not free and style.named != "all":
            text.remove()
            continue
        spot = (free or list(inside))[0]
        place_at(text, spot)
        taken.append(boxes[spot])


def place_at(text: "Annotation", spot: Spot) -> None:
    """Move a name to one of the spots beside its point."""
    right, up, horizontal, vertical = spot
    text.set(position=(right, up), horizontalalignment=horizontal, verticalalignment=vertical)


def is_covered(box: "Bbox", taken: Sequence["Bbox"], lines: Sequence["MatplotlibPath"]) -> bool:
    """Whether a box overlaps something already drawn."""
    return any(box.overlaps(other) for other in taken) or any(line.intersects_bbox(box, filled=False) for line in lines)
