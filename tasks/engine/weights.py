"""The weights that a network starts from, or is scored with."""

from collections.abc import Mapping, Sequence
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from backbones.weights import load_head, load_weights
from tasks.checkpoint.checkpoint import for_data_sets, kept_apart, load_state, open_checkpoint, start_from
from tasks.checkpoint.manifest import card_of
from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.config.heads import parts, several, with_data_sets
from tasks.config.overrides import grown, plain, typed_keys, with_typed
from tasks.config.rules.places import check_places
from tasks.config.rules.values import check_values
from tasks.engine.learner import Learner
from tasks.engine.resuming import check_resumable


def with_checkpoint(task: str, config: DictConfig, overrides: Sequence[str]) -> tuple[DictConfig, list[str]]:
    """The configuration of the checkpoint to resume, evaluate or predict with, with what was typed on top.

    Multitask also trains on with the checkpoint's backbone and heads, to which others may be added.

    Returns:
        The configuration and the names of the checkpoint's heads.
    """
    if config.model is not None:
        card = card_of(str(config.model))
        return checked(with_typed(card, config, overrides), str(config.model)), list(card["tasks"])
    path = config.resume if config.mode == "train" and config.resume is not None else config.checkpoint
    if path is None or (config.mode == "train" and config.resume is None and not several(config)):
        return config, []
    checkpoint = open_checkpoint(path, task)
    card = checkpoint["mobilevision"]
    if config.resume is not None:
        check_resumable(checkpoint, path, averaged=card["config"].get("ema", config.ema) is not None)
    grows = config.mode == "train" and config.resume is None
    config = checked(grown(card, config, overrides) if grows else with_typed(card, config, overrides), path)
    if config.backbone.get("pretrained"):
        config.backbone.pretrained = False  # the checkpoint has the weights: nothing to download
    if config.mode == "evaluate" and config.get("datasets") and "datasets" not in typed_keys(overrides):
        needed = {source for head in parts(config) for source in card["tasks"].get(head, {}).get("datasets", ())}
        config = OmegaConf.create(with_data_sets(plain(config), needed))
    if config.mode == "evaluate" and (has := kept_apart(card)):
        check_known(list(config.get("datasets") or ()), has, path)
        config.batchnorm = "separate" if len(config.datasets) > 1 else "shared"
    return config, list(card["tasks"])


def checked(config: DictConfig, path: str) -> DictConfig:
    """A checkpoint's configuration with what was typed on top, in which every value holds to its rule.

    Raises:
        UserError: for the first that does not, with the file's name.
    """
    try:
        check_places(config)
        check_values(config)
    except (UserError, OmegaConfBaseException) as error:
        raise UserError(f"{path}: {str(error).splitlines()[0]}") from None
    return config


def check_known(names: Sequence[str], has: Sequence[str], path: str) -> None:
    """Raises a UserError for a data set that a checkpoint has no statistics of, where it keeps them apart."""
    for name in names or [""]:
        if name not in has:
            raise UserError(
                f"{path} keeps the statistics of {', '.join(has)} apart: call the data set like the one whose it is to "
                f"be scored with, datasets={{{has[0]}:…}}"
            )


def sources_of(card: Mapping[str, Any]) -> dict[str, list[str]]:
    """Of a checkpoint trained on a mixture: names of the data sets that had labels of each kind."""
    return {entry["target"]: entry["datasets"] for entry in card["tasks"].values() if entry.get("datasets")}


def classes_of_inactive(task: str, config: DictConfig, heads: Sequence[str]) -> dict[str, Sequence[Any]]:
    """The classes of heads that the data has no labels for, from the checkpoint that they come from."""
    if not heads:
        return {}
    cards = open_checkpoint(config.resume or config.checkpoint, task)["mobilevision"]["tasks"]
    return {cards[name]["target"]: cards[name]["classes"] for name in heads}


def classes_of(card: Mapping[str, Any]) -> dict[str, Sequence[Any]]:
    """The classes that a checkpoint was trained for, by kind of label."""
    return {entry["target"]: entry["classes"] for entry in card["tasks"].values()}


def start(task: str, config: DictConfig, learner: Learner) -> list[str]:
    """Weights to start a training from, with a report of what was loaded.

    Returns:
        Names of the tensors that there was nothing for.

    Raises:
        UserError: for weights that do not fit.
    """
    if config.resume is not None:
        return list(open_checkpoint(config.resume, task)["mobilevision"].get("anew", []))
    if config.weights is not None:
        take_weights(learner, str(config.weights))
    if config.checkpoint is None:
        return []
    checkpoint = open_checkpoint(config.checkpoint, task)
    trained = checkpoint["mobilevision"]["tasks"]
    if has := kept_apart(checkpoint["mobilevision"]):
        check_statistics(config, learner, trained, has)
        checkpoint = for_data_sets(checkpoint, list(config.datasets))
    known = [(name, entry) for name, entry in learner.each_task() if name in trained]
    other = [name for name, entry in known if meaning(trained[name]["classes"]) != meaning(entry.card()["classes"])]
    for name in sorted(learner.frozen - {"backbone"}):
        if name not in trained:
            raise UserError(
                f"{name}.frozen=true, but {config.checkpoint} has no head {name}, only {', '.join(trained)}"
            )
        if name in other:
            raise UserError(f"{name}.frozen=true, but {config.checkpoint} knows other classes than the data set")
    new = start_from(learner, checkpoint, config.checkpoint, other)
    added = [name for name in learner.tasks if name not in trained]
    dropped = [name for name in trained if name not in learner.tasks]
    of_classes = [name for name in new if not name.startswith(tuple(f"tasks.{head}." for head in added))]
    named = (
        ", ".join(of_classes)
        if len(of_classes) <= 4
        else f"{of_classes[0]} … {of_classes[-1]} ({len(of_classes)} tensors)"
    )
    report(
        f"weights from {config.checkpoint}"
        + (f"; new heads: {', '.join(added)}" if added else "")
        + (f"; dropped: {', '.join(dropped)}" if dropped else "")
        + (f"; made anew{'' if added else ' for other classes'}: {named}" if of_classes else "")
    )
    return new


