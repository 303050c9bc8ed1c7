"""Pictures of multi-label classification: a sheet of images with their labels, and the classes' average precision."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from tasks.common.gallery import Gallery, evenly_spread
from tasks.common.labels import Pixels
from tasks.common.legend import WIDEST, shortened
from tasks.common.photos import THUMBNAIL, photo
from tasks.common.records import Picture, Record
from tasks.common.thumbnails import COLUMNS, GAP, LINE, RIGHT, TILE, WRONG, draw_text, enlarged, tile
from tasks.multilabel.average_precision import average_precision

LINES = 4  # of labels below an image
BARS = 40  # classes of the chart, those with the lowest average precision
BAR = 300  # pixels of an average precision of 1


class Shown(NamedTuple):
    """An image of the sheet."""

    mistake: float  # largest distance of a probability from its label
    number: int  # in the data set
    pixels: Pixels  # (h, w, 3), no side above TILE
    probabilities: NDArray[np.float32]  # (C)
    truth: NDArray[np.bool_]  # (C)
    name: str = ""
    jpeg: bytes = b""  # for the page


class Labelled(Gallery):
    """Keeps images evenly spread over the data set, the most confidently wrong ones, and all probabilities.

    Args:
        count: how many images of each kind.
        images: data set indices of the scored images.
        names: of the classes.
        target: key of the labels in a batch.
        threshold: probability from which a class counts as found.
    """

    def __init__(self, count: int, images: Sequence[int], names: Sequence[str], target: str, threshold: float) -> None:
        super().__init__()
        self.count, self.names, self.target, self.threshold = count, list(names), target, threshold
        self.wanted = evenly_spread(images, count)
        self.spread: list[Shown] = []
        self.wrong: list[Shown] = []  # a heap, the smallest mistake first
        self.scores: list[tuple[NDArray[np.float32], NDArray[np.bool_]]] = []
        self.kept = [(self.spread, self.wrong, self.scores)]

    def add(self, batch: Mapping[str, Any], predictions: Tensor) -> None:
        """Add a batch and its logits (N, classes)."""
        probabilities = predictions.float().sigmoid().cpu().numpy()
        truths = batch[self.target].cpu().numpy() > 0
        self.scores.append((predictions.float().cpu().numpy(), truths))
        for row, index in enumerate(batch["index"]):
            values, truth = probabilities[row], truths[row]
            wrong = ((values >= self.threshold) != truth).any()
            mistake = float(np.abs(values - truth).max())
            worst = self.count > 0 and bool(wrong) and (len(self.wrong) < self.count or mistake > self.wrong[0].mistake)
            if not (worst or index in self.wanted):
                continue
            image = batch["image"][row]
            jpeg = photo(image, None, (int(image.shape[1]), int(image.shape[2])), THUMBNAIL)
            shown = Shown(mistake, index, tile(image), values, truth, batch["name"][row], jpeg)
            if index in self.wanted:
                self.spread.append(shown)
            if worst and len(self.wrong) == self.count:
                heapq.heapreplace(self.wrong, shown)
            elif worst:
                heapq.heappush(self.wrong, shown)

    def draw(self, kept: Sequence[Any]) -> Iterator[tuple[str, Image.Image]]:
        yield "labels", self.sheet(*self.chosen(kept))
        scores = [pair for _, _, some in kept for pair in some]
        if scores:
            logits, truths = (np.concatenate(part) for part in zip(*scores, strict=True))
            precisions = {
                name: average_precision(logits[:, place], truths[:, place]) for place, name in enumerate(self.names)
            }
            yield "average_precision", bars(precisions, dict(zip(self.names, truths.sum(0).tolist(), strict=True)))

    def record(self, kept: Sequence[Any]) -> Record | None:
        parts = zip(("spread", "wrong"), self.chosen(kept), strict=True)
        pictures = [
            Picture(
                {
                    "name": shown.name,
                    "kind": kind,
                    "truth": np.flatnonzero(shown.truth).tolist(),
                    "found": [round(float(value), 4) for value in shown.probabilities],
                },
                {"image": ("jpg", shown.jpeg)},
            )
            for kind, part in parts
            for shown in part
        ]
        about = {"type": "labels", "classes": [{"name": name} for name in self.names], "threshold": self.threshold}
        note = "evenly spread ones, and those most confidently wrong; as the network sees them"
        return Record({**about, "note": note}, pictures) if pictures else None

    def chosen(self, kept: Sequence[Any]) -> tuple[list[Shown], list[Shown]]:
        """Evenly spread images, and the most confidently wrong ones."""
        spread = sorted((shown for some, _, _ in kept for shown in some), key=lambda shown: shown.number)
        wrong = sorted(
            (shown for _, some, _ in kept for shown in some), key=lambda shown: (-shown.mistake, shown.number)
        )
        return spread, wrong[: self.count]

    def sheet(self, spread: Sequence[Shown], wrong: Sequence[Shown]) -> Image.Image:
        """Evenly spread images above, the most confidently wrong below; labels that are wrong or missed are red."""
        parts = [("evenly spread", spread), ("most confidently wrong", wrong)]
        step = TILE + LINES * LINE + GAP
        height = sum(2 * LINE + GAP + -(-len(part) // COLUMNS) * step for _, part in parts)
        canvas = Image.new("RGB", (COLUMNS * (TILE + GAP) + GAP, height), "white")
        pen, top = ImageDraw.Draw(canvas), 0
        for title, part in parts:
            pen.text((GAP, top + LINE // 2), f"{title}: {len(part)} shown", "black", ImageFont.load_default(LINE - 3))
            top += 2 * LINE
            for number, shown in enumerate(part):
                x, y = GAP + number % COLUMNS * (TILE + GAP), top + number // COLUMNS * step
                picture = enlarged(shown.pixels)
                canvas.paste(picture, (x + (TILE - picture.width) // 2, y + TILE - picture.height))
                for line, (text, colour) in enumerate(self.lines(shown)):
                    draw_text(pen, (x, y + TILE + line * LINE), text, colour)
            top += -(-len(part) // COLUMNS) * step + GAP
        return canvas

    def lines(self, shown: Shown) -> list[tuple[str, Any]]:
        """Text and colour of an image's labels, mistakes first: wrongly found, missed, rightly found."""
        found = shown.probabilities >= self.threshold
        order = np.argsort(-shown.probabilities, kind="stable")
        kinds = (("not ", found & ~shown.truth, WRONG), ("misses ", ~found & shown.truth, WRONG))
        lines: list[tuple[str, Any]] = [
            (f"{shown.probabilities[place]:.2f} {word}{self.names[place]}", colour)
            for word, which, colour in (*kinds, ("", found & shown.truth, RIGHT))
            for place in order
            if which[place]
        ]
        if len(lines) > LINES:
            lines = [*lines[: LINES - 1], (f"and {len(lines) - LINES + 1} more", "black")]
        return lines or [("nothing, rightly", RIGHT)]


