"""Pictures of classification: a sheet of right and most confidently wrong images, and the confusion matrix."""

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

LIKELIEST = 5  # classes of an image on the page
NAMED = 40  # most classes for which the confusion matrix has names and numbers


class Shown(NamedTuple):
    """An image of the sheet."""

    probability: float  # of the predicted class
    number: int  # in the data set
    pixels: Pixels  # (h, w, 3), no side above TILE
    predicted: int
    truth: int
    name: str = ""
    likeliest: tuple[tuple[int, float], ...] = ()  # classes and probabilities, for the page
    jpeg: bytes = b""


class RightAndWrong(Gallery):
    """Keeps the confusion matrix, right images evenly spread over the data set, and the most confidently wrong images.

    Args:
        count: how many of each kind.
        images: data set indices of the scored images.
        class_names: by label.
        target: key of the labels in a batch.
        temperature: divides the logits.
    """

    def __init__(
        self, count: int, images: Sequence[int], class_names: Sequence[str], target: str, temperature: float = 1.0
    ) -> None:
        super().__init__()
        self.temperature = temperature
        self.count, self.class_names, self.target = count, list(class_names), target
        self.wanted = set(images[:: max(1, len(images) // max(1, count))])
        self.matrix = np.zeros((len(class_names), len(class_names)), np.int64)
        self.right: list[Shown] = []
        self.wrong: list[Shown] = []  # a heap, the least confident first
        self.fixed = evenly_spread(images, max(1, count // 2))  # the same of every run on these images
        self.spread: list[Shown] = []
        self.kept = [(self.matrix, self.right, self.wrong, self.spread)]

    def add(self, batch: Mapping[str, Any], predictions: Tensor) -> None:
        """Add a batch and its logits (N, classes)."""
        likeliest = predictions.argmax(1, keepdim=True)
        shares = (predictions / self.temperature).softmax(1)
        predicted, probabilities = likeliest[:, 0].tolist(), shares.gather(1, likeliest)[:, 0].tolist()
        truths = batch[self.target].tolist()
        np.add.at(self.matrix, (truths, predicted), 1)
        for row, index in enumerate(batch["index"]):
            probability = probabilities[row]
            wanted_right = truths[row] == predicted[row] and index in self.wanted and len(self.right) < self.count
            least = self.wrong[0].probability if len(self.wrong) == self.count else -1.0
            wanted_wrong = truths[row] != predicted[row] and probability > least
            if not (wanted_right or wanted_wrong or index in self.fixed):
                continue
            image = batch["image"][row]
            size = (int(image.shape[1]), int(image.shape[2]))
            few = shares[row].topk(min(LIKELIEST, shares.shape[1]))
            chances = tuple(zip(few.indices.tolist(), few.values.tolist(), strict=True))
            jpeg = photo(image, None, size, THUMBNAIL)
            shown = Shown(
                probability, index, tile(image), predicted[row], truths[row], batch["name"][row], chances, jpeg
            )
            if index in self.fixed:
                self.spread.append(shown)
            if wanted_right:
                self.right.append(shown)
            elif not wanted_wrong:
                continue
            elif len(self.wrong) < self.count:
                heapq.heappush(self.wrong, shown)
            else:
                heapq.heapreplace(self.wrong, shown)

    def draw(self, kept: Sequence[Any]) -> Iterator[tuple[str, Image.Image]]:
        yield "right_and_wrong", sheet(*self.chosen(kept), self.class_names)
        yield "confusion", confusion(sum(matrix for matrix, *_ in kept), self.class_names)

    def record(self, kept: Sequence[Any]) -> Record | None:
        right, wrong = self.chosen(kept)
        taken = {shown.number for shown in (*right, *wrong)}
        fixed = {shown.number: shown for *_, some in kept for shown in some if shown.number not in taken}
        parts = (("right", right), ("wrong", wrong), ("spread", [fixed[number] for number in sorted(fixed)]))
        pictures = [
            Picture(
                {"name": shown.name, "kind": kind, "truth": shown.truth, "found": [list(p) for p in shown.likeliest]},
                {"image": ("jpg", shown.jpeg)},
            )
            for kind, part in parts
            for shown in part
        ]
        about = {"type": "classes", "classes": [{"name": name} for name in self.class_names]}
        note = (
            "right ones evenly spread, those most confidently wrong, and some evenly spread; as the network sees them"
        )
        return Record({**about, "note": note}, pictures) if pictures else None

    def chosen(self, kept: Sequence[Any]) -> tuple[list[Shown], list[Shown]]:
        """The right images, and the most confidently wrong ones."""
        right = sorted((shown for _, some, _, _ in kept for shown in some), key=lambda shown: shown.number)
        wrong = sorted((shown for _, _, some, _ in kept for shown in some), key=lambda s: (-s.probability, s.number))
        return right[: self.count], wrong[: self.count]


def sheet(right: Sequence[Shown], wrong: Sequence[Shown], names: Sequence[str]) -> Image.Image:
    """Right images above, wrong ones below, each with predicted class, probability and true class."""
    parts = [("right", RIGHT, right), ("most confidently wrong", WRONG, wrong)]
    height = sum(2 * LINE + GAP + rows(part) * (TILE + 2 * LINE + GAP) for _, _, part in parts)
    canvas = Image.new("RGB", (COLUMNS * (TILE + GAP) + GAP, height), "white")
    pen, top = ImageDraw.Draw(canvas), 0
    for title, colour, part in parts:
        pen.text((GAP, top + LINE // 2), f"{title}: {len(part)} shown", "black", ImageFont.load_default(LINE - 3))
        top += 2 * LINE
        for number, shown in enumerate(part):
            x = GAP + number % COLUMNS * (TILE + GAP)
            y = top + number // COLUMNS * (TILE + 2 * LINE + GAP)
            picture = enlarged(shown.pixels)
            canvas.paste(picture, (x + (TILE - picture.width) // 2, y + TILE - picture.height))
            draw_text(pen, (x, y + TILE), f"{shown.probability:.2f} {names[shown.predicted]}", colour)
            if shown.predicted != shown.truth:
                draw_text(pen, (x, y + TILE + LINE), f"is {names[shown.truth]}", "black")
        top += rows(part) * (TILE + 2 * LINE + GAP) + GAP
    return canvas


def rows(part: Sequence[Shown]) -> int:
    """Number of sheet rows that these images take."""
    return -(-len(part) // COLUMNS)


def confusion(matrix: NDArray[np.int64], names: Sequence[str]) -> Image.Image:
    """Picture of the matrix (classes, classes), truth down and prediction across, each row shaded by its shares."""
    classes = len(names)
    shares = matrix / np.maximum(1, matrix.sum(1, keepdims=True))
    diagonal = np.eye(classes, dtype=bool)[..., None]
    colour = np.where(diagonal, RIGHT, WRONG)
    shaded = (255 - np.sqrt(shares)[..., None] * (255 - colour)).astype(np.uint8)  # the root shows rare mistakes too
    if classes > NAMED:
        side = classes * max(1, 800 // classes)
        return Image.fromarray(shaded).resize((side, side), Image.Resampling.NEAREST)
    font, cell = ImageFont.load_default(13), 44
    names = [shortened(name, font, WIDEST) for name in names]
    margin = 16 + round(max(font.getlength(name) for name in names))
    legend = "truth down, prediction across"
    width = margin + max(classes * cell, round(font.getlength(legend))) + 8
    canvas = Image.new("RGB", (width, margin + classes * cell + 28), "white")
    pen = ImageDraw.Draw(canvas)
    canvas.paste(Image.fromarray(shaded).resize((classes * cell,) * 2, Image.Resampling.NEAREST), (margin, margin))
    for k, name in enumerate(names):
        pen.text((margin - 8, margin + (k + 0.5) * cell), name, "black", font, anchor="rm")
        label = Image.new("RGB", (margin - 8, 18), "white")
        ImageDraw.Draw(label).text((0, 9), name, "black", font, anchor="lm")
        canvas.paste(label.rotate(90, expand=True), (margin + k * cell + cell // 2 - 9, 0))
    for truth, predicted in zip(*np.nonzero(matrix), strict=True):
        ink = "white" if shares[truth, predicted] > 0.4 else "black"
        place = (margin + (predicted + 0.5) * cell, margin + (truth + 0.5) * cell)
        pen.text(place, str(matrix[truth, predicted]), ink, font, anchor="mm")
    pen.text((margin, margin + classes * cell + 6), legend, "black", font)
    return canvas
