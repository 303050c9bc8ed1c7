"""The configuration inside a checkpoint, and what was typed on top of it."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from tasks.common.errors import UserError
from tasks.common.task_info import infos
from tasks.config.heads import BACKBONE
from tasks.config.targets import check_targets
from tasks.config.unread import check_read

OF_THIS_COMMAND = ("mode", "checkpoint", "resume", "weights", "model", "input", "stop_after", "logger", "cpu",
                   "upright", "runtime", "export", "benchmark", "budget", "search", "target", "latency",
                   "confirm", "overwrite", "plugins", "trainer.num_nodes")  # fmt: skip
SETTLED = ("backbone", "head", "task", "heads", "balance", "batchnorm", "distill", "optimizer", "scheduler",
           "ema", "seed", "white", "data.batch_size", "data.repeat", "data.augment", "data.own_augment", "data.draw",
           "data.crop", "data.progressive", "data.max_broken", "trainer.accumulate_grad_batches", "trainer.precision",
           "trainer.gradient_clip_val", "image_size")  # fmt: skip
WHOLE = ("augment", "datasets", "draw", "own_augment")  # what has these names by the user's choice
GLOBAL_GROUPS = {
    "experiment": ("dataset", "datasets", "data", "trainer"),
    "recipe": ("data", "trainer"),
    "loss": ("task.loss",),
    "dataset": ("dataset", "datasets", "data.draw", "data.own_augment"),  # whatever it is, it takes a mixture's place
}


def plain(config: DictConfig) -> Any:
    """A configuration as dicts and lists; `${oc.env:DATA_ROOT}` stays what it is, to be read where it is used."""
    return OmegaConf.to_container(config, resolve=False)


def overlaid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """`above` on `below`: keys that only a newer version knows stay, whatever is built (`_target_`) is taken whole."""
    merged = dict(below)
    for key, value in above.items():
        settings = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        whole = not settings or "_target_" in value or key in WHOLE
        merged[key] = value if whole else overlaid(merged[key], value)
    return merged


def with_typed(card: Mapping[str, Any], config: DictConfig, overrides: Iterable[str]) -> DictConfig:
    """The checkpoint's configuration with what was typed on the command line on top.

    Args:
        config: the configuration composed by this command.
        overrides: what was typed: `key=value` or `group=option`.

    Raises:
        UserError: if a resumed run should go on with another network, optimiser or order of data; if the
            configuration in the checkpoint would build something that is not meant to be built.
    """
    together = OmegaConf.create(overlaid(plain(config), {"image_size": None, **card["config"]}))
    begun_with = settled(together) if config.resume is not None else {}
    typed = {*OF_THIS_COMMAND, *typed_keys(overrides)}
    for key in sorted(typed):
        if OmegaConf.select(config, key) is None and OmegaConf.select(together, key) is None:
            continue
        OmegaConf.update(together, key, OmegaConf.select(config, key), merge=False, force_add=True)
    check_read(plain(together), typed)
    goes_on_with = settled(together) if config.resume is not None else {}
    for key, before in begun_with.items():
        if goes_on_with.get(key) != before:
            raise UserError(
                f"{key}: resume=… goes on with what the run was begun with ({before}), not {goes_on_with.get(key)}; "
                f"to start anew from its weights use checkpoint={config.resume}"
            )
    check_targets(together)
    return together


def typed_keys(overrides: Iterable[str]) -> set[str]:
    """Keys of the configuration that overrides on the command line decide, be it through a group's choice."""
    keys: set[str] = set()
    for override in overrides:
        group, _, package = override.split("=", 1)[0].lstrip("+~").partition("@")
        key = "dataset" if package.startswith("datasets.") else package or group.replace("/", ".")
        if not key.startswith("hydra"):
            keys.update(GLOBAL_GROUPS.get(key, (key,)))
    return keys


def grown(card: Mapping[str, Any], config: DictConfig, overrides: Iterable[str]) -> DictConfig:
    """The configuration to train a multitask checkpoint's network with: its backbone and heads, and what was typed.

    Whatever else the configuration says is this command's own: data, optimiser, which parts are frozen.
    """
    together = OmegaConf.create(plain(config))
    taken = [*BACKBONE, *(name for name in card["tasks"] if name in card["config"])]
    for key in taken:
        keep = {"frozen": config[key].frozen} if "frozen" in config[key] else {}
        whole = overlaid({key: plain(config[key])}, {key: card["config"][key]})[key]
        OmegaConf.update(together, key, whole | keep, merge=False)
    for key in sorted(typed_keys(overrides)):
        if key.split(".")[0] in taken:
            OmegaConf.update(together, key, OmegaConf.select(config, key), merge=False, force_add=True)
    check_read(plain(together), typed_keys(overrides))
    return together


def settled(config: DictConfig) -> dict[str, Any]:
    """What a resumed run must share with its beginning, value by value, as it resolves (`${wants.output_stride}`).

    The schedule alone is taken as it is written: it may follow a length that changes.
    """
    found: dict[str, Any] = {"names of datasets": list(config.get("datasets") or ())}
    for key in (*SETTLED, *infos()):
        value = OmegaConf.select(config, key)
        if isinstance(value, DictConfig):
            found.update(leaves(OmegaConf.to_container(value, resolve=key != "scheduler"), key))
        else:
            found[key] = value
    return found


def leaves(node: Any, key: str) -> Iterator[tuple[str, Any]]:
    """The values of nested dicts by their dotted keys."""
    if not isinstance(node, dict):
        yield key, node
        return
    for name, value in node.items():
        yield from leaves(value, f"{key}.{name}")


def quoted(path: Path) -> str:
    """A path as Hydra's command line takes it, whatever it contains."""
    text = re.sub(r"(\\*)('|$)", lambda found: found[1] * 2 + ("\\'" if found[2] else ""), str(path))
    return f"'{text}'"
