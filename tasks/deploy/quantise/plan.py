"""Which layers stay in float: measures each layer's loss in int8 and keeps as many of the worst as necessary."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tasks.common.layer_graph import Layer
from tasks.deploy.quantise.litert import LiteRtQuantiser
from tasks.deploy.quantise.onnx import OnnxQuantiser
from tasks.deploy.quantise.openvino import OpenVinoQuantiser
from tasks.deploy.quantise.quantiser import Floats, Images, Quantised, Quantiser

SENSITIVE = ("first", "last", "boxes", "excite")  # kinds that may always stay in float
OTHERS = 4  # the worst one in OTHERS of the other layers may stay in float too


@dataclass(frozen=True)
class Plan:
    """A file with some layers in float.

    Attributes:
        kept: names of those layers, most sensitive first.
        score: of the file, as mixed_plan()'s `score` returns it; for int8.py the difference from the checkpoint's.
        fits: whether the score is at most the budget below the float file's; if False, `kept` has all candidates.
        table: (layer, loss, whether it stays in float), most sensitive first.
        quantised: how much of it is int8.
    """

    kept: list[str]
    score: float
    fits: bool
    table: list[tuple[Layer, float, bool]]
    quantised: Quantised


def open_quantiser(source: Path, batches: Sequence[Images]) -> Quantiser:
    """The quantiser for a float file, .onnx, .xml or .tflite; collects ranges from uint8 images now.

    Raises:
        UserError: for a missing package, too few images, or a tensor without a finite range.
    """
    makers: dict[str, Callable[[Path, Sequence[Images]], Quantiser]] = {
        ".onnx": OnnxQuantiser,
        ".xml": OpenVinoQuantiser,
        ".tflite": LiteRtQuantiser,
    }
    return makers[source.suffix](source, batches)


def sensitivity(quantiser: Quantiser) -> list[tuple[Layer, float]]:
    """Each layer with its loss, worst first: the error of the last layers' outputs when only this layer is int8."""
    names = [layer.name for layer in quantiser.layers]
    exact = quantiser.last_outputs(names)
    losses = [
        (layer, difference(exact, quantiser.last_outputs([name for name in names if name != layer.name])))
        for layer in quantiser.layers
    ]
    return sorted(losses, key=lambda entry: -entry[1])


def difference(exact: Sequence[Floats], rounded: Sequence[Floats]) -> float:
    """The root mean squared error relative to the deviation of the exact values; the worst over all outputs."""
    return max(
        float(np.sqrt(np.mean((ours - theirs) ** 2)) / max(np.std(ours), np.finfo(np.float32).tiny))
        for ours, theirs in zip(exact, rounded, strict=True)
    )


def mixed_plan(
    quantiser: Quantiser, target: Path, score: Callable[[Path], float], *, exact: float, budget: float
) -> Plan:
    """Write the file that keeps the fewest of the most sensitive layers in float that the budget needs.

    If the budget is exceeded even with all candidates in float, that file is written and Plan.fits is False.

    Candidates are the first and last layers, squeeze-and-excites, box regressions, and the worst quarter of the others
    except sums, which ONNX Runtime computes in int8 whenever they are between int8 layers.
    The number of candidates is doubled until the score fits, then bisected towards the last one that did not, since a
    score may cost a pass over the data set.

    Args:
        score: returns the score of a file.
        exact: the float file's score.
        budget: how far the file's score may be below it.
    """
    ranked = sensitivity(quantiser)
    others = [layer.name for layer, _ in ranked if layer.kind not in SENSITIVE and layer.operator != "add"]
    allowed = {layer.name for layer, _ in ranked if layer.kind in SENSITIVE} | set(others[: -(-len(others) // OTHERS)])
    candidates = [layer.name for layer, loss in ranked if layer.name in allowed and loss > 0]  # 0: it is float anyway
    scores: dict[int, float] = {}

    def fits(count: int) -> bool:
        scores[count] = score_of(quantiser, target, candidates[:count], score)
        return scores[count] >= exact - budget

    count, too_few = 1, 0
    while not fits(count) and count < len(candidates):
        too_few, count = count, min(2 * count, len(candidates))
    while count - too_few > 1 and scores[count] >= exact - budget:
        middle = (too_few + count) // 2
        too_few, count = (too_few, middle) if fits(middle) else (middle, count)
    kept = candidates[:count]
    quantised = quantiser.write(target, kept)
    table = [(layer, loss, layer.name in kept) for layer, loss in ranked]
    return Plan(kept, scores[count], scores[count] >= exact - budget, table, quantised)


def score_of(quantiser: Quantiser, target: Path, keep: Sequence[str], score: Callable[[Path], float]) -> float:
    """The score of a file that keeps these layers in float, written to a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / target.name
        quantiser.write(path, keep)
        return score(path)
