"""The first words of keys: a command's own, and those of the configuration of the task that it runs."""

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from tasks.common.errors import UserError, suggestion
from tasks.common.plugins import conf_folders
from tasks.common.task_info import infos
from tasks.config.heads_file import CONF, command_file

CLOSE = 0.7  # of the similarity of a typing error to what is meant
FIRST = re.compile(r"[+~]*([\w-]*)[.@/]?")


def keys_of(name: str) -> frozenset[str]:
    """Names allowed as the first part of an argument: the configuration's top-level keys and groups."""
    text = "\n".join(command_file(file).read_text(encoding="utf-8") for file in ("base", name))
    groups = {
        path.name
        for folder in (CONF, *conf_folders())
        for path in folder.iterdir()
        if path.is_dir() and path.name[0] != "_"
    }
    groups |= set(infos())  # heads of tasks.multitask
    return frozenset(re.findall(r"^([a-z]\w*):", text, re.MULTILINE)) | groups


def check_own_keys(arguments: Sequence[str], own: Iterable[str]) -> None:
    """Refuse a key that resembles one of the command's own. All others are left to the task's command.

    Args:
        own: keys of the command besides those of the tasks, such as `side` of tasks.pack.

    Raises:
        UserError: for the first one, with the closest names.
    """
    own = [*own]
    of_tasks = frozenset[str]().union(*(keys_of(name) for name in (*infos(), "multitask"))) | {"hydra"}
    for argument in arguments:
        key, sign, _ = argument.partition("=")
        first = FIRST.match(key)
        if not sign or argument.startswith("-") or first is None or first[1] in of_tasks or first[1] in own:
            continue
        if get_close_matches(first[1].lower(), own, 1, CLOSE):
            near = suggestion(first[1], [*own, *sorted(of_tasks)])
            listed = ", ".join(f"{name}=…" for name in own)
            raise UserError(f"{key}: no such key{near}; this command's own are {listed}, all others the task's")
