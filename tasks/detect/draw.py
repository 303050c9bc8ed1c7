"""Boxes on an image: a colour per class, tags that stay readable in a crowd, and a legend with counts."""

import math
from collections import Counter
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tasks.common.labels import Pixels
from tasks.common.legend import Colour, with_legend

Numbers = NDArray[np.floating]
Corners = tuple[int, int, int, int]
DARK = (20, 20, 20)
BRIGHTNESS = (0.299, 0.587, 0.114)  # of red, green and blue, as in BT.601
# fmt: off
FIRST = (  # the colours of the first classes, chosen by eye: enough for most data sets
    (235, 55, 45), (25, 110, 240), (40, 170, 60), (245, 155, 20), (215, 45, 200), (0, 165, 175),
    (120, 70, 225), (145, 155, 15), (250, 105, 145), (150, 85, 40), (75, 175, 245), (20, 110, 70),
)
# fmt: on
SMALL = 400  # pixels of the longer side below which text would hide the objects
CROWD = 8  # boxes of a class from which a name on each of them would hide the objects


@cache
def palette() -> NDArray[np.int64]:
    """(128, 3) strong colours, each as far as possible from all earlier ones: a class always keeps its colour."""
    levels = np.arange(0, 241, 15)
    colours = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3)
    brightness = colours @ BRIGHTNESS
    colours = colours[(np.ptp(colours, axis=1) >= 120) & (brightness > 75) & (brightness < 170)]  # suit white and black
    # The eye is most sensitive to green and least to red: a common approximation of colour distance.
    nearest = (((colours[:, None] - FIRST) ** 2) @ (2, 4, 3)).min(1)
    chosen = np.array(FIRST)
    while len(chosen) < 128:
        chosen = np.vstack((chosen, colours[nearest.argmax()]))
        nearest = np.minimum(nearest, ((colours - chosen[-1]) ** 2) @ (2, 4, 3))
    return chosen


def colour_of(label: int) -> Colour:
    """The colour of a class number."""
    red, green, blue = palette()[label % len(palette())].tolist()
    return red, green, blue


def ink_on(ground: Colour) -> str:
    """Black or white, whichever is readable on a colour."""
    return "black" if np.dot(ground, BRIGHTNESS) > 135 else "white"


