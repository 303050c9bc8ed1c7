"""Checks a checkpoint's metadata and card.json before they are used.

Needs no PyTorch, because mode=predict with an exported file does not either.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.common.task_info import infos

FORMAT = 1
BUILT = ("backbone", "optimizer", "scheduler", "data", "dataset", "trainer")  # in every configuration
REINITIALIZED = "anew"  # key of the names of tensors that a training did not load, as in files of before
KINDS = {"format": int, "task": str, "config": dict, "tasks": dict}


def check_metadata(metadata: Mapping[str, Any], path: str | Path) -> None:
    """Raise UserError if an entry of the metadata is missing or has the wrong type."""
    missing = KINDS.keys() - metadata.keys()
    if missing:
        raise UserError(f"{path} is damaged: its description lacks {', '.join(sorted(missing))}")
    wrong = next(wrong_entries(metadata), "")
    if (task := wrong.removeprefix("tasks.")) in set(metadata["tasks"]) - set(infos()):
        raise UserError(f"{path} is damaged, or needs plugins=[…] for a task of your own: unknown task {task}")
    if wrong:
        raise UserError(f"{path} is damaged: its {wrong} is not what a checkpoint says there")
    if metadata["format"] > FORMAT:
        raise UserError(f"{path} has checkpoint format {metadata['format']}; this version reads up to {FORMAT}")


def wrong_entries(metadata: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys of entries with the wrong type; later checks rely on earlier ones having passed."""
    yield from (key for key, kind in KINDS.items() if not isinstance(metadata[key], kind) or metadata[key] is True)
    config, tasks = metadata["config"], metadata["tasks"]
    yield from (f"config.{key}" for key in BUILT if not isinstance(config.get(key), dict))
    if not isinstance(metadata.get(REINITIALIZED, []), list):
        yield REINITIALIZED
    if "holdout" in metadata and not is_holdout(metadata["holdout"]):
        yield "holdout"
    if not tasks:
        yield "tasks"
    for name, entry in tasks.items():
        if name not in infos() or not is_entry(name, entry):
            yield f"tasks.{name}"
    if metadata["task"] == "multitask":
        yield from wrong_heads(config, tasks)
    elif metadata["task"] not in tasks:
        yield "task"
    elif len(tasks) > 1:
        yield "tasks"
    else:
        yield from (f"config.{key}" for key in ("head", "task") if not isinstance(config.get(key), dict))
    yield from wrong_data_sets(config, tasks)


def is_holdout(record: Any) -> bool:
    """Whether this is a record of held-out images: see record_of in tasks/data/loading/holdout.py."""
    if not isinstance(record, dict) or record.keys() != {"share", "images", "held", "names"}:
        return False
    share, images, held, names = (record[key] for key in ("share", "images", "held", "names"))
    counted = type(images) is int and type(held) is int and 0 < held < images
    return counted and isinstance(share, float) and 0 < share < 1 and isinstance(names, str)


def wrong_heads(config: Mapping[str, Any], tasks: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys of wrong entries about heads in a configuration of tasks.multitask."""
    heads = config.get("heads")
    if not isinstance(heads, list) or any(not isinstance(name, str) or name not in infos() for name in heads):
        yield "config.heads"
    for name in {**dict.fromkeys(heads or ()), **tasks}:
        own = config.get(name)
        if not isinstance(own, dict) or own.get("target") != infos()[name].target:
            yield f"config.{name}"
        else:
            yield from (f"config.{name}.{key}" for key in ("head", "task") if not isinstance(own.get(key), dict))


def wrong_data_sets(config: Mapping[str, Any], tasks: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keys of wrong entries about a mixture's data sets, including those of the heads."""
    sets, apart = config.get("datasets"), config.get("batchnorm") == "separate"
    if not isinstance(sets, dict) and (sets is not None or apart):
        yield "config.datasets"
    for key in ("draw", "own_augment"):
        if not isinstance(config["data"].get(key), dict | None):
            yield f"config.data.{key}"
    for name, entry in tasks.items():
        own = entry.get("datasets", None if apart else [])
        if not isinstance(own, list) or any(not isinstance(each, str) or each not in (sets or ()) for each in own):
            yield f"tasks.{name}.datasets"


def is_entry(task: str, entry: Any) -> bool:
    """Whether a head's entry has its kind of label, and valid classes of that kind."""
    if not isinstance(entry, dict) or entry.get("target") != infos()[task].target:
        return False
    classes = entry.get("classes")
    return isinstance(classes, list) and bool(classes) and all(map(infos()[task].classes.in_metadata, classes))
