"""What the scores of a recipe search depend on: a journal goes on only if all of it is the same."""

from typing import Any

from tasks.config.overrides import leaves
from tasks.data.loading.splits import Splits
from tasks.engine.settings import Run
from tasks.search.block.identity import contents, digest

NO_MATTER = (  # keys that may differ when a search goes on
    *("search.minutes", "search.trials", "search.workers", "data.workers", "data.start_method"),
    *("data.cache", "data.cache_folder", "data.cache_gb", "data.eval_batch_size"),
    *("confirm", "traceback", "plugins", "overwrite", "check", "pictures", "log", "logger", "cpu", "runtime", "export"),
    *("benchmark", "saving", "processes", "hydra", "input", "predict", "stop_after"),
)
FILES = ("weights", "checkpoint", "distill.teacher", "distill.weights")


def identity(run: Run, splits: Splits) -> dict[str, Any]:
    """What scores depend on, by dotted keys: the configuration, the images, and the content of files."""
    found = dict(leaves(dict(run.stored), ""))
    said = {key.lstrip("."): value for key, value in found.items()}
    said = {key: value for key, value in said.items() if not any(within(key, other) for other in NO_MATTER)}
    if said.get("data.cache_side") is None:  # journals of before lack the key
        said.pop("data.cache_side", None)
    if said.get("data.decode") == "cpu":
        del said["data.decode"]
    said |= {key: digest(str(said[key])) for key in FILES if said.get(key) is not None}
    return said | {"training images": contents(splits.train), "held-out images": contents(splits.val)}


def within(key: str, other: str) -> bool:
    """Whether a dotted key is another one or below it."""
    return key == other or key.startswith(f"{other}.")
