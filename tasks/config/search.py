"""What the settings of a search and of budgets may say: checked before anything heavy is imported."""

from importlib.util import find_spec

from tasks.common.errors import UserError
from tasks.common.labels import is_number
from tasks.config.amounts import Amount, amount
from tasks.config.heads import several
from tasks.config.rules import POSITIVE, SWITCH, Rule, Rules, is_size, list_of, one_of, whole
from tasks.config.tree import Tree, select

COSTS = ("latency", "madds", "params")
RUNTIMES = ("torch", "onnx")
SHARE: Rule = (lambda v: is_number(v) and 0 < v < 1, "a number between 0 and 1")
COMMON: Rules = {
    "latency.runtime": one_of(*RUNTIMES),
    "latency.threads": whole(1),
    "latency.precision": one_of("fp32"),
    "latency.other_machine": SWITCH,
    "latency.seconds": POSITIVE,
}


PROXY: Rules = {"search.holdout": SHARE, "search.images": whole(1), "search.workers": whole(1, optional=True)}
KINDS: dict[str, Rules] = {
    "netadapt": PROXY
    | {
        "search.step": SHARE,
        "search.steps": whole(1),
        "search.lr": POSITIVE,
        "search.importance": whole(1),
        "search.minutes": (lambda v: v is None or (is_number(v) and v > 0), "a number above 0, or null"),
        "search.widths": (
            lambda v: isinstance(v, list) and all(w == "equal" or (is_number(w) and w > 0) for w in v),
            "a list of numbers above 0, or equal",
        ),
    },
    "blocks": PROXY
    | {
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
}


def check_search(tree: Tree) -> None:
    """What can be said of a search from the configuration alone.

    Raises:
        UserError: for a value outside its rule, a target that is missing or one of several, several heads.
    """
    if several(tree):
        raise UserError("a search is for one task: python -m tasks.search task=segment, detect or classify")
    if "search" not in tree:
        raise UserError(f"search=… is missing: one of {', '.join(KINDS)}")
    kind = tree["search"]["kind"]
    if kind not in KINDS:
        raise UserError(f"search.kind={kind}: choose it by search={', '.join(KINDS)}")
    for key, (holds, text) in (COMMON | KINDS[kind]).items():
        value = select(tree, key)
        if not holds(value):
            raise UserError(f"{key}={value} is not {text}")
    if kind == "blocks" and find_spec("optuna") is None:
        raise UserError('search=blocks needs optuna: pip install "mobilevision[search]"')
    if kind == "netadapt" and tree["checkpoint"] is None:
        raise UserError("search=netadapt narrows a trained network: checkpoint=<best.ckpt> is missing")
    given = next((f"target.{name}={tree['target'][name]}" for name in COSTS if tree["target"][name] is not None), "")
    if kind == "latency" and given:
        raise UserError(f"{given}: search=latency has no target")
    if kind != "latency":
        target_of(tree)


def target_of(tree: Tree) -> tuple[str, Amount]:
    """The cost that has a target, and how much it may be.

    Raises:
        UserError: unless there is exactly one.
    """
    given = [name for name in COSTS if tree["target"][name] is not None]
    if len(given) != 1:
        what = f"{' and '.join(f'target.{name}' for name in given)} are given" if given else "no target is given"
        raise UserError(f"{what}: say one of target.latency=0.7x, target.madds=60M, target.params=3M")
    name = given[0]
    return name, amount(f"target.{name}", tree["target"][name], milliseconds=name == "latency", relative=True)


def budgets_of(tree: Tree) -> dict[str, float]:
    """What a network may cost at most, by `params`, `madds`, `latency_ms`.

    Raises:
        UserError: for anything but amounts.
    """
    return {
        key: amount(f"budget.{key}", value, milliseconds=key == "latency_ms").value
        for key, value in tree["budget"].items()
        if value is not None
    }
