"""The heads of a configuration: the single one of a task's own command, or those of tasks.multitask."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tasks.common.errors import UserError, not_one_of
from tasks.common.task_info import infos
from tasks.config.tree import Tree

BACKBONE = ("backbone", "wants")  # keys that determine a backbone's layers


def is_multitask(tree: Tree) -> bool:
    """Whether a configuration is for tasks.multitask."""
    return "heads" in tree


def head_configs(tree: Tree) -> dict[str, Tree]:
    """The configuration of each head by name: `head`, `task`, and whether it is `frozen`. Needs resolved heads."""
    return {name: tree[name] for name in tree["heads"] or ()} if is_multitask(tree) else {"": tree}


def resolve_heads(tree: Tree, classes: Mapping[str, Sequence[Any]], trained: Iterable[str], dataset: str) -> list[str]:
    """The heads to build: the requested ones, or all those for which the data has labels or the checkpoint has weights.

    Args:
        classes: of the data, by kind of label.
        trained: heads of the checkpoint from which training starts.
        dataset: name of the data in messages.

    Raises:
        UserError: for a head without data to train or score it.
    """
    able = [name for name, info in infos().items() if info.target in classes]
    trained = list(trained)
    heads = list(tree["heads"]) if tree["heads"] is not None else [n for n in infos() if n in able or n in trained]
    for name in heads:
        if name in able or (tree[name]["frozen"] and name in trained):
            continue
        rest = [other for other in heads if other in able]
        keep = f", or keep it as it is: {name}.frozen=true" if name in trained else ""
        raise UserError(
            f"head {name} has no data set: {dataset} has no labels of kind {infos()[name].target}, only "
            f"{', '.join(classes)}; leave it out: heads=[{','.join(rest)}]{keep}"
        )
    if not any(name in able for name in heads):
        raise UserError(f"no head of {', '.join(heads)} has labels in {dataset}, which has {', '.join(classes)}")
    if tree["mode"] == "train" and not any(name in able and not tree[name]["frozen"] for name in heads):
        raise UserError(f"nothing to train: {', '.join(heads)} are frozen or have no labels in {dataset}")
    return heads


def check_heads(tree: Tree) -> None:
    """Check `heads` and frozen parts as far as the configuration alone allows.

    Raises:
        UserError: for unknown or repeated names, an empty list, and frozen parts into which no weights are loaded.
    """
    choices = ", ".join(infos())
    if is_multitask(tree) and (heads := tree["heads"]) is not None:
        if not isinstance(heads, list) or not heads:
            raise UserError(f"heads={heads} is not a list of some of {choices}, or null")
        for name in heads:
            if name not in infos():
                raise UserError(f"heads: {name} {not_one_of(name, infos())}")
            if heads.count(name) > 1:
                raise UserError(f"heads={heads} names {name} twice")
    for name, info in infos().items() if is_multitask(tree) else ():
        if not isinstance(tree[name].get("frozen"), bool):
            raise UserError(f"{name}.frozen={tree[name].get('frozen')} is not true or false")
        if tree[name].get("target") != info.target:
            raise UserError(f"{name}.target={tree[name].get('target')}: this head learns from {info.target}")
    frozen = ["backbone.frozen"] if tree["backbone"].get("frozen") else []
    frozen += [f"{name}.frozen" for name in infos() if is_multitask(tree) and tree[name]["frozen"]]
    loaded = tree["checkpoint"] or tree["weights"] or tree["resume"] or tree["backbone"].get("pretrained")
    if frozen and tree["mode"] == "train" and not loaded:
        raise UserError(f"{frozen[0]}=true without weights to keep: checkpoint=<file.ckpt> brings them")


def of_one_head(metadata: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Convert the metadata of a multitask checkpoint as if its head `name` had been trained by its own command.

    The other heads stay in `tasks`, because their tensors are in the checkpoint.
    """
    config = {key: value for key, value in metadata["config"].items() if key not in (*infos(), "heads", "balance")}
    own, entry = metadata["config"][name], metadata["tasks"][name]
    config |= {"head": own["head"], "task": own["task"], "targets": [own["target"]]}
    if len(entry.get("datasets") or ()) < 2:
        config["batchnorm"] = "shared"
    return {**metadata, "task": name, "config": with_data_sets(config, entry.get("datasets"))}


def with_data_sets(config: Mapping[str, Any], names: Iterable[str] | None) -> dict[str, Any]:
    """A configuration with only these data sets of its mixture; unchanged if `names` is empty or None."""
    if not names:
        return dict(config)
    data, names = dict(config["data"]), list(names)
    for key in ("draw", "own_augment"):
        data[key] = {name: value for name, value in (data.get(key) or {}).items() if name in names}
    kept = {name: entry for name, entry in (config.get("datasets") or {}).items() if name in names}
    apart = config.get("batchnorm") if len(kept) > 1 else "shared"
    return {**config, "data": data, "datasets": kept, "batchnorm": apart}


def of_several(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the metadata of a single task's checkpoint as if tasks.multitask had trained it with one head."""
    (name,) = metadata["tasks"]
    config = {key: value for key, value in metadata["config"].items() if key not in ("head", "task")}
    own = {"target": infos()[name].target, "frozen": False} | {key: metadata["config"][key] for key in ("head", "task")}
    return {**metadata, "task": "multitask", "config": config | {"heads": [name], name: own}}
