"""Findings about boxes that the configured detector cannot reach, and which size or map would reach them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from backbones.base import Feature
from heads.ssdlite import SSDLite
from tasks.data.files.boxes import SMALLEST, PackedBoxes
from tasks.data.inspect.finding import EXAMPLES, Finding, Split, many
from tasks.data.loading.objects import boxes_at_input
from tasks.detect.reach import best_overlap
from tasks.engine.build import make_backbone, user_errors
from tasks.engine.instantiate import make
from tasks.engine.settings import HeadSettings, Run

FINER = ("c3_expanded", "c3")  # the map that detects smaller objects; the first that the backbone has
SOME = 0.05  # share of the boxes from which a finding asks for a decision
BETTER = 0.75  # of what a change must leave to be proposed


class Variant(NamedTuple):
    """A detector, at one size of its input, and the keys that make it."""

    keys: str
    head: SSDLite
    size: tuple[int, int]


class Reached(NamedTuple):
    """Boxes that a variant loses: (K,) below the IoU from which anchors learn a box, and below a cell in size."""

    variant: Variant
    unreached: NDArray[np.bool_]
    below_cell: NDArray[np.bool_]


def anchor_findings(splits: Sequence[Split], run: Run, classes: Mapping[str, Sequence[Any]]) -> list[Finding]:
    """Findings about the training boxes of each data set, if the task has a detector with a fixed input size."""
    fit = run.data.fit
    if "boxes" not in classes or fit is None or "size" not in fit:
        return []
    built = variants(run, classes)
    if not built:
        return []
    threshold = threshold_of(run)
    found = []
    for split in splits:
        boxes = getattr(split.samples, "boxes", None)
        if not split.is_scored and isinstance(boxes, PackedBoxes) and len(boxes.taught):
            found += of_split(split, boxes, [reach(boxes, each, fit, threshold) for each in built], fit, threshold)
    return found


def variants(run: Run, classes: Mapping[str, Sequence[Any]]) -> list[Variant]:
    """The configured detector first, then larger inputs, smaller anchors and a finer map."""
    assert run.data.fit is not None
    height, width = run.data.fit["size"]
    with torch.device("meta"), user_errors():
        features = make_backbone(run.learner.backbone).features
        for name, part in run.learner.heads.items():
            if not is_detector(part):
                continue
            head = make_head(part, features, len(classes["boxes"]))
            found = [Variant("", head, (height, width))]
            for factor in (1.5, 2):
                size = (rounded(factor * height), rounded(factor * width))
                found.append(Variant(f"image_size=[{size[0]},{size[1]}]", head, size))
            prefix = f"{name}." if name else ""
            for keys, changed in changes(part, prefix, set(features)):
                try:
                    other = make_head(changed, features, len(classes["boxes"]))
                except ValueError:  # such as anchors whose scales are listed for each map
                    continue
                found.append(Variant(keys, other, (height, width)))
            return found
    return []


def make_head(part: HeadSettings, features: Mapping[str, Feature], count: int) -> SSDLite:
    """A detector's head, for its anchors; on the meta device it has no weights.

    Raises:
        ValueError: if the features or the anchors do not suit it.
    """
    head: SSDLite = make(part.head, "head")(features, count)
    return head


def is_detector(part: HeadSettings) -> bool:
    """Whether a head's task finds boxes."""
    return str(part.task.get("_target_")) == "tasks.detect.task.DetectTask"


def changes(part: HeadSettings, prefix: str, features: set[str]) -> list[tuple[str, HeadSettings]]:
    """Smaller anchors, a finer map, and both, with the keys to type."""
    head = dict(part.head)
    anchors, maps = head.get("anchors"), head.get("maps")
    smaller: dict[str, Any] = {}
    key = ""
    if isinstance(anchors, Mapping) and "smallest" in anchors and not anchors.get("scales"):
        smallest = round(float(anchors["smallest"]) / 2, 4)
        smaller = {"anchors": {**anchors, "smallest": smallest}}
        key = f"{prefix}head.anchors.smallest={smallest:g}"
    found = [(key, replace(part, head={**head, **smaller}))] if smaller else []
    finer = [name for name in FINER if name in features]
    named = {name for entry in maps or () for name in ([entry] if isinstance(entry, str) else entry)}
    if maps and finer and not named & set(FINER):
        listed = ",".join(each if isinstance(each, str) else f"[{','.join(each)}]" for each in (finer, *maps))
        text = f"'{prefix}head.maps=[{listed}]'"
        found.append((text, replace(part, head={**head, "maps": [finer, *maps]})))
        if smaller:
            found.append((f"{text} {key}", replace(part, head={**head, **smaller, "maps": [finer, *maps]})))
    return found


