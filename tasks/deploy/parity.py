"""Parity check: an exported file, with everything shipped with it, against the checkpoint, on real images."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from heads.boxes import Places
from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.common.parity import Agreement, parity_of
from tasks.common.task_info import infos
from tasks.deploy.decode import decode, prepare
from tasks.deploy.runners.runner import Arrays, Runner
from tasks.engine.learner import Learner
from tasks.predict.checkpoint import preprocess

Results = Mapping[str, Mapping[str, NDArray[Any]]]


class Limits(NamedTuple):
    """Allowed differences of tensors, besides those of each task's results (Parity.least and Parity.limits).

    Attributes:
        tensors: largest difference, relative to the largest magnitude; None if only results count.
        shares: of a score or probability, relative to itself, for small ones count too: they order what is unlikely;
            None if only results count.
    """

    tensors: float | None
    shares: float | None


LIMITS = {
    "fp32": Limits(1e-4, 0.01),
    "fp16": Limits(0.02, 0.5),
    "bf16": Limits(0.15, None),
    "int8": Limits(None, None),  # the metric decides if it can: see tasks.deploy.parity_check
}
SHARES = ("scores", "probabilities")  # outputs whose values are shares
SMALLEST = 2e-5  # share that no one reads: ONNX Runtime's sigmoid is wrong by up to 8e-8, which is 8 % of 1e-6


class Difference(NamedTuple):
    """A row of the table: what was compared, the worst value found, the limit."""

    what: str
    worst: float
    limit: float | None
    at_least: bool  # the limit is a minimum share, not a maximum difference
    note: str = ""  # in place of the numbers, what differs in words

    @property
    def holds(self) -> bool:
        """Whether it is within the limit; NaN always fails."""
        if self.limit is None:
            return bool(np.isfinite(self.worst))
        return bool(self.worst >= self.limit) if self.at_least else bool(self.worst <= self.limit)


class Outcome(NamedTuple):
    """One side's outcome for one image: the bytes the network received, the tensors by name, the results by task.

    Of the checkpoint's tensors it has only those that are compared number by number (Form.exact); `made_of` is what its
    results were chosen from, by task.
    """

    seen: Pixels
    tensors: Arrays
    results: Results
    made_of: Mapping[str, Any] = {}


def of_checkpoint(
    learner: Learner, fit: Any, form: str, names: Mapping[str, Mapping[str, str]]
) -> Callable[[Pixels], Outcome]:
    """A function that returns the checkpoint's outcome for an image (H, W, 3), as in mode=predict."""

    @torch.inference_mode()
    def run(image: Pixels) -> Outcome:
        batch, places = preprocess(learner, image, fit)
        outputs, size = learner(batch), (batch.shape[-2], batch.shape[-1])
        tensors: Arrays = {}
        results: dict[str, dict[str, NDArray[Any]]] = {}
        made_of: dict[str, Any] = {}
        lie = None if places is None else Places(*places)
        for name, task in learner.each_task():
            given = task.tensors(outputs[name], size, form)
            if infos()[name].forms[form].exact:
                tensors |= {names[name][role]: tensor.float().cpu().numpy() for role, tensor in given.items()}
            # A label map at network size cannot be refined further. Boxes are selected as always.
            known = "decoded" if form == "final" else form
            decoded = given if known == form else task.tensors(outputs[name], size, known)
            results[name] = task.found(task.from_tensors(decoded, known, size, lie))
            made_of[name] = task.made_of(outputs[name], size, lie, image.shape[:2] if form == "raw" else size)
        return Outcome(batch.cpu().numpy(), tensors, results, made_of)

    return run


def of_file(runner: Runner, manifest: Mapping[str, Any]) -> Callable[[Pixels], Outcome]:
    """A function that returns the file's outcome for an image (H, W, 3), using only model.json and decode.py."""

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
    precision: str,
    limits: Limits,
) -> list[Difference]:
    """The table: input bytes, tensors, results; the worst over all images."""
    bytes_differ: list[float] = []
    tensors: dict[str, list[float]] = {}
    shares: dict[str, list[float]] = {}
    agreements: dict[str, list[Agreement]] = {}
    for image in images:
        ours, theirs = expected(image), got(image)
        bytes_differ.append(largest_difference(ours.seen, theirs.seen))
        for name, tensor in ours.tensors.items():
            tensors.setdefault(name, []).append(relative(tensor, theirs.tensors[name]))
            if name.endswith(SHARES):
                shares.setdefault(name, []).append(relative_to_itself(tensor, theirs.tensors[name]))
        for task, result in ours.results.items():
            rule, made_of = parity_of(task), ours.made_of.get(task)
            agreements.setdefault(task, []).append(rule.agreement(result, theirs.results[task], made_of, precision))
    return [
        Difference("input bytes", worst(bytes_differ), 0, at_least=False),
        *(
            Difference(f"tensor {name}", worst(values), limits.tensors, at_least=False)
            for name, values in tensors.items()
        ),
        *(
            Difference(f"tensor {name}, share of itself", worst(values), limits.shares, at_least=False)
            for name, values in shares.items()
        ),
        *(row for task, each in agreements.items() for row in of_results(task, each, precision)),
    ]


def exact_outputs(manifest: Mapping[str, Any]) -> set[str]:
    """The outputs of a file that are compared number by number."""
    form = manifest["outputs"]
    return {
        key
        for name, entry in manifest["tasks"].items()
        if infos()[name].forms[form].exact
        for key in entry["outputs"].values()
    }


def worst(differences: Sequence[float]) -> float:
    """The largest; NaN if any is NaN."""
    return float(np.max(differences))


def largest_difference(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Between two arrays; infinite if their shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    return float(np.abs(ours.astype(np.float64) - theirs.astype(np.float64)).max(initial=0))


def relative(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """The largest difference relative to our largest magnitude."""
    return largest_difference(ours, theirs) / max(float(np.abs(ours).max(initial=0)), 1e-12)


def relative_to_itself(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """The largest difference relative to the value itself; infinite if the shapes differ."""
    if ours.shape != theirs.shape:
        return float("inf")
    apart = np.abs(ours.astype(np.float64) - theirs.astype(np.float64))
    return float((apart / (np.abs(ours) + SMALLEST)).max(initial=0))


def of_results(task: str, agreements: Sequence[Agreement], precision: str) -> list[Difference]:
    """The table rows of a task's results: the share that agrees, and the differences of their numbers."""
    rule = parity_of(task)
    title = f"{task}: {rule.title(agreements)}"
    numbers = {
        name: worst([each.numbers[name] for each in agreements])
        for name in rule.limits
        if all(name in each.numbers for each in agreements)
    }
    return [
        *(
            Difference(f"{task}: {name}", value, rule.limits[name][precision], at_least=False)
            for name, value in numbers.items()
        ),
        Difference(title, rule.share(agreements), rule.least[precision], at_least=True),
    ]


def remembered(run: Callable[[Pixels], Outcome]) -> Callable[[Pixels], Outcome]:
    """The same function, which computes the outcome of an image once. The images must be kept."""
    known: dict[int, Outcome] = {}

    def once(image: Pixels) -> Outcome:
        if id(image) not in known:
            known[id(image)] = run(image)
        return known[id(image)]

    return once