def bars(precisions: Mapping[str, float | None], images: Mapping[str, int]) -> Image.Image:
    """A bar for the average precision of each class, the lowest first, with its number of images."""
    scored = sorted((value, name) for name, value in precisions.items() if value is not None)[:BARS]
    font = ImageFont.load_default(13)
    texts = [f"{shortened(name, font, WIDEST)} ({images[name]})" for _, name in scored]
    margin = 16 + round(max((font.getlength(text) for text in texts), default=0))
    title = "average precision of the classes (images that have them)"
    title += f": the {BARS} lowest" if len(scored) == BARS else ""
    width = max(margin + BAR + 64, round(font.getlength(title)) + 16)
    canvas = Image.new("RGB", (width, 34 + len(scored) * 20), "white")
    pen = ImageDraw.Draw(canvas)
    pen.text((8, 8), title, "black", font)
    for place, ((value, _), text) in enumerate(zip(scored, texts, strict=True)):
        y = 32 + place * 20
        pen.text((margin - 8, y + 8), text, "black", font, anchor="rm")
        pen.rectangle((margin, y, margin + round(BAR * value), y + 15), RIGHT)
        pen.text((margin + round(BAR * value) + 6, y + 8), f"{value:.3f}", "black", font, anchor="lm")
    return canvas
