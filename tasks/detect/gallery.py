"""The best, median and worst images of a detector, each with its truth next to the detections."""

import heapq
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor, from_numpy

from heads.boxes import Detections, Places
from tasks.common.annotations import Annotations
from tasks.common.gallery import Gallery, evenly_spread
from tasks.common.records import Record
from tasks.detect.draw import draw_boxes
from tasks.detect.quality import SHOWN, Boxes, Labels, Matches, match
from tasks.detect.records import LOWEST, Boxed, boxed, classes, picture

Rank = tuple[float, ...]
SPREAD = 64  # images from which the median ones are chosen
GAP = 6


class Shown(NamedTuple):
    """An image that may be drawn; its boxes are in the pixels of the network's input."""

    number: int  # in the data set
    name: str
    truth: tuple[Boxes, Labels]  # crowds of class c have the label c + number of classes
    found: tuple[Boxes, Labels, NDArray[np.float64]]
    matches: Matches
    jpeg: bytes = b""
    boxed: Boxed | None = None  # for the page

    def rank(self) -> Rank:
        """The higher, the better; ranks are unique, so that the pictures do not depend on the order of the images."""
        return self.matches.quality(), self.matches.right, -self.matches.errors(), -self.number

    def merit(self) -> Rank:
        """Like rank, but an empty image is no better than one in which something was found."""
        return self.matches.right > 0, *self.rank()

    def flaw(self) -> Rank:
        """The higher, the worse."""
        return tuple(-value for value in self.rank())


