"""The configuration inside a checkpoint, and the command line's overrides on top of it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tasks.common.errors import UserError
from tasks.common.task_info import infos
from tasks.config.batch import BatchSettings
from tasks.config.heads import BACKBONE
from tasks.config.rules.learning import DECAY, FINETUNE
from tasks.config.targets import check_targets
from tasks.config.tree import Tree, put, resolved, select
from tasks.config.unread import check_read

OF_THIS_COMMAND = ("mode", "checkpoint", "resume", "weights", "model", "device", "input", "stop_after", "log", "logger",
                   "cpu", "runtime", "predict", "processes", "export", "benchmark", "budget", "search", "target",
                   "latency", "confirm", "overwrite", "plugins", "trainer.num_nodes")  # fmt: skip
RESUME_KEYS = ("backbone", "head", "task", "heads", "balance", "batchnorm", "distill", "optimizer", "scheduler",
           "finetune", "quantise", "ema", "seed", "white", "data.batch_size", "data.global_batch", "data.repeat",
           "data.augment", "data.own_augment", "data.draw", "data.crop", "data.progressive", "data.scales",
           "data.balance", "data.repeat_factor", "data.max_broken", "data.holdout", "data.share",
           "data.cache_side", "data.order", "data.window",
           "trainer.accumulate_grad_batches", "trainer.precision", "trainer.gradient_clip_val", "image_size",
           "norm_start")  # fmt: skip
WHOLE = ("augment", "datasets", "draw", "own_augment")  # their keys are chosen by the user
GLOBAL_GROUPS = {
    "experiment": ("dataset", "datasets", "data", "trainer"),
    "recipe": ("data", "trainer"),
    "scale": ("dataset", "data", "trainer"),
    "loss": ("task.loss",),
    "match": ("task.loss.match",),
    "dataset": ("dataset", "datasets", "data.draw", "data.own_augment"),  # any data set replaces a mixture
}


def deep_merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge `above` into `below`: keys that only `below` has stay; nodes with a `_target_` are replaced as a whole."""
    merged = dict(below)
    for key, value in above.items():
        settings = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        whole = not settings or "_target_" in value or key in WHOLE
        merged[key] = value if whole else deep_merge(merged[key], value)
    return merged


def apply_overrides(stored: Tree, tree: Tree, overrides: Iterable[str]) -> dict[str, Any]:
    """The checkpoint's configuration with the command line's overrides on top.

    Args:
        stored: the checkpoint's configuration.
        tree: the configuration composed by this command.
        overrides: as typed: `key=value` or `group=option`.

    Raises:
        UserError: if a resumed run would continue with another network, optimiser or order of data, or if the
            configuration in the checkpoint would build something that is not allowed.
    """
    together = deep_merge(tree, {"image_size": None, **stored})
    begun_with = resume_signature(together) if tree["resume"] is not None else {}
    typed = {*OF_THIS_COMMAND, *typed_keys(overrides)}
    for key in sorted(typed):
        if select(tree, key) is not None or select(together, key) is not None:
            together = put(together, key, typed_value(tree, key))
    check_read(together, typed)
    goes_on_with = resume_signature(together) if tree["resume"] is not None else {}
    for key, before in begun_with.items():
        if goes_on_with.get(key) != before:
            raise UserError(
                f"{key}: resume=… goes on with what the run was begun with ({before}), not {goes_on_with.get(key)}; "
                f"to start anew from its weights use checkpoint={tree['resume']}"
            )
    check_targets(together)
    return together


def left_behind(stored: Tree, tree: Tree, overrides: Iterable[str]) -> str:
    """Keys of a checkpoint's data set that typing `dataset=` of the same class resets, for a report; '' if none."""
    typed, before, here = typed_keys(overrides), stored.get("dataset"), tree.get("dataset")
    if "dataset" not in typed or not isinstance(before, Mapping) or not isinstance(here, Mapping):
        return ""
    if before.get("_target_") != here.get("_target_"):
        return ""
    left = [
        f"dataset.{key}={value}"
        for key, value in before.items()
        if key in here and here[key] != value and not any(f"{each}.".startswith(f"dataset.{key}.") for each in typed)
    ]
    return ", ".join(left)


def typed_value(tree: Tree, key: str) -> Any:
    """The value typed for a key: a reference to another key is resolved here; a group's content is kept as written."""
    value = select(tree, key)
    return select(resolved(tree), key) if isinstance(value, str) else value


def typed_keys(overrides: Iterable[str]) -> set[str]:
    """Keys of the configuration set by overrides on the command line, directly or by choosing an option of a group."""
    keys: set[str] = set()
    for override in overrides:
        group, _, package = override.split("=", 1)[0].lstrip("+~").partition("@")
        key = "dataset" if package.startswith("datasets.") else package or group.replace("/", ".")
        if not key.startswith("hydra"):
            keys.update(GLOBAL_GROUPS.get(key, (key,)))
    return keys


def add_heads(metadata: Mapping[str, Any], tree: Tree, overrides: Iterable[str]) -> dict[str, Any]:
    """The configuration to train a multitask checkpoint's network: its backbone and heads, and what was typed.

    Everything else comes from this command's configuration: data, optimiser, which parts are frozen.
    """
    together = dict(tree)
    taken = [*BACKBONE, *(name for name in metadata["tasks"] if name in metadata["config"])]
    for key in taken:
        keep = {"frozen": tree[key]["frozen"]} if "frozen" in tree[key] else {}
        together[key] = deep_merge({key: tree[key]}, {key: metadata["config"][key]})[key] | keep
    for key in sorted(typed_keys(overrides)):
        if key.split(".")[0] in taken:
            together = put(together, key, typed_value(tree, key))
    check_read(together, typed_keys(overrides))
    return together


def resume_signature(tree: Tree) -> dict[str, Any]:
    """The resolved values (`${wants.output_stride}`) that a resumed run must share with the original run.

    Only the schedule is taken unresolved: it may depend on a run length that changes.
    """
    found: dict[str, Any] = {"names of datasets": list(tree.get("datasets") or ())}
    found |= {f"optimizer.decay.{kind}": rule for kind, rule in DECAY.items()}  # older files lack the keys
    found |= FINETUNE
    whole = resolved(tree)
    for key in (*RESUME_KEYS, *infos()):
        found.update(leaves(select(tree if key == "scheduler" else whole, key), key))
    found.pop("optimizer.fused", None)  # another way to the same
    if (images := BatchSettings.of(whole).images) is not None:  # other processes may share the same steps
        found |= {"data.batch_size": None, "trainer.accumulate_grad_batches": None, "data.global_batch": images}
    return found


def leaves(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """Yield the values of nested dicts with their dotted keys."""
    if not isinstance(node, dict):
        yield key, node
        return
    for name, value in node.items():
        yield from leaves(value, f"{key}.{name}")
