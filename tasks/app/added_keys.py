"""Keys that were typed with `+` or `++`: each must be one that something reads."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import ConfigCompositionException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from tasks.app.jobs import words
from tasks.common.errors import UserError
from tasks.config.rules.values import suggestion

# What lies below has names by the user's choice, or is null until something is typed there.
OPEN = ("datasets", "data.augment", "data.own_augment", "data.draw", "data.crop", "data.fit", "logger")


def check_added(hydra: HydraConf, config: DictConfig, folders: Sequence[Path]) -> None:
    """Refuse a key that nothing reads. Below a `_target_` a key is an argument of what is built: that refuses it later.

    Args:
        hydra: of the run: what was typed.
        config: composed.
        folders: of the groups.

    Raises:
        UserError: with the nearest names.
    """
    typed = words(hydra.overrides.task)
    added: dict[str, Override] = {}
    for override in OverridesParser.create().parse_overrides(typed):
        key, value = str(override.key_or_group), override.value()
        group = any((folder / key).is_dir() for folder in folders) and not isinstance(value, dict)
        if (override.is_add() or override.is_force_add()) and not group:
            added |= dict.fromkeys(leaves(key, value), override)
    if not added:
        return
    rest: Any = OmegaConf.to_container(config)
    for key in added:
        drop(rest, key.split("."))
    for key, override in added.items():
        if not reads(rest, key) and not (override.is_force_add() and was_there(hydra, typed, override)):
            raise UserError(f"{override.input_line}: {unknown(rest, key)}")


def leaves(key: str, value: Any) -> Iterator[str]:
    """Dotted keys of the values that an override sets."""
    if not isinstance(value, dict) or not value:
        yield key
        return
    for name, inner in value.items():
        yield from leaves(f"{key}.{name}", inner)


def drop(node: Any, words: list[str]) -> None:
    """Take a key out of nested dicts, and those above it that hold nothing else."""
    if isinstance(node, dict) and words[0] in node:
        drop(node[words[0]], words[1:]) if words[1:] else None
        if not words[1:] or node[words[0]] == {}:
            del node[words[0]]


def reads(node: Any, key: str) -> bool:
    """Whether a key that is added to nested dicts is an argument of what is built from them, or an open one."""
    if any(key == name or key.startswith(f"{name}.") for name in OPEN):
        return True
    for word in key.split("."):
        if not isinstance(node, dict):
            return False
        if "_target_" in node:
            return True
        node = node.get(word)
    return False


def was_there(hydra: HydraConf, typed: list[str], override: Override) -> bool:
    """Whether `++key=value` changes a key that is there without it, as `key=value` does."""
    line = str(override.input_line)
    without = [word.lstrip("+") if word == line else word for word in typed]
    loader = GlobalHydra.instance().config_loader()
    try:
        loader.load_configuration(hydra.job.config_name, without, RunMode.RUN)
    except ConfigCompositionException:
        return False
    return True


def unknown(node: Any, key: str) -> str:
    """What is said of a key that is not there: where it would be, and what is there."""
    for word in key.split("."):
        if not isinstance(node, dict) or word not in node:
            break
        node = node[word]
    names = [str(name) for name in node] if isinstance(node, dict) else []
    there = f"; there are {', '.join(names)}" if names else ""
    return f"nothing reads this key{suggestion(word, names)}{there}"
