"""Checks keys typed with `+` or `++`: something must read each of them."""

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
from tasks.common.errors import UserError, suggestion

# Keys below these are chosen by the user, or the value is null until one is typed.
OPEN = ("datasets", "data.augment", "data.own_augment", "data.draw", "data.crop", "data.fit", "logger")


def check_added(hydra: HydraConf, config: DictConfig, folders: Sequence[Path]) -> None:
    """Refuse a key that nothing reads. Keys below a `_target_` are arguments, which the built class checks later.

    Args:
        hydra: of the run, with what was typed.
        config: composed.
        folders: of the groups.

    Raises:
        UserError: with the closest names.
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
    """Yield dotted keys of the values that an override sets."""
    if not isinstance(value, dict) or not value:
        yield key
        return
    for name, inner in value.items():
        yield from leaves(f"{key}.{name}", inner)


def drop(node: Any, words: list[str]) -> None:
    """Remove a key from nested dicts, and parents that become empty."""
    if isinstance(node, dict) and words[0] in node:
        drop(node[words[0]], words[1:]) if words[1:] else None
        if not words[1:] or node[words[0]] == {}:
            del node[words[0]]


def reads(node: Any, key: str) -> bool:
    """Whether a key added to nested dicts is an argument of an object built from them, or lies below an OPEN key."""
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
    """Whether `++key=value` changes an existing key, as `key=value` would."""
    line = str(override.input_line)
    without = [word.lstrip("+") if word == line else word for word in typed]
    loader = GlobalHydra.instance().config_loader()
    try:
        loader.load_configuration(hydra.job.config_name, without, RunMode.RUN)
    except ConfigCompositionException:
        return False
    return True


def unknown(node: Any, key: str) -> str:
    """The message for an unknown key: close names, and the keys that exist at its level."""
    for word in key.split("."):
        if not isinstance(node, dict) or word not in node:
            break
        node = node[word]
    names = [str(name) for name in node] if isinstance(node, dict) else []
    there = f"; there are {', '.join(names)}" if names else ""
    return f"nothing reads this key{suggestion(word, names)}{there}"