def draw_boxes(
    image: Pixels,
    boxes: Numbers,
    labels: NDArray[np.int64],
    scores: Numbers | None,
    class_names: Sequence[str],
    wrong: NDArray[np.bool_] | None = None,
    framed: bool = False,
    legend: bool = True,
    enlarge: bool = True,
) -> Image.Image:
    """An image with its boxes, the best-scored on top; a small image is enlarged by an integer factor.

    Tags never cover each other: where there is no room, and on the many boxes of a crowded class, the name appears
    only in the legend below, which has the counts.

    Args:
        image: (H, W, 3).
        boxes: (K, 4) absolute xyxy.
        labels, scores: (K).
        class_names: by label.
        wrong: (K) boxes that are dashed, and named even in a crowd.
        legend: whether a legend may be added.
        framed: whether lines get contrasting edges, for images with strong colours of their own.
        enlarge: whether a small image may be.
    """
    times = -(-SMALL // max(image.shape[:2])) if enlarge else 1
    canvas = Image.fromarray(image)
    canvas = canvas.resize((canvas.width * times, canvas.height * times), Image.Resampling.BICUBIC)
    pen, longer = ImageDraw.Draw(canvas), max(canvas.size)
    line = max(2, round(longer / 300))
    font = ImageFont.load_default(max(11, min(32, round(longer / 45))))
    high = math.ceil(font.getbbox("Ag")[3]) + 3
    counts = Counter(labels.tolist())
    crowded = [counts[label] > CROWD for label in labels.tolist()]
    dashed = np.zeros(len(labels), bool) if wrong is None else wrong
    places = [inside(box * times, canvas.size) for box in boxes]
    order = list(range(len(labels))) if scores is None else np.argsort(-scores, kind="stable").tolist()
    for k in reversed(order):
        thin = max(1, line // 2) if crowded[k] and not dashed[k] else line
        if framed:
            frame(pen, places[k], ink_on(colour_of(labels[k])), thin)
        outline(pen, places[k], colour_of(labels[k]), thin, dashed[k])
    tags: list[Corners] = []
    for k in order:
        words = [] if crowded[k] and not dashed[k] else [class_names[labels[k]]]
        text = " ".join(words if scores is None else [*words, f"{scores[k]:.2f}"])
        tag = place_tag(places[k], (math.ceil(font.getlength(text)) + 6, high), canvas.size, tags, places)
        if text and tag:
            tags.append(tag)
            pen.rectangle(tag, colour_of(labels[k]))
            pen.text((tag[0] + 3, tag[1]), text, ink_on(colour_of(labels[k])), font)
    if not legend or (len(tags) == len(labels) and not any(crowded)):
        return canvas
    entries = [(colour_of(label), f"{class_names[label]}: {count}") for label, count in counts.most_common()]
    return with_legend(canvas, entries, font)


def inside(box: Numbers, size: tuple[int, int]) -> Corners:
    """The box's outermost pixels in a picture of size (width, height)."""
    (left, top, right, bottom), (width, height) = np.rint(box).astype(int).tolist(), size
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    return left, top, min(max(right - 1, left), width - 1), min(max(bottom - 1, top), height - 1)


def frame(pen: ImageDraw.ImageDraw, place: Corners, colour: str, line: int) -> None:
    """Draw what will show as both edges of an outline of this thickness."""
    edge = max(1, line // 3)
    left, top, right, bottom = place
    pen.rectangle((left - edge, top - edge, right + edge, bottom + edge), outline=colour, width=line + 2 * edge)


def outline(pen: ImageDraw.ImageDraw, place: Corners, colour: Colour, line: int, dashed: bool) -> None:
    """Draw a frame in the class's colour, dashed on dark if the box is wrong."""
    if not dashed:
        pen.rectangle(place, outline=colour, width=line)
        return
    pen.rectangle(place, outline=DARK, width=line)
    left, top, right, bottom = place
    dash = 4 * line
    for x in range(left, right + 1, 2 * dash):
        end = min(x + dash - 1, right)
        pen.rectangle((x, top, end, min(top + line - 1, bottom)), colour)
        pen.rectangle((x, max(bottom - line + 1, top), end, bottom), colour)
    for y in range(top, bottom + 1, 2 * dash):
        end = min(y + dash - 1, bottom)
        pen.rectangle((left, y, min(left + line - 1, right), end), colour)
        pen.rectangle((max(right - line + 1, left), y, right, end), colour)


def place_tag(
    box: Corners, tag: tuple[int, int], size: tuple[int, int], tags: Sequence[Corners], boxes: Sequence[Corners]
) -> Corners | None:
    """Position of a tag (width, height): the corner of its box where it hides the least of small objects.

    None if every corner would hide another tag or exceed the picture of size (width, height).
    """
    (left, top, right, bottom), (width, height) = box, tag
    best, least = None, math.inf
    for x in (left, right + 1 - width):
        for y in (top - height, top, bottom + 1, bottom + 1 - height):
            x, y = max(0, min(x, size[0] - width)), max(0, min(y, size[1] - height))
            place = (x, y, x + width - 1, y + height - 1)
            if width > size[0] or height > size[1] or any(common(place, other) for other in tags):
                continue
            hidden = sum(common(place, thing) for thing in boxes if common(thing, thing) < 4 * width * height)
            if hidden < least:
                best, least = place, hidden
    return best


def common(one: Corners, other: Corners) -> int:
    """Number of pixels that two rectangles share."""
    across = min(one[2], other[2]) - max(one[0], other[0]) + 1
    down = min(one[3], other[3]) - max(one[1], other[1]) + 1
    return max(0, across) * max(0, down)
