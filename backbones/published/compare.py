"""Compares a network's counts with its paper's figures and with the known counts of its definition."""

from typing import Any

from backbones.published.row import Figure, Published
from backbones.published.shapes import Counts

DIFFERS = "a printed figure is not what its definition gives"


def difference(figure: Figure | None, count: int) -> float | None:
    """Relative difference from a printed figure; None if none is printed."""
    return None if figure is None else figure.difference(count)


def compare(row: Published, counts: Counts) -> dict[str, Any]:
    """The row as plain values; `check` is the largest relative difference from the definition's known size."""
    params, madds = row.paper_params, row.paper_madds
    measured_params, measured_madds = (round(millions * 1e6) for millions in row.measured)
    return {
        "backbone": row.backbone,
        "variant": row.variant,
        "size": row.size,
        "classes": row.classes,
        **counts._asdict(),
        "paper_params": params and params.value,
        "paper_madds": madds and madds.value,
        "difference_params": difference(params, counts.params),
        "difference_madds": difference(madds, counts.madds),
        "measured_params": measured_params,
        "measured_madds": measured_madds,
        "check": max(abs(counts.params / measured_params - 1), abs(counts.madds / measured_madds - 1)),
        "note": row.note or ("" if row.agrees(counts) else DIFFERS),
    }
