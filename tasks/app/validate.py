"""Checks what was typed: options must exist and fit the task, values of a sweep differ, and keys have an effect."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob
from omegaconf import OmegaConf

from tasks.app.option_files import file_of
from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.nested import leaves
from tasks.config.heads import is_multitask
from tasks.config.heads_file import CONF
from tasks.config.needs import idle, unused_here
from tasks.config.overrides import OF_THIS_COMMAND
from tasks.config.targets import RENAMED_ARGUMENTS
from tasks.config.tree import Tree, select
from tasks.config.unread import check_read

OURS = ("segment", "detect", "classify", "multilabel", "multitask")  # commands whose experiments are in conf/
OPTIONAL = {"recipe", "experiment", "search", "match"}  # groups of which nothing may be chosen


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


def check_own_options(folders: Iterable[Path]) -> None:
    """Refuse an option of the user's with the name of one of ours, which Hydra would take instead.

    Args:
        folders: of the user's groups.

    Raises:
        UserError: for the first one.
    """
    for folder in folders:
        for path in sorted(folder.glob("*/**/*.yaml")):
            name = path.relative_to(folder)
            if (CONF / name).is_file() and not path.samefile(CONF / name):
                choice = f"{name.parts[0]}={name.relative_to(name.parts[0]).with_suffix('').as_posix()}"
                raise UserError(f"{path}: {choice} is one of ours already; give yours another name")


def check_scale(task: str, arguments: Iterable[str]) -> None:
    """Refuse `scale=` of another task, whose keys this task's head does not have.

    Raises:
        UserError: for the first one, with this task's.
    """
    own = sorted(path.stem for path in (CONF / "scale").glob(f"{task}_*.yaml"))
    for argument in arguments:
        group, _, name = argument.partition("=")
        if group == "scale" and name not in own and (CONF / "scale" / f"{name}.yaml").is_file():
            there = f"its own are {', '.join(own)}" if own else "it has none of its own"
            raise UserError(f"{argument} is for tasks.{name.partition('_')[0]}, not tasks.{task}; {there}")


def check_experiment(task: str, arguments: Iterable[str]) -> None:
    """Refuse `experiment=` of another of our tasks; the command in its header says whose it is.

    Raises:
        UserError: for the first one, with that command.
    """
    for argument in arguments:
        group, _, name = argument.partition("=")
        path = CONF / "experiment" / f"{name}.yaml"
        if group != "experiment" or task not in OURS or not path.is_file():
            continue
        header = re.search(r"python -m tasks\.(\w+)", path.read_text(encoding="utf-8"))
        if header and header[1] != task:
            raise UserError(f"{argument} is for python -m tasks.{header[1]}, not tasks.{task}")


def check_sweep(arguments: Iterable[str]) -> None:
    """Refuse a value that a sweep has twice: `seed=0,0` would be two equal runs, and count as two seeds.

    Raises:
        UserError: for the first one.
    """
    words = [word for word in arguments if "=" in word and not word.startswith("-")]
    for override in OverridesParser.create().parse_overrides(words):
        listed = override.is_choice_sweep() and not isinstance(override.value(), Glob)
        values = list(map(str, override.sweep_string_iterator())) if listed else []
        twice = next((value for value in values if values.count(value) > 1), None)
        if twice is not None:
            raise UserError(f"{override.input_line} has {twice} twice; each value is one run")


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


def renamed_arguments(config: Mapping[str, Any], typed: set[str]) -> list[str]:
    """A line for each argument that was typed under its old name, such as a number as RMSprop's `optimizer.decay`.

    Raises:
        UserError: if it was typed under its name of today as well.
    """
    lines = []
    for section, built in config.items():
        arguments = RENAMED_ARGUMENTS.get(str(built.get("_target_")), {}) if isinstance(built, Mapping) else {}
        for old, new in arguments.items():
            if f"{section}.{old}" in typed and not isinstance(built[old], Mapping):
                lines.append(f"{section}.{old}={built[old]} is {section}.{new}={built[old]} today")
                if f"{section}.{new}" in typed:
                    raise UserError(f"{lines[-1]}; {section}.{new}={built[new]} was typed too")
    return lines


def check_typed(tree: Tree, typed: set[str], sweeping: bool = False) -> None:
    """Refuse typed keys that nothing uses; keys of a training in another mode are reported.

    With a checkpoint, those that its configuration decides over are checked once it is read.

    Args:
        tree: the command's configuration as stored.
        typed: keys of the command line.
        sweeping: whether this is a job of a sweep, in which another job may use a key: it is reported then.

    Raises:
        UserError: for the first such key.
    """
    if "quantise.aware" in typed and select(tree, "quantise.aware") and tree["mode"] not in ("train", "search"):
        raise UserError(
            f"quantise.aware=true is for mode=train; mode={tree['mode']} takes what it has trained as it is: "
            "checkpoint=<its best.ckpt>"
        )
    unused = sorted(key for key in typed if key.partition(".")[0] == "loss_weights")
    if unused and "weights" not in (tree.get("balance") or {}):
        raise UserError(f"{unused[0]} is for balance=fixed; this one finds the weights itself")
    fixed = sorted(key for key in typed if key == "image_size" or key.startswith("wants."))
    if fixed and tree["model"] is not None and tree["mode"] != "benchmark":
        raise UserError(f"{fixed[0]}: model=… stays as it was exported; mode=export makes another")
    from_file = tree["checkpoint"] is not None and (tree["mode"] != "train" or is_multitask(tree))
    whole = tree["model"] is None and tree["resume"] is None and not from_file
    if whole:
        check_read(tree, typed)
    tell_idle(tree, typed, sweeping, only=() if whole else OF_THIS_COMMAND)
    for line in unused_here(tree, typed):
        report(line)


def idle_in_experiment(name: str, tree: Tree) -> list[str]:
    """A line for each key without effect in an experiment of the user's own; ours set what some networks need.

    It may be meant for several commands: nothing is refused.
    """
    path = file_of(f"experiment/{name}")
    if path is None or CONF in path.parents or tree["mode"] != "train":
        return []
    content: Any = OmegaConf.to_container(OmegaConf.load(path), resolve=False)
    keys = [key for key, _ in leaves(content) if not key.startswith(("defaults", "hydra"))]
    return [f"experiment={name}: {line}" for line in idle(tree, keys)]


def tell_idle(tree: Tree, typed: Iterable[str], sweeping: bool, only: Iterable[str] = ()) -> None:
    """Refuse typed keys without effect, see tasks/config/needs.py; in a sweep they are reported.

    Raises:
        UserError: for the first one.
    """
    for line in idle(tree, typed, only):
        if not sweeping:
            raise UserError(line)
        report(line)