def rounded(side: float) -> int:
    """A side of the input, divisible by 32 as most strides are."""
    return max(32, round(side / 32) * 32)


def threshold_of(run: Run) -> float:
    """The IoU from which the loss assigns an anchor to a box."""
    losses = [part.task.get("loss") for part in run.learner.heads.values() if is_detector(part)]
    values = [loss.get("threshold") for loss in losses if isinstance(loss, Mapping)]
    return next((float(value) for value in values if isinstance(value, int | float)), 0.5)


def reach(boxes: PackedBoxes, variant: Variant, fit: Mapping[str, Any], threshold: float) -> Reached:
    """Which training boxes a variant loses.

    Raises:
        UserError: for a fit that boxes cannot follow.
    """
    with user_errors():
        view = make({**fit, "size": list(variant.size)}, "data.fit")
    seen = boxes_at_input(boxes, view)
    cells = variant.head.cells(variant.size)
    best = best_overlap(seen, variant.head.anchors.shapes, cells, variant.size)
    cell = min(max(variant.size[0] / rows, variant.size[1] / columns) for rows, columns in cells)
    longest = (seen[:, 2:] - seen[:, :2]).max(1)
    return Reached(variant, best < threshold, longest < cell)


def of_split(
    split: Split, boxes: PackedBoxes, reached: Sequence[Reached], fit: Mapping[str, Any], threshold: float
) -> list[Finding]:
    """Findings about the configured variant, with the others that lose fewer boxes."""
    own = reached[0]
    seen = boxes_at_input(boxes, make(dict(fit), "data.fit"))
    at = f"at {own.variant.size[0]}×{own.variant.size[1]}"
    lost = np.less(seen[:, 2:] - seen[:, :2], SMALLEST).any(axis=1).reshape(-1)
    cell = min(min(own.variant.head.reductions), max(own.variant.size))
    texts = (
        ("boxes_lost", lost, f"less than a pixel wide or high {at}: not trained on", [lost] * len(reached)),
        ("boxes_below_cell", own.below_cell, f"smaller than a cell of the finest map ({cell} pixels) {at}",
         [each.below_cell for each in reached]),
        ("boxes_unreached", own.unreached, f"that no anchor overlaps with IoU {threshold:g} {at}: each learns from one "
         "anchor that fits badly", [each.unreached for each in reached]),
    )  # fmt: skip
    return [
        finding(split, boxes, key, rows, text, helps(reached, others))
        for key, rows, text, others in texts
        if rows.any()
    ]


def helps(reached: Sequence[Reached], lost: Sequence[NDArray[np.bool_]]) -> str:
    """The changes that leave clearly fewer boxes lost, the best first."""
    shares = [(float(rows.mean()), each.variant.keys) for each, rows in zip(reached, lost, strict=True)]
    better = [entry for entry in shares[1:] if entry[0] <= BETTER * shares[0][0]]
    better.sort(key=lambda entry: round(entry[0], 3))
    if not better:
        return "a larger image_size, or cut the images into tiles" if shares[0][0] >= SOME else ""
    return "; ".join(f"{keys} leaves {share:.1%}" for share, keys in better[:EXAMPLES])


def finding(split: Split, boxes: PackedBoxes, key: str, rows: NDArray[np.bool_], text: str, advice: str) -> Finding:
    """A finding about training boxes, with one of each of three images."""
    owners = np.repeat(np.arange(len(boxes.sizes)), np.diff(boxes.taught_ends))
    chosen = np.flatnonzero(rows)
    _, first = np.unique(owners[chosen], return_index=True)
    examples = chosen[first[:EXAMPLES]]
    names = split.classes["boxes"]
    taught = boxes.taught[examples]
    return Finding(
        key,
        "look" if rows.mean() >= SOME or key == "boxes_lost" else "note",
        f"{many(len(chosen), 'box', 'boxes')} of {len(rows):,} ({rows.mean():.1%}) {text}",
        len(chosen),
        split.name,
        advice,
        [
            f"{split.file(index)}: {names[int(label)]}, {x2 - x1:.0f}×{y2 - y1:.0f} pixels in the file"
            for index, (x1, y1, x2, y2, label) in zip(owners[examples].tolist(), taught.tolist(), strict=True)
        ],
        [(split.name, index) for index in owners[examples].tolist()],
        taught[:, :4].tolist(),
    )
