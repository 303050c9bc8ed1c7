"""The parity gate: an exported file, with all that is shipped beside it, against the checkpoint, on real images."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from heads.boxes import Places
from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.common.task import Task
from tasks.deploy.agreement import AGREE, Candidates, Logits
from tasks.deploy.decode import decode, prepare
from tasks.deploy.runtimes import Arrays, Runner
from tasks.detect.task import DetectTask
from tasks.engine.learner import Learner
from tasks.predict.checkpoint import seen_by

Results = Mapping[str, Mapping[str, NDArray[Any]]]


class Limits(NamedTuple):
    """What may differ.

    Attributes:
        tensors: largest difference, as a share of the largest magnitude; None where only results count.
        pixels: least share of the pixels with the same label, in every image.
        boxes: least share of the sure boxes, of both sides and all images, that have a partner.
        classes: least share of the images with the same likeliest class.
        ties: values that differ by no more than this share of the largest are equally good: see tasks.deploy.agreement.
    """

    tensors: float | None
    pixels: float
    boxes: float
    classes: float
    ties: float


LIMITS = {
    "fp32": Limits(1e-3, 0.999, 0.99, 0.99, 1e-3),
    "fp16": Limits(0.02, 0.99, 0.95, 0.95, 1e-2),
    "bf16": Limits(0.15, 0.97, 0.9, 0.9, 5e-2),
    "int8": Limits(None, 0.85, 0.6, 0.75, 0),  # where the metric can decide, it does: see tasks.deploy.prove
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
    """What one side made of one image: the bytes that the network saw, the tensors by name, the results by task.

    `made_of` is what the checkpoint's results were chosen from, by task.
    """

    seen: Pixels
    tensors: Arrays
    results: Results
    made_of: Mapping[str, Logits | Candidates] = {}


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
        made_of: dict[str, Logits | Candidates] = {}
        lie = None if places is None else Places(*places)
        for name, task in learner.each_task():
            given = task.tensors(outputs[name], size, form)
            tensors |= {names[name][role]: tensor.float().cpu().numpy() for role, tensor in given.items()}
            # A label map at network size cannot be refined further. Boxes are selected as always.
            known = "decoded" if form == "final" else form
            decoded = given if known == form else task.tensors(outputs[name], size, known)
            results[name] = task.found(task.from_tensors(decoded, known, size, lie))
            if name != "classify":
                made_of[name] = choice_of(task, outputs[name], size, lie, image.shape[:2] if form == "raw" else size)
        return Outcome(batch.cpu().numpy(), tensors, results, made_of)

    return run


def choice_of(
    task: Task, outputs: Any, size: tuple[int, int], place: Places | None, map_size: tuple[int, int]
) -> Logits | Candidates:
    """What a task chooses an image's labels or boxes from.

    Args:
        size: (height, width) of the image that the network saw.
        place: of the photo in it.
        map_size: (height, width) at which a label map is made.
    """
    if not isinstance(task, DetectTask):
        return Logits(outputs[0].float().cpu().numpy(), map_size)
    candidates = task.tensors(outputs, size, "decoded")
    boxes = candidates["boxes"].float()
    photo = boxes if place is None else place.to_files(boxes)
    return Candidates(
        boxes[0].cpu().numpy(),
        photo[0].cpu().numpy(),
        candidates["scores"][0].float().cpu().numpy(),
        task.select.overlap,
        task.select.detections,
    )


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
    bytes_differ: list[float] = []
    tensors: dict[str, list[float]] = {}
    agreement: dict[str, list[tuple[int, int]]] = {}
    for image in images:
        ours, theirs = expected(image), got(image)
        bytes_differ.append(largest_difference(ours.seen, theirs.seen))
        for name, tensor in ours.tensors.items():
            if in_order(name, form):
                tensors.setdefault(name, []).append(relative(tensor, theirs.tensors[name]))
        for task, result in ours.results.items():
            counts = AGREE[task](result, theirs.results[task], ours.made_of.get(task), limits.ties)
            agreement.setdefault(task, []).append(counts)
    return [
        Difference("input bytes", worst(bytes_differ), 0, at_least=False),
        *(
            Difference(f"tensor {name}", worst(values), limits.tensors, at_least=False)
            for name, values in tensors.items()
        ),
        *(share(task, counts, limits) for task, counts in agreement.items()),
    ]


def in_order(name: str, form: str) -> bool:
    """Whether an output of this name can be compared number by number.

    Kept boxes may change places, and single labels may change, where two values are nearly equal: there results count.
    """
    fixed = ("logits", "offsets", "probabilities") if form != "decoded" else ("boxes", "scores", "probabilities")
    return name.rpartition("_")[2] in fixed


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


def share(task: str, counts: Sequence[tuple[int, int]], limits: Limits) -> Difference:
    """The line of a task's results: pixels by their worst image, boxes and images over all."""
    if task == "segment":
        return Difference("segment: same label, worst image", min(n / of for n, of in counts), limits.pixels, True)
    found, count = (sum(numbers) for numbers in zip(*counts, strict=True))
    if task == "detect":
        return Difference(f"detect: {count} boxes with a partner", found / count if count else 1.0, limits.boxes, True)
    return Difference("classify: same likeliest class", found / count, limits.classes, True)
