"""What the scores of a recipe search depend on: a journal goes on only if all of it is the same."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.config.overrides import leaves
from tasks.data.loading.splits import Splits
from tasks.engine.settings import Run
from tasks.search.block.identity import contents, digest

NO_MATTER = (  # keys that may differ when a search goes on
    *("search.minutes", "search.trials", "search.workers", "search.study", "data.workers", "data.start_method"),
    *("data.cache", "data.cache_folder", "data.cache_gb", "data.eval_batch_size"),
    *("confirm", "traceback", "plugins", "overwrite", "check", "pictures", "log", "logger", "cpu", "runtime", "export"),
    *("benchmark", "saving", "processes", "hydra", "input", "predict", "stop_after"),
    *("dataset", "backbone.file"),  # paths: what is read there is compared
)
NEW = ("classes", "varied")  # that journals of before lack
FILES = ("weights", "checkpoint", "distill.teacher", "distill.weights")


def identity(run: Run, splits: Splits, varied: Sequence[str]) -> dict[str, Any]:
    """What scores depend on, by dotted keys, the same on every machine: files by content, not by path.

    Args:
        varied: the search space, see Space.ranges().
    """
    found = dict(leaves(dict(run.stored), ""))
    said = without_others({key.lstrip("."): value for key, value in found.items()})
    if said.get("data.cache_side") is None:  # journals of before lack the key
        said.pop("data.cache_side", None)
    if said.get("data.decode") == "cpu":
        del said["data.decode"]
    said |= {key: digest(str(said[key])) for key in FILES if said.get(key) is not None}
    said |= {"training images": contents(splits.train), "held-out images": contents(splits.val)}
    return said | {"classes": {kind: list(all) for kind, all in splits.classes.items()}, "varied": list(varied)}


def of_today(found: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """A journal's identity without the keys that do not matter today, and with those that it lacks as asked for."""
    return {key: asked[key] for key in NEW if key in asked} | without_others(found)


def without_others(said: Mapping[str, Any]) -> dict[str, Any]:
    """An identity without the keys that may differ."""
    return {key: value for key, value in said.items() if not any(within(key, other) for other in NO_MATTER)}


def within(key: str, other: str) -> bool:
    """Whether a dotted key is another one or below it."""
    return key == other or key.startswith(f"{other}.")