class BestMedianWorst(Gallery):
    """Keeps the best and worst images, and some evenly spaced ones, of which the median are drawn.

    Args:
        count: number of pictures; a third of each kind.
        images: numbers in the data set of the scored images.
        class_names: by label.
    """

    def __init__(self, count: int, images: Sequence[int], class_names: Sequence[str]) -> None:
        super().__init__()
        self.third, self.class_names = max(1, count // 3), list(class_names)
        self.fixed = evenly_spread(images, self.third)  # the same of every run on these images
        self.wanted = evenly_spread(images, max(SPREAD, count))
        self.best: list[tuple[Rank, Shown]] = []  # heaps: the first is dropped next
        self.worst: list[tuple[Rank, Shown]] = []
        self.spread: list[Shown] = []
        self.same: list[Shown] = []
        self.kept = [(self.best, self.worst, self.spread, self.same)]

    def add(self, batch: Mapping[str, Any], predictions: Detections) -> None:
        """Rank a batch by its detections, which are in the files' pixels."""
        for row, index in enumerate(batch["index"]):
            place = None
            if "places" in batch:
                place = Places(*(value[row : row + 1].cpu() for value in batch["places"]))
            shown = judge(
                int(index), batch["name"][row], batch["annotations"][row], predictions.of(row), place, self.class_names
            )
            among_best, among_worst = self.enters(self.best, shown.merit()), self.enters(self.worst, shown.flaw())
            if not (among_best or among_worst or index in self.wanted | self.fixed):
                continue
            data = boxed(batch["annotations"][row], predictions.of(row), place)
            shown = shown._replace(jpeg=encode(batch["image"][row]), boxed=data)
            if among_best:
                self.enter(self.best, shown.merit(), shown)
            if among_worst:
                self.enter(self.worst, shown.flaw(), shown)
            if index in self.wanted:
                self.spread.append(shown)
            if index in self.fixed:
                self.same.append(shown)

    def enters(self, heap: list[tuple[Rank, Shown]], rank: Rank) -> bool:
        return len(heap) < self.third or rank > heap[0][0]

    def enter(self, heap: list[tuple[Rank, Shown]], rank: Rank, shown: Shown) -> None:
        heapq.heappush(heap, (rank, shown))
        if len(heap) > self.third:
            heapq.heappop(heap)

    def draw(self, kept: Sequence[Any]) -> Iterator[tuple[str, Image.Image]]:
        for kind, number, shown in self.chosen(kept):
            yield f"{kind}_{number}", side_by_side(shown, f"{kind} {number}", self.class_names)

    def record(self, kept: Sequence[Any]) -> Record | None:
        some = [(kind, shown) for kind, _, shown in self.chosen(kept)]
        taken = {shown.number for _, shown in some}
        fixed = {shown.number: shown for *_, each in kept for shown in each if shown.number not in taken}
        some += [("spread", fixed[number]) for number in sorted(fixed)]
        pictures = [picture(s.boxed, s.jpeg, s.name, kind) for kind, s in some if s.boxed is not None]
        about = {"type": "boxes", "classes": classes(self.class_names), "threshold": SHOWN, "lowest": LOWEST}
        note = (
            f"best, median and worst are chosen by the F1 of their boxes from score {SHOWN} on; those called spread, "
            "evenly over the data set"
        )
        return Record({**about, "note": note}, pictures) if pictures else None

    def chosen(self, kept: Sequence[Any]) -> Iterator[tuple[str, int, Shown]]:
        """Yield the images with their kind and their number within it."""
        spread = sorted((shown for _, _, some, _ in kept for shown in some), key=Shown.rank, reverse=True)
        share = min(self.third, max(1, round(len(spread) / 3)))  # divide few images evenly
        best = [shown for _, shown in heapq.nlargest(share, (entry for some, *_ in kept for entry in some))]
        taken = {shown.number for shown in best}
        worst = [shown for _, shown in heapq.nlargest(share, (entry for _, some, *_ in kept for entry in some))]
        worst = [shown for shown in worst if shown.number not in taken]
        taken |= {shown.number for shown in worst}
        median = [
            shown for shown in spread if shown.number not in taken and shown.matches.right + shown.matches.errors()
        ]
        first = max(0, len(median) - self.third) // 2
        for kind, some in (("best", best), ("median", median[first : first + self.third]), ("worst", worst)):
            for number, shown in enumerate(some, 1):
                yield kind, number, shown


def judge(
    index: int,
    name: str,
    annotations: Annotations,
    found: tuple[Tensor, Tensor, Tensor],
    place: Places | None,
    class_names: Sequence[str],
) -> Shown:
    """Compare an image's truth with its detections; `place` is the position of the file in the network's input."""
    truth = annotations.boxes.copy()
    truth[:, 2:] += truth[:, :2]
    usable = np.isfinite(truth).all(1) & (truth[:, 2:] > truth[:, :2]).all(1)  # the file's boxes are unchecked
    truth, true_labels, crowd = truth[usable], annotations.labels[usable], annotations.crowd[usable]
    boxes, scores, labels = (value.cpu().numpy() for value in found)
    sure = scores >= SHOWN
    boxes, scores, labels = boxes[sure].astype(np.float64), scores[sure].astype(np.float64), labels[sure]
    matches = match(boxes, labels, scores, truth, true_labels, crowd)
    truth, boxes = seen(truth, place), seen(boxes, place)
    return Shown(index, name, (truth, true_labels + len(class_names) * crowd), (boxes, labels, scores), matches)


def seen(boxes: Boxes, place: Places | None) -> Boxes:
    """Boxes of the file in the pixels of the network's input."""
    return boxes if place is None else place.to_seen(from_numpy(boxes)[None])[0].numpy()


def encode(image: Tensor) -> bytes:
    """Compress an image (3, H, W) uint8."""
    file = io.BytesIO()
    Image.fromarray(image.permute(1, 2, 0).cpu().numpy()).save(file, "JPEG", quality=92, subsampling=0)
    return file.getvalue()


def side_by_side(shown: Shown, title: str, class_names: Sequence[str]) -> Image.Image:
    """Truth and detections under the image's name and quality; missed and wrong boxes are dashed."""
    image, matches = np.asarray(Image.open(io.BytesIO(shown.jpeg))), shown.matches
    names = [*class_names, *(f"{name} (crowd)" for name in class_names)]
    boxes, labels, scores = shown.found
    left = draw_boxes(image, *shown.truth, None, names, matches.missed)
    right = draw_boxes(image, boxes, labels, scores, names, matches.wrong)
    font = ImageFont.load_default(16)
    headings = {
        (GAP, 0): f"{title}: {shown.name}, F1 {matches.quality():.2f}",
        (GAP, 1): caption("truth", len(matches.missed), int(matches.missed.sum()), "missed"),
        (left.width + 2 * GAP, 1): caption(
            f"found at score {SHOWN} and above", len(boxes), int(matches.wrong.sum()), "wrong"
        ),
    }
    needed = max(x + round(font.getlength(text)) + GAP for (x, _), text in headings.items())
    width, line = max(needed, left.width + right.width + 3 * GAP), 24
    canvas = Image.new("RGB", (width, 2 * line + GAP + max(left.height, right.height)), "white")
    canvas.paste(left, (GAP, 2 * line))
    canvas.paste(right, (left.width + 2 * GAP, 2 * line))
    pen = ImageDraw.Draw(canvas)
    for (x, row), text in headings.items():
        pen.text((x, row * line + 3), text, "black", font)
    return canvas


def caption(what: str, count: int, bad: int, how: str) -> str:
    """Such as "truth: 14 boxes, 3 missed (dashed)"."""
    return f"{what}: {count} box{'' if count == 1 else 'es'}" + (f", {bad} {how} (dashed)" if bad else "")
