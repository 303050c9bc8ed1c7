"""Images of a segmentation: evenly spread ones as pictures, and the best, median and worst as data for the page."""

import heapq
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from PIL import Image
from torch import Tensor

from tasks.common.gallery import EvenlySpread, evenly_spread
from tasks.common.labels import VOID, Pixels
from tasks.common.photos import grey_png, label_map, photo, shrunk
from tasks.common.records import Picture, Record

SPREAD = 24  # images from which the median ones are chosen


class Shown(NamedTuple):
    """An image that the page may show: its JPEG, and its label maps in the page's size."""

    right: float  # share of the pixels with a truth
    number: int  # in the data set
    name: str
    size: tuple[int, int]  # height, width of the file
    image: bytes
    truth: Pixels  # compressed once it is chosen: most are not
    found: Pixels


class BestMedianWorst(EvenlySpread):
    """Also keeps the images with the largest and the smallest share of right pixels.

    Args:
        count: of pictures; a third of each kind of the page.
        classes: name and colour of each class, for the page.
    """

    def __init__(
        self,
        count: int,
        images: Sequence[int],
        target: str,
        picture: Callable[[Tensor, Any, Any], Image.Image],
        classes: Sequence[Mapping[str, Any]],
    ) -> None:
        super().__init__(count, images, target, picture)
        self.third, self.classes = max(1, count // 3), list(classes)
        self.fixed = evenly_spread(images, self.third)  # the same of every run on these images
        self.candidates = evenly_spread(images, max(SPREAD, count)) | self.fixed
        self.best: list[tuple[float, int, Shown]] = []  # heaps: the first is dropped next
        self.worst: list[tuple[float, int, Shown]] = []
        self.spread: list[Shown] = []
        self.drawn = self.kept
        self.kept = [(self.drawn, self.best, self.worst, self.spread)]

    def add(self, batch: Mapping[str, Any], predictions: Any) -> None:
        kept, self.kept = self.kept, self.drawn
        super().add(batch, predictions)
        self.kept = kept
        for row, index in enumerate(batch["index"]):
            truth, found = batch[self.target][row], predictions[row]
            known = truth != VOID
            right = int(((truth == found) & known).sum()) / max(1, int(known.sum()))
            among_best, among_worst = self.enters(self.best, right), self.enters(self.worst, -right)
            if not (among_best or among_worst or index in self.candidates):
                continue
            size = (int(found.shape[0]), int(found.shape[1]))
            shown = Shown(
                right,
                int(index),
                batch["name"][row],
                size,
                photo(batch["image"][row], None, size),
                shrunk(truth.cpu().numpy().astype("uint8")),
                shrunk(found.cpu().numpy().astype("uint8")),
            )
            for heap, merit, enters in ((self.best, right, among_best), (self.worst, -right, among_worst)):
                if enters:
                    heapq.heappush(heap, (merit, -shown.number, shown))
                    if len(heap) > self.third:
                        heapq.heappop(heap)
            if index in self.candidates:
                self.spread.append(shown)

    def enters(self, heap: Sequence[tuple[float, int, Shown]], merit: float) -> bool:
        return len(heap) < self.third or merit >= heap[0][0]

    def draw(self, kept: Sequence[Any]) -> Iterator[tuple[str, Image.Image]]:
        yield from (pair for drawn, *_ in kept for pair in drawn)

    def record(self, kept: Sequence[Any]) -> Record | None:
        spread = sorted((shown for *_, some in kept for shown in some), key=lambda shown: (-shown.right, shown.number))
        share = min(self.third, max(1, round(len(spread) / 3)))  # divide few images evenly
        best = [entry[2] for entry in heapq.nlargest(share, (entry for _, some, _, _ in kept for entry in some))]
        taken = {shown.number for shown in best}
        worst = [entry[2] for entry in heapq.nlargest(share, (entry for _, _, some, _ in kept for entry in some))]
        worst = [shown for shown in worst if shown.number not in taken]
        taken |= {shown.number for shown in worst}
        rest = [shown for shown in spread if shown.number not in taken]
        first = max(0, len(rest) - self.third) // 2
        median = rest[first : first + self.third]
        taken |= {shown.number for shown in median}
        fixed = [shown for shown in spread if shown.number in self.fixed - taken]
        fixed.sort(key=lambda shown: shown.number)
        kinds = (("best", best), ("median", median), ("worst", worst), ("spread", fixed))
        pictures = [picture(shown, kind) for kind, some in kinds for shown in some]
        note = {"note": "chosen by the share of right pixels, and some evenly spread"}
        return Record(about(self.classes) | note, pictures) if pictures else None


def picture(shown: Shown, kind: str) -> Picture:
    """The image for the page."""
    height, width = shown.size
    entry = {"name": shown.name, "kind": kind, "width": width, "height": height, "right": shown.right}
    maps = {"truth": ("png", grey_png(shown.truth)), "found": ("png", grey_png(shown.found))}
    files = {"image": ("jpg", shown.image), **maps}
    return Picture(entry, files)


def labelled(image: Tensor, labels: Pixels, name: str) -> Picture:
    """A training image (3, H, W) with its label map (H, W), for the page."""
    height, width = labels.shape
    files = {"image": ("jpg", photo(image, None, (height, width))), "truth": ("png", label_map(labels))}
    return Picture({"name": name, "width": width, "height": height}, files)


def about(classes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What holds for all label maps of a page."""
    return {"type": "maps", "classes": list(classes), "void": VOID}
