"""How far results of a file agree with the checkpoint's. What the checkpoint itself leaves open is no disagreement.

After a short training many classes and boxes are nearly as likely as others. Then a difference in a tensor's seventh
digit, as every runtime has it, decides which label wins, and which of two overlapping boxes suppresses the other.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.deploy.decode import neighbours

Result = Mapping[str, NDArray[Any]]
SAME_BOX = 0.9  # IoU with a partner
SURE = 0.3  # score from which boxes must have one, or half of the image's best; half of that score will do for it
SCORES = 10  # logits reach about 10: a share of them in a logit is so many times that share in a score
OVERLAPS = 0.1  # by which IoUs may differ at most: beyond it, suppression would not be checked any more


class Logits(NamedTuple):
    """What the checkpoint's label map was made of.

    Attributes:
        values: (C, h, w).
        size: (height, width) at which each pixel's largest class was taken.
    """

    values: NDArray[np.float32]
    size: tuple[int, int]


class Candidates(NamedTuple):
    """What the checkpoint's boxes were chosen from.

    Attributes:
        seen: (A, 4) boxes in the pixels of the network's input, in which suppression works.
        boxes: (A, 4) the same in the photo's pixels.
        scores: (A, C).
        overlap: IoU with a better box of its class above which a box goes.
        detections: how many are kept at most.
    """

    seen: NDArray[np.float32]
    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    overlap: float
    detections: int


def same_pixels(ours: Result, theirs: Result, made_of: Logits | None, ties: float) -> tuple[int, int]:
    """How many pixels have the same label, of how many; none of a map of another size.

    Args:
        ties: a label is as good as another whose logit is larger by at most this share of the largest logit.
    """
    labels, others = ours["labels"], theirs["labels"]
    if labels.shape != others.shape:
        return 0, labels.size
    rows, columns = np.nonzero(labels != others)
    tied = 0
    if made_of is not None and ties and len(rows):
        first, second = labels[rows, columns], others[rows, columns]
        known = second < len(made_of.values)  # whatever else a file gives as a label
        at = [
            (2 * places[known] + 1) * new // (2 * old)
            for places, new, old in zip((rows, columns), made_of.size, labels.shape, strict=True)
        ]
        lead = logits_at(made_of, first[known], *at) - logits_at(made_of, second[known], *at)
        tied = int((lead <= ties * np.abs(made_of.values).max()).sum())
    return labels.size - len(rows) + tied, labels.size


def logits_at(made_of: Logits, labels: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any]) -> NDArray[np.float32]:
    """The logits of these labels (K) at these pixels (K), interpolated as in the label map."""
    values, (height, width) = made_of.values, made_of.size
    above, below, down = (part[rows] for part in neighbours(values.shape[1], height))
    left, right, across = (part[columns] for part in neighbours(values.shape[2], width))
    upper = values[labels, above, left] * (1 - across) + values[labels, above, right] * across
    lower = values[labels, below, left] * (1 - across) + values[labels, below, right] * across
    return upper * (1 - down) + lower * down


def same_boxes(ours: Result, theirs: Result, made_of: Candidates | None, ties: float) -> tuple[int, int]:
    """How many sure boxes, of both sides, the other side has as well, of how many.

    One that the other side lacks is as good if that kept a box in its place which the checkpoint scores as high. A box
    of the file's that should have been suppressed by another of the file's has no partner.

    Args:
        ties: share by which logits may differ; of scores and overlaps it is SCORES times as much.
    """
    found, count = 0, 0
    sure_from = min(SURE, max(ours["scores"].max(initial=0), theirs["scores"].max(initial=0)) / 2)
    excused = [np.zeros(len(side["scores"]), np.bool_) for side in (ours, theirs)]
    doubled = np.zeros(len(theirs["scores"]), np.bool_)
    if made_of is not None and ties:
        places = [candidates_of(side, made_of, SCORES * ties) for side in (ours, theirs)]
        excused = [
            replaced(ours, theirs, places[0], places[1], made_of, SCORES * ties),
            replaced(theirs, ours, places[1], places[0], made_of, SCORES * ties),
        ]
        doubled = unsuppressed(theirs, places[1], made_of, SCORES * ties)
    for one, other, reason, wrong in (
        (ours, theirs, excused[0], np.zeros_like(excused[0])),
        (theirs, ours, excused[1], doubled),
    ):
        sure, likely = one["scores"] >= sure_from, other["scores"] >= sure_from / 2
        overlap = iou(one["boxes"][sure], other["boxes"][likely])
        same = one["labels"][sure][:, None] == other["labels"][likely]
        partnered = ((overlap >= SAME_BOX) & same).any(1)
        found += int(((partnered | reason[sure]) & ~wrong[sure]).sum())
        count += int(sure.sum())
    return found, count


def candidates_of(result: Result, made_of: Candidates, margin: float) -> NDArray[np.int64]:
    """(K) which of the checkpoint's candidates each box is; -1 for what is none of them."""
    places = np.full(len(result["labels"]), -1)
    for number, (box, score, label) in enumerate(
        zip(result["boxes"], result["scores"], result["labels"].tolist(), strict=True)
    ):
        if not 0 <= label < made_of.scores.shape[1]:
            continue
        near = np.flatnonzero(np.abs(made_of.scores[:, label] - score) <= margin * score)
        overlap = iou(box[None], made_of.boxes[near])[0]
        if len(near) and overlap.max() >= SAME_BOX:
            places[number] = near[overlap.argmax()]
    return places


