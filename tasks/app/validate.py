"""Checks what was typed: a recipe must exist; `loss_weights`, `image_size` and `wants` must have an effect."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from tasks.common.errors import UserError
from tasks.config.heads import is_multitask
from tasks.config.heads_file import CONF
from tasks.config.rules.values import suggestion
from tasks.config.tree import Tree
from tasks.config.unread import check_read

OPTIONAL = {"recipe", "experiment", "search"}  # groups of which nothing may be chosen


def check_recipe(overrides: Iterable[str], folders: Iterable[Path]) -> None:
    """Check that a typed recipe exists; the default one, named after the data set, is optional.

    Raises:
        UserError: if it does not.
    """
    names = sorted(path.stem for folder in folders for path in (folder / "recipe").glob("*.yaml"))
    for override in overrides:
        group, _, name = override.partition("=")
        if group == "recipe" and name not in names and "," not in name:
            raise UserError(f"recipe={name}: no such option{suggestion(name, names)}; there are {', '.join(names)}")


def check_choices(arguments: Iterable[str], folders: Iterable[Path]) -> None:
    """Refuse null, a number and the like in the place of a group's option, before Hydra does without its name.

    Raises:
        UserError: for the first one, with the options.
    """
    groups: dict[str, list[str]] = {}
    for folder in (path for each in folders for path in each.iterdir() if path.is_dir()):
        groups.setdefault(folder.name, []).extend(path.stem for path in folder.glob("*.yaml"))
    for argument in arguments:
        group, sign, value = argument.partition("=")
        number = value.replace(".", "", 1).isdigit()
        if sign and group in groups.keys() - OPTIONAL and (number or value in ("null", "")):
            raise UserError(f"{argument}: {group} is one of {', '.join(sorted(groups[group]))}")


def check_sections(config: Mapping[str, Any]) -> None:
    """Refuse a value in the place of a section of conf/base.yaml, whose keys would be lost.

    Raises:
        UserError: for the first one, with its keys.
    """
    base: Any = OmegaConf.to_container(OmegaConf.load(CONF / "base.yaml"))
    for key, section in base.items():
        if key in ("defaults", "hydra") or not isinstance(section, dict) or not section:
            continue
        if not isinstance(config.get(key), Mapping):
            names = ", ".join(f"{key}.{name}=…" for name in section if not name.startswith("_"))
            raise UserError(f"{key}={config.get(key)} stands in the place of a section; it has {names}")


def check_typed(tree: Tree, typed: set[str]) -> None:
    """Refuse `loss_weights`, `image_size` and `wants` if nothing uses them.

    With a checkpoint the last two are checked once it is read.

    Args:
        tree: the command's configuration as stored.
        typed: keys of the command line.

    Raises:
        UserError: for the first such key.
    """
    unused = sorted(key for key in typed if key.partition(".")[0] == "loss_weights")
    if unused and "weights" not in (tree.get("balance") or {}):
        raise UserError(f"{unused[0]} is for balance=fixed; this one finds the weights itself")
    fixed = sorted(key for key in typed if key == "image_size" or key.startswith("wants."))
    if fixed and tree["model"] is not None and tree["mode"] != "benchmark":
        raise UserError(f"{fixed[0]}: model=… stays as it was exported; mode=export makes another")
    from_file = tree["checkpoint"] is not None and (tree["mode"] != "train" or is_multitask(tree))
    if tree["model"] is None and tree["resume"] is None and not from_file:
        check_read(tree, typed)
