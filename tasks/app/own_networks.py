"""A network of the user's own under a recipe of ours: what the recipe sets for networks that have it is left out."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict

from tasks.app.option_files import CHOSEN, file_of
from tasks.config.heads_file import CONF
from tasks.config.overrides import typed_keys

GROUPS = ("backbone", "head")


def without_foreign(
    command: str, overrides: Sequence[str], choices: Mapping[str, Any], config: DictConfig, typed: Collection[str]
) -> list[str]:
    """Remove what a recipe sets of a backbone or head of the user's whose option has no such key.

    A recipe's `backbone.norm_momentum`, for example, is for networks in which it can be chosen. Options of ours have
    every key that their classes take; a recipe that sets another one is at fault, and is refused as before.

    Args:
        command: name of the composed configuration.
        overrides: that it was composed with.
        choices: option by group, such as `backbone` and `head@detect.head`.
        config: composed; it is changed.
        typed: keys of the command line, which stay.

    Returns:
        A line for each network that lacks something.
    """
    own = dict(of_user(choices))
    lines: list[str] = []
    if not own:
        return lines
    loader: Any = GlobalHydra.instance().config_loader()
    used = loader.compute_defaults_list(command, list(overrides), RunMode.RUN).defaults
    files = [(str(entry.config_path), entry.package) for entry in used]
    recipes = [name for name, _ in files if name.partition("/")[0] in CHOSEN]
    for place, (group, option) in own.items():
        its = [name for name, package in files if package == place and name.partition("/")[0] == group]
        known = set().union(*map(keys_in, its)) | {
            key.rpartition(".")[2] for key in typed if key.startswith(f"{place}.")
        }
        node = OmegaConf.select(config, place)
        for recipe in recipes:
            foreign = [key for key in keys_in(recipe, place) if key not in known and key in node]
            with open_dict(config):
                for key in foreign:
                    del node[key]
            if foreign:
                name = recipe.replace("/", "=", 1)
                lines.append(f"{place}={option} has no {', '.join(foreign)}, which {name} sets: left out")
    return lines


def drop_foreign(command: str, overrides: Sequence[str], config: DictConfig) -> None:
    """without_foreign() of a configuration composed with Hydra's own section, where nobody reads its lines."""
    without_foreign(command, overrides, config.hydra.runtime.choices, config, typed_keys(overrides))


def of_user(choices: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, str]]]:
    """The networks whose options are none of ours: place in the configuration, group, option."""
    for name, option in choices.items():
        group, _, place = name.partition("@")
        if group in GROUPS and option and not (CONF / group / f"{option}.yaml").is_file():
            yield place or group, (group, str(option))


def keys_in(config_path: str, place: str = "") -> list[str]:
    """The names in a configuration file, or in what it has at a place."""
    path = file_of(config_path)
    content: Any = OmegaConf.load(path) if path else None
    node = OmegaConf.select(content, place) if content and place else content
    return [str(key) for key in node] if isinstance(node, DictConfig) else []
