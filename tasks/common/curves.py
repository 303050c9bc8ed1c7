"""Curves over a threshold for a run's page: precision, recall and F1 of what scores at least so much."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Flags = NDArray[np.bool_]
GRID = np.linspace(0, 1, 101)  # of thresholds, and of recalls
WORST = 12  # classes that have a line of their own when there are more


class Ranked(NamedTuple):
    """What was found of one class, the highest score first.

    Attributes:
        scores: (D) falling.
        right: (D) right ones so far, of the first to this one.
        truths: how many there are to find.
    """

    scores: Scores
    right: NDArray[np.int64]
    truths: int

    @classmethod
    def of(cls, scores: Scores, right: Flags, truths: int) -> "Ranked":
        """Sort the scores (D); `right` says which of them are (D)."""
        order = np.argsort(-scores, kind="stable")
        return cls(scores[order], np.cumsum(right[order], dtype=np.int64), truths)

    def at(self, thresholds: Scores) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(T), (T): how many score at least each threshold, and how many of those are right."""
        found = np.searchsorted(-self.scores, -thresholds, side="right")
        return found, np.append(0, self.right)[found]

    def f1(self, thresholds: Scores) -> Scores:
        """(T) 2·TP / (found + truths); 0 without either."""
        found, right = self.at(thresholds)
        return 2 * right / np.maximum(1, found + self.truths)

    def best(self) -> dict[str, float] | None:
        """The threshold with the best F1, and precision and recall there; None if nothing right was found."""
        if not len(self.scores) or not self.right[-1]:
            return None
        thresholds = np.unique(self.scores)
        values = self.f1(thresholds)
        place = int(np.argmax(values))
        found, right = (int(each[0]) for each in self.at(thresholds[place : place + 1]))
        return {
            "threshold": float(thresholds[place]),
            "F1": float(values[place]),
            "precision": right / found,
            "recall": right / self.truths,
        }

    def precisions(self) -> Scores:
        """(101) the highest precision at each recall of the grid or a higher one, as COCO interpolates; 0 beyond."""
        last = np.append(self.scores[1:] < self.scores[:-1], True) if len(self.scores) else np.zeros(0, bool)
        found, right = np.flatnonzero(last) + 1, self.right[last]
        precision = np.maximum.accumulate((right / found)[::-1])[::-1]
        place = np.searchsorted(right / max(1, self.truths), GRID - 1e-12)
        return np.append(precision, 0.0)[place]


def joint(ranked: Sequence[Ranked]) -> Ranked:
    """All classes as one."""
    scores = np.concatenate([each.scores for each in ranked] or [np.zeros(0)])
    right = np.concatenate([np.diff(each.right, prepend=0) > 0 for each in ranked] or [np.zeros(0, bool)])
    return Ranked.of(scores, right, sum(each.truths for each in ranked))


def threshold_charts(ranked: Mapping[str, Ranked], what: str) -> dict[str, Any]:
    """`charts` and `best` of a page's curves, for classes with something to find.

    Args:
        what: a threshold is of: "score", "probability".
    """
    known = {name: each for name, each in ranked.items() if each.truths}
    every = joint(list(ranked.values()))  # what is found of a class without truths is wrong, too
    best = {name: each.best() for name, each in known.items()}
    over = every.best()
    marks = (
        [] if over is None else [{"x": over["threshold"], "text": f"best {over['F1']:.3f} at {over['threshold']:.3f}"}]
    )
    order = worst_first({name: (found or {}).get("F1", 0.0) for name, found in best.items()})
    lines = [line("all classes", every.f1(GRID), 2.75), *(line(name, known[name].f1(GRID)) for name in order)]
    return {
        "charts": [
            precision_chart({name: each.precisions() for name, each in known.items()}, "Precision over recall"),
            chart(f"F1 over the {what}'s threshold", what, "F1", lines, marks),
        ],
        "best": [["all classes", *values(over)], *([name, *values(found)] for name, found in best.items())],
    }


def values(best: Mapping[str, float] | None) -> list[float | None]:
    """A row of the table of thresholds: threshold, F1, precision, recall."""
    return [None if best is None else best[key] for key in ("threshold", "F1", "precision", "recall")]


def precision_chart(precisions: Mapping[str, Scores], title: str) -> dict[str, Any]:
    """A chart of each class's precision (101) over recall, and of their mean."""
    order = worst_first({name: float(each.mean()) for name, each in precisions.items()})
    lines = [line(name, precisions[name]) for name in order]
    if len(precisions) > 1:
        lines.insert(0, line("mean", np.mean(list(precisions.values()), axis=0), 2.75))
    return chart(title, "recall", "precision", lines, [])


def worst_first(worth: Mapping[str, float]) -> list[str]:
    """Names to draw: all of a few, in their order, or else the worst ones."""
    if len(worth) <= WORST:
        return list(worth)
    return sorted(worth, key=lambda name: (worth[name], name))[:WORST]


def chart(
    title: str, across: str, up: str, lines: Sequence[Mapping[str, Any]], marks: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """A chart whose lines have values at GRID."""
    return {"title": title, "x": across, "y": up, "lines": list(lines), "marks": list(marks)}


def line(name: str, heights: Scores, width: float = 1.5) -> dict[str, Any]:
    """A line of a chart, with four digits."""
    return {"name": name, "width": width, "values": [round(float(height), 4) for height in heights]}


def confusion(rows: Sequence[str], columns: Sequence[str], counts: NDArray[np.int64], note: str) -> dict[str, Any]:
    """A confusion matrix of a page: truth down, prediction across; of many classes only what occurs."""
    found = {"rows": list(rows), "columns": list(columns), "note": note}
    if counts.size <= 10_000:
        return found | {"counts": counts.tolist()}
    down, across = np.nonzero(counts)
    largest = np.argsort(-np.where(down == across, 0, counts[down, across]), kind="stable")[:20_000]
    triples = [[int(down[k]), int(across[k]), int(counts[down[k], across[k]])] for k in largest]
    return found | {"sparse": triples, "totals": counts.sum(1).tolist()}
