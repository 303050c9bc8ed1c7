"""The parity gate: an exported file, with all that is shipped beside it, against the checkpoint, on real images."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from heads.boxes import Places
from tasks.deploy.decode import decode, prepare
from tasks.deploy.runtimes import Arrays, Runner
from tasks.errors import UserError
from tasks.learner import Learner
from tasks.predicting import seen_by

Pixels = NDArray[np.uint8]
Results = Mapping[str, Mapping[str, NDArray[Any]]]
SAME_BOX = 0.9  # IoU with a partner
SURE = 0.3  # score from which boxes must have one, or half of the image's best; half of that score will do for it


class Limits(NamedTuple):
    """What may differ.

    Attributes:
        tensors: largest difference, as a share of the largest magnitude; None where only results count.
        pixels: least share of the pixels with the same label, in every image.
        boxes: least share of the sure boxes, of both sides and all images, that have a partner.
        classes: least share of the images with the same likeliest class.
    """

    tensors: float | None
    pixels: float
    boxes: float
    classes: float


LIMITS = {
    "fp32": Limits(1e-3, 0.999, 0.99, 0.99),
    "fp16": Limits(0.02, 0.99, 0.95, 0.95),
    "bf16": Limits(0.15, 0.97, 0.9, 0.9),
    "int8": Limits(None, 0.85, 0.6, 0.75),  # the metric decides; this finds what is plainly broken
}


class Difference(NamedTuple):
    """A line of the table: what was compared, the worst that was seen, what is allowed."""

    what: str
    worst: float
    limit: float | None
    at_least: bool  # the limit is a least share, not a largest difference

    @property
    def holds(self) -> bool:
        """Whether it is allowed; what is no number never is."""
        if self.limit is None:
            return bool(np.isfinite(self.worst))
        return bool(self.worst >= self.limit) if self.at_least else bool(self.worst <= self.limit)


class Outcome(NamedTuple):
    """What one side made of one image: the bytes that the network saw, the tensors by name, the results by task."""

    seen: Pixels
    tensors: Arrays
    results: Results


def of_checkpoint(
    learner: Learner, fit: Any, form: str, names: Mapping[str, Mapping[str, str]]
) -> Callable[[Pixels], Outcome]:
    """What the checkpoint makes of an image (H, W, 3), as mode=predict does it."""

    @torch.inference_mode()
    def run(image: Pixels) -> Outcome:
        batch, places = seen_by(learner, image, fit)
        outputs, size = learner(batch), (batch.shape[-2], batch.shape[-1])
        tensors: Arrays = {}
        results: dict[str, dict[str, NDArray[Any]]] = {}
        lie = None if places is None else Places(*places)
        for name, task in learner.each_task():
            given = task.tensors(outputs[name], size, form)
            tensors |= {names[name][role]: tensor.float().cpu().numpy() for role, tensor in given.items()}
            # Of a label map at the network's size no more can be had; boxes are selected as always.
            known = "decoded" if form == "final" else form
            decoded = given if known == form else task.tensors(outputs[name], size, known)
            results[name] = task.found(task.from_tensors(decoded, known, size, lie))
        return Outcome(batch.cpu().numpy(), tensors, results)

    return run


def of_file(runner: Runner, manifest: Mapping[str, Any]) -> Callable[[Pixels], Outcome]:
    """What the file makes of an image (H, W, 3), by model.json and decode.py alone."""

    def run(image: Pixels) -> Outcome:
        try:
            seen, place = prepare(image, manifest)
        except ValueError as error:
            raise UserError(f"{manifest['file']}: {error}") from error
        tensors = runner.run(seen)
        height, width = image.shape[:2]
        return Outcome(seen, tensors, decode(tensors, manifest, (height, width), place))

    return run


def compare(
    expected: Callable[[Pixels], Outcome],
    got: Callable[[Pixels], Outcome],
    images: Sequence[Pixels],
    limits: Limits,
    form: str,
) -> list[Difference]:
    """The table: bytes that the network saw, tensors, results; the worst of all images."""
    # The order of kept boxes, and single labels, may change where two values are nearly equal: there results count.
    compared = ("logits", "offsets", "probabilities") if form != "decoded" else ("boxes", "scores", "probabilities")
    bytes_differ: list[float] = []
    tensors: dict[str, list[float]] = {}
    agreement: dict[str, list[tuple[int, int]]] = {}
    for image in images:
        ours, theirs = expected(image), got(image)
        bytes_differ.append(largest_difference(ours.seen, theirs.seen))
        for name, tensor in ours.tensors.items():
            if name.rpartition("_")[2] in compared:
                tensors.setdefault(name, []).append(relative(tensor, theirs.tensors[name]))
        for task, result in ours.results.items():
            agreement.setdefault(task, []).append(AGREE[task](result, theirs.results[task]))
    return [
        Difference("input bytes", worst(bytes_differ), 0, at_least=False),
        *(
            Difference(f"tensor {name}", worst(values), limits.tensors, at_least=False)
            for name, values in tensors.items()
        ),
        *(share(task, counts, limits) for task, counts in agreement.items()),
    ]


def worst(differences: Sequence[float]) -> float:
    """The largest; not a number if one is none."""
    return float(np.max(differences))


def largest_difference(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Between two arrays; infinite for other shapes."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max(initial=0))


def relative(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """The largest difference as a share of our largest magnitude."""
    return largest_difference(ours, theirs) / max(float(np.abs(ours).max(initial=0)), 1e-12)


def same_pixels(ours: Mapping[str, NDArray[Any]], theirs: Mapping[str, NDArray[Any]]) -> tuple[int, int]:
    """How many pixels have the same label, of how many; none of a map of another size."""
    if ours["labels"].shape != theirs["labels"].shape:
        return 0, ours["labels"].size
    return int((ours["labels"] == theirs["labels"]).sum()), ours["labels"].size


def partnered(ours: Mapping[str, NDArray[Any]], theirs: Mapping[str, NDArray[Any]]) -> tuple[int, int]:
    """How many sure boxes, of both sides, the other side has as well, of how many."""
    found, count = 0, 0
    sure_from = min(SURE, max(ours["scores"].max(initial=0), theirs["scores"].max(initial=0)) / 2)
    for one, other in ((ours, theirs), (theirs, ours)):
        sure, likely = one["scores"] >= sure_from, other["scores"] >= sure_from / 2
        overlap = iou(one["boxes"][sure], other["boxes"][likely])
        same = one["labels"][sure][:, None] == other["labels"][likely]
        found += int(((overlap >= SAME_BOX) & same).any(1).sum())
        count += int(sure.sum())
    return found, count


def iou(ours: NDArray[Any], theirs: NDArray[Any]) -> NDArray[Any]:
    """(K, L) of boxes (K, 4) and (L, 4), xyxy."""
    low, high = np.maximum(ours[:, None, :2], theirs[:, :2]), np.minimum(ours[:, None, 2:], theirs[:, 2:])
    shared = (high - low).clip(min=0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (ours, theirs)]
    return shared / np.maximum(areas[0][:, None] + areas[1] - shared, 1e-12)


def same_class(ours: Mapping[str, NDArray[Any]], theirs: Mapping[str, NDArray[Any]]) -> tuple[int, int]:
    """Whether our likeliest class is theirs, or one of several that are equally likely there."""
    first, second = (next(iter(result.values())) for result in (ours, theirs))
    return int(second[first.argmax()] == second.max() and bool(np.isfinite(second).all())), 1


AGREE = {"segment": same_pixels, "detect": partnered, "classify": same_class}


def share(task: str, counts: Sequence[tuple[int, int]], limits: Limits) -> Difference:
    """The line of a task's results: pixels by their worst image, boxes and images over all."""
    if task == "segment":
        return Difference("segment: same label, worst image", min(n / of for n, of in counts), limits.pixels, True)
    found, count = (sum(numbers) for numbers in zip(*counts, strict=True))
    if task == "detect":
        return Difference(f"detect: {count} boxes with a partner", found / count if count else 1.0, limits.boxes, True)
    return Difference("classify: same likeliest class", found / count, limits.classes, True)
