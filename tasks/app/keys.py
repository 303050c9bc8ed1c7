"""`--keys`: every key of the composed configuration with its comment, default and choices."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from tasks.app.added_keys import check_added
from tasks.app.interpolations import conf_folder
from tasks.app.option_files import CHOSEN, file_of
from tasks.app.own_networks import drop_foreign
from tasks.common.nested import leaves
from tasks.common.plugins import conf_folders
from tasks.common.task_info import infos
from tasks.config.argument_docs import ROOMS, arguments_of
from tasks.config.comments import comments_of, header_of
from tasks.config.heads_file import CONF, KEY_COMMENTS
from tasks.config.overrides import typed_keys
from tasks.config.rules import Rule, Rules, run
from tasks.config.rules.values import check_present, where_present
from tasks.config.tree import REFERENCE, select

OF_ROOMS = tuple(f"{room}." for room in ROOMS)
LIST = re.compile(r"(?:one of )?((?:[\w.+-]+, )+[\w.+-]+)(?:, or null)?")


class Key(NamedTuple):
    """A key of the configuration, or a group whose options are files.

    Attributes:
        name: as it is typed.
        value: what it is unless it is typed; of a group, the chosen option.
        comment: from the YAML files, else from the docstring of the class that takes it; '' if neither says anything.
        rule: which values are allowed, in words; '' if any value is.
        choices: the values, if there are only a few.
        group: whether it is a group.
        file: the file of conf/ that sets the value.
    """

    name: str
    value: Any
    comment: str
    rule: str
    choices: tuple[str, ...]
    group: bool
    file: str


def keys_of_command(task: str, overrides: Sequence[str]) -> list[Key]:
    """Compose the configuration of a command and describe its groups and keys, in the order of the configuration.

    Args:
        overrides: as prepared() returns them.

    Raises:
        UserError: for a key that nothing reads, or a value that violates its rule.
    """
    with conf_folder():
        config = compose(task, list(overrides), return_hydra_config=True)
        drop_foreign(task, overrides, config)
        loader: Any = GlobalHydra.instance().config_loader()
        used = loader.compute_defaults_list(task, list(overrides), RunMode.RUN).defaults
        own = OmegaConf.masked_copy(config, [str(name) for name in config if name != "hydra"])
        check_added(config.hydra, own, (CONF, *conf_folders()))
    check_typed(OmegaConf.to_container(own, resolve=False), typed_keys(overrides))
    files = [(entry.config_path, entry.package or "") for entry in used if entry.config_path is not None]
    files = [file for file in files if not file[0].startswith("hydra")]
    return [*of_groups(task, config.hydra.runtime.choices, [name for name, _ in files]), *of_values(config, files)]


def check_typed(tree: Any, typed: Iterable[str]) -> None:
    """Refuse a typed value that violates its rule; references to other keys are left to the command itself."""
    rules = run.RULES | where_present()
    for name in sorted(typed):
        rule = rule_named(rules, name)
        if rule is not None and "${" not in str(select(tree, name)):
            check_present(tree, name, rule)


def of_groups(task: str, choices: Mapping[str, Any], files: Iterable[str]) -> list[Key]:
    """The groups of a command, with what is chosen."""
    found: list[Key] = []
    comments: dict[str, str] = {}
    for used in filter(None, map(file_of, [*infos(), *files])):  # of the heads, whose groups tasks.multitask has
        comments |= {} if used.parent.name in CHOSEN else comments_of(used.read_text(encoding="utf-8"))
    for name, option in reversed(list(choices.items())):  # as they are composed
        group = name.partition("@")[0]
        options = of_task(task, group, options_of(group))
        if group.startswith("hydra/") or not options:
            continue
        path = file_of(f"{group}/{option}")
        about = [comments.get(f"defaults.{group}", ""), header_of(path.read_text(encoding="utf-8")) if path else ""]
        comment = "; ".join(filter(None, about))
        found.append(Key(name, option, comment, "", tuple(options), True, f"{group}/"))
    return found


def options_of(group: str) -> list[str]:
    """The options of a group, ours and the plug-ins', by name; those in folders with their path."""
    places = [folder / group for folder in (CONF, *conf_folders()) if (folder / group).is_dir()]
    paths = [path.relative_to(place).with_suffix("") for place in places for path in place.rglob("*.yaml")]
    return sorted({path.as_posix() for path in paths})