def check_statistics(config: DictConfig, learner: Learner, trained: Mapping[str, Any], has: Sequence[str]) -> None:
    """A checkpoint that keeps statistics apart is trained on in the same way, with those that frozen heads need.

    Raises:
        UserError: if it is not.
    """
    if config.get("batchnorm") != "separate":
        raise UserError(
            f"{config.checkpoint} keeps the statistics of {', '.join(has)} apart: batchnorm=separate goes on so, "
            "python -m tasks.multitask.prune makes a checkpoint of one head"
        )
    for name in sorted(learner.frozen & set(trained)):
        own = (trained[name].get("datasets") or [""])[0]
        if own and own not in config.datasets:
            raise UserError(f"{name}.frozen=true needs the statistics of {own}: keep it in datasets=…")


def complete(task: str, config: DictConfig, learner: Learner) -> None:
    """All weights of a network that is scored or predicts: our checkpoint, or a whole network of torchvision's layout.

    Of an exported file only the classes are looked at.

    Raises:
        UserError: for weights that do not fit, that leave a layer as it was initialised, or that were trained for
            other classes or another order of them.
    """
    if config.model is not None:
        trained = card_of(str(config.model))["tasks"]
        for name, entry in learner.each_task():
            same_classes(trained[name]["classes"], entry.card()["classes"], f"{config.model}")
    if config.checkpoint is not None:
        checkpoint = open_checkpoint(config.checkpoint, task)
        trained = checkpoint["mobilevision"]["tasks"]
        for name, entry in learner.each_task():
            if name not in trained:
                raise UserError(f"{config.checkpoint} has no head {name}, only {', '.join(trained)}")
            entry.recall(trained[name])
            head = f"{config.checkpoint} ({name})" if len(trained) > 1 else config.checkpoint
            same_classes(trained[name]["classes"], entry.card()["classes"], head)
        if "batchnorm" in config and config.mode == "evaluate":
            checkpoint = for_data_sets(checkpoint, list(config.get("datasets") or ()))
        load_state(learner, checkpoint, config.checkpoint)
    if config.checkpoint is not None or config.model is not None:
        return
    missing = take_weights(learner, str(config.weights))
    if missing:
        raise UserError(
            f"weights={config.weights} has nothing for the head ({missing[0]} …): it can only be trained on"
        )


def same_classes(trained: Sequence[Any], here: Sequence[Any], path: str) -> None:
    """Raises a UserError at the first class that a checkpoint knows otherwise than the data set."""
    if len(trained) != len(here):
        raise UserError(f"{path} knows {len(trained)} classes, the data set has {len(here)}")
    for number, (theirs, ours) in enumerate(zip(meaning(trained), meaning(here), strict=True)):
        if theirs != ours:
            raise UserError(f"class {number} is {theirs} in {path} and {ours} in the data set")


def meaning(classes: Sequence[Any]) -> list[Any]:
    """Classes without the ids of label maps, which number a data set's files and not what the network gives."""
    return [[entry[0], *entry[2:]] if len(entry) == 3 and not isinstance(entry, str) else entry for entry in classes]


def numbered_as_trained(
    task: str, config: DictConfig, classes: Mapping[str, Sequence[Any]]
) -> Mapping[str, Sequence[Any]]:
    """Classes for mode=export: label maps get the ids of the files that the checkpoint was trained on."""
    if config.mode != "export" or config.checkpoint is None:
        return classes
    trained = classes_of(open_checkpoint(config.checkpoint, task)["mobilevision"])
    return {kind: trained[kind] if alike(trained.get(kind, ()), here) else here for kind, here in classes.items()}


def as_lists(classes: Any) -> Any:
    """Classes with lists for tuples, as a checkpoint has them."""
    return [as_lists(entry) for entry in classes] if isinstance(classes, list | tuple) else classes


def alike(trained: Sequence[Any], here: Sequence[Any]) -> bool:
    """Whether classes mean the same, whatever their ids in label maps."""
    return meaning(trained) == meaning(as_lists(here))


def take_weights(learner: Learner, source: str) -> list[str]:
    """Other people's weights into the backbone and, where they go on as the head does, into the head.

    Returns:
        Names of the head's tensors for which there was nothing.
    """
    try:
        loaded = load_weights(learner.backbone, source)
    except ValueError as error:
        raise UserError(str(error)) from error
    missing: list[str] = []
    for _, task in learner.each_task():
        loaded, missing = load_head(task.head, loaded)
    report(f"weights from {loaded}" + (f"; the head starts anew: {missing[0]} …" if missing else ""))
    return missing
