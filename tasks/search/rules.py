"""Rules for the values of a search's settings, by kind of search."""

import math

from tasks.common.labels import is_number
from tasks.config.rules import (
    POSITIVE,
    SWITCH,
    TEXT,
    Rule,
    Rules,
    is_list,
    is_size,
    list_of,
    number,
    one_of,
    optional,
    whole,
)

COSTS = ("latency", "madds", "params")
KNOBS = ("kernel", "expansion", "excite", "act", "filters", "layers")
SHARE: Rule = (lambda v: is_number(v) and 0 < v < 1, "a number between 0 and 1")


def multiples(least: float = -math.inf, *, above: float = -math.inf) -> Rule:
    """A rule: the lowest and the highest multiple, with 1, the value itself, between them."""
    inside = number(least, above=above)[0]
    low = f"above {above:g}" if above > -math.inf else f"from {least:g}"
    return (
        lambda v: is_list(v) and len(v) == 2 and all(map(inside, v)) and v[0] <= 1 <= v[1] and v[0] < v[1],
        f"[lowest, highest] multiple, {low}, with 1 between them",
    )


STUDY: Rule = optional((TEXT[0], "the path of a journal or the URL of a database"))
PROXY: Rules = {"search.images": whole(1), "search.workers": whole(1, optional=True)}
KINDS: dict[str, Rules] = {
    "netadapt": PROXY
    | {
        "search.score_on": one_of("holdout", "validation"),
        "search.step": SHARE,
        "search.steps": whole(1),
        "search.lr": POSITIVE,
        "search.importance": whole(1),
        "search.minutes": (lambda v: v is None or (is_number(v) and v > 0), "a number above 0, or null"),
        "search.widths": (
            lambda v: isinstance(v, list) and all(w == "equal" or (is_number(w) and w > 0) for w in v),
            "a list of numbers above 0, or equal",
        ),
        "search.longer": SWITCH,
        "search.repeats": whole(1),
    },
    "blocks": PROXY
    | {
        "search.holdout": SHARE,
        "search.kernel": list_of(one_of("table", 3, 5, 7)),
        "search.expansion": list_of((lambda v: v == "table" or (is_number(v) and v > 0), "table or a number above 0")),
        "search.excite": list_of(one_of("table", True, False)),
        "search.act": list_of(one_of("table", "relu", "relu6", "hard_swish")),
        "search.filters": list_of(POSITIVE),
        "search.layers": list_of((lambda v: type(v) is int, "a whole number")),
        "search.objective": one_of("product", "pareto"),
        "search.exponent": (lambda v: is_number(v) and v <= 0, "a number, 0 or below"),
        "search.trials": whole(1),
        "search.epochs": whole(1),
        "search.prune_after": whole(1, optional=True),
        "search.subset": (lambda v: is_number(v) and 0 < v <= 1, "a number above 0 and up to 1"),
        "search.side": whole(1, optional=True),
        "search.study": STUDY,
    },
    "width": {
        "search.narrowest": POSITIVE,
        "search.widest": POSITIVE,
        "search.step": POSITIVE,
        "search.sizes": (
            lambda v: v is None or (isinstance(v, list) and len(v) > 0 and all(map(is_size, v))),
            "a list of [height, width], each between 1 and 16,384, or null",
        ),
    },
    "latency": {"search.networks": whole(3)},
    "candidates": {"search.networks": whole(0, most=1000), "search.widths": list_of(POSITIVE, least=0)},
    "recipe": PROXY
    | {
        "search.minutes": optional(POSITIVE),
        "search.trials": whole(1),
        "search.epochs": whole(1, optional=True),
        "search.prune": SWITCH,
        "search.holdout": SHARE,
        "search.lr": optional(multiples(above=0)),
        "search.decay": optional(multiples(above=0)),
        "search.augment": optional(multiples(0)),
        "search.sizes": optional(list_of(POSITIVE)),
        "search.finetune": optional(list_of(optional(TEXT))),
        "search.study": STUDY,
    },
}