def of_task(task: str, group: str, options: Iterable[str]) -> list[str]:
    """The options without those that are for another task."""
    if group == "experiment":
        headers = {name: (file_of(f"{group}/{name}") or Path()).read_text(encoding="utf-8") for name in options}
        return [name for name, text in headers.items() if of_command(text) in (task, "")]
    others = tuple(f"{name}_" for name in (*infos(), "multitask") if name != task)
    return [name for name in options if group not in ("recipe", "scale") or not name.startswith(others)]


def of_command(text: str) -> str:
    """The task whose command is in the header of an experiment; '' if there is none."""
    found = re.search(r"python -m tasks\.(\w+)", text)
    return found[1] if found else ""


def of_values(config: DictConfig, files: Iterable[tuple[str, str]]) -> list[Key]:
    """The keys of a composed configuration.

    Args:
        files: that it was composed of, in order, each with the key that its content is put at.
    """
    tree: Any = OmegaConf.to_container(config, resolve=False)
    tree.pop("hydra", None)
    comments: dict[str, str] = {}
    later: dict[str, str] = {}
    places: dict[str, str] = {}
    for name, package in files:
        path = file_of(name)
        if path is None:
            continue
        text, below = path.read_text(encoding="utf-8"), "" if package == "_global_" else f"{package}."
        found = {below.lstrip(".") + key: comment for key, comment in comments_of(text).items()}
        # comments of a recipe say why a value was chosen, not what a key is
        (later if name.split("/")[0] in CHOSEN else comments).update(
            {key: comment for key, comment in found.items() if key not in comments}
        )
        content = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
        places |= {below.lstrip(".") + key: name for key, _ in leaves(content if isinstance(content, dict) else {})}
    rules = run.RULES | where_present()
    keys = []
    for name, value in leaves(tree):
        if name.endswith(("_target_", "_partial_", "_recursive_", "_convert_")):
            continue
        comment = comments.get(name) or of_head(name) or of_docstring(tree, name) or later.get(name, "")
        if not comment and (reference := REFERENCE.fullmatch(str(value))):
            comment = comments.get(reference[1], "")
        rule = rule_of(rules, name)
        keys.append(Key(name, value, comment, rule, choices_in(rule), False, places.get(name, "")))
    return keys


def rule_named(rules: Rules, name: str) -> Rule | None:
    """The rule of a key; heads of tasks.multitask have those of the single tasks."""
    head, _, rest = name.partition(".")
    return rules.get(rest if head in infos() and name not in rules else name)


def rule_of(rules: Rules, name: str) -> str:
    """The rule of a key in words; '' if there is none."""
    rule = rule_named(rules, name)
    return rule[1] if rule else ""


def choices_in(rule: str) -> tuple[str, ...]:
    """The values that a rule names, if it names them all."""
    if rule.startswith("true or false"):
        return ("true", "false", *(["null"] if rule.endswith("or null") else []))
    match = LIST.fullmatch(rule) if rule.startswith("one of ") else None
    return tuple(match[1].split(", ")) + (("null",) if rule.endswith(", or null") else ()) if match else ()


def of_head(name: str) -> str:
    """The comment of a key that tasks.multitask has for each head; '' for other keys."""
    section, _, last = name.rpartition(".")
    return KEY_COMMENTS.get(last if section in infos() else section or name, "")


def of_docstring(tree: Any, name: str) -> str:
    """What the class that takes a key says of it."""
    section, _, argument = name.rpartition(".")
    while section:
        target = select(tree, f"{section}._target_")
        if target is not None:
            text = arguments_of(str(target)).get(argument.partition(".")[0], "")
            foreign = not str(target).startswith(OF_ROOMS)
            return text or (f"argument of {target}" if foreign else "")
        section, _, last = section.rpartition(".")
        argument = f"{last}.{argument}"
    return ""