def replaced(
    one: Result,
    other: Result,
    places: NDArray[np.int64],
    other_places: NDArray[np.int64],
    made_of: Candidates,
    margin: float,
) -> NDArray[np.bool_]:
    """(K) which candidates that one side kept the other had to leave out: for a box as good, or because it was full.

    Args:
        places, other_places: of the boxes among the candidates.
    """
    known = other_places >= 0
    overlap = iou(made_of.seen[places], made_of.seen[other_places[known]])
    same = one["labels"][:, None] == other["labels"][known]
    as_good = other["scores"][known] >= one["scores"][:, None] * (1 - margin)
    left_out = (same & as_good & (overlap > made_of.overlap - min(margin, OVERLAPS))).any(1)
    if len(other["scores"]) >= made_of.detections:
        left_out |= one["scores"] <= other["scores"].min() * (1 + margin)
    return left_out & (places >= 0)


def unsuppressed(result: Result, places: NDArray[np.int64], made_of: Candidates, margin: float) -> NDArray[np.bool_]:
    """(K) which boxes, the best first, overlap a better one of their class by more than suppression lets stand."""
    overlap = iou(made_of.seen[places], made_of.seen[places])
    same = result["labels"][:, None] == result["labels"]
    known = (places >= 0) & (places >= 0)[:, None]
    clash = same & known & (overlap > made_of.overlap + min(margin, OVERLAPS))
    return np.tril(clash, -1).any(1)


def iou(ours: NDArray[Any], theirs: NDArray[Any]) -> NDArray[Any]:
    """(K, L) of boxes (K, 4) and (L, 4), xyxy."""
    low, high = np.maximum(ours[:, None, :2], theirs[:, :2]), np.minimum(ours[:, None, 2:], theirs[:, 2:])
    shared = (high - low).clip(min=0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (ours, theirs)]
    return shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-12)


def same_class(ours: Result, theirs: Result, _made_of: None, ties: float) -> tuple[int, int]:
    """Whether our likeliest class is theirs, or one that is as likely there but for this share of the largest value."""
    first, second = (next(iter(result.values())) for result in (ours, theirs))
    near = second.max() - ties * np.abs(second).max()
    return int(second[first.argmax()] >= near and bool(np.isfinite(second).all())), 1


AGREE: dict[str, Callable[[Result, Result, Any, float], tuple[int, int]]] = {
    "segment": same_pixels,
    "detect": same_boxes,
    "classify": same_class,
}
