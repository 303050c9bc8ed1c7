"""Translates datasets=[coco,cityscapes] on the command line into Hydra overrides."""

import re
from collections.abc import Sequence

from tasks.common.errors import UserError

KEY = "datasets="
NAME = re.compile(r"[A-Za-z]\w*")


def spelled_out(arguments: Sequence[str]) -> list[str]:
    """Expand `datasets=[a,b]` or `datasets={name:a,other:b}` into a choice of `dataset` for each.

    All other arguments follow, such as `datasets.a.root=…` and `data.draw.a=…`; the mixture replaces the single data
    set. If a checkpoint brings the mixture, `datasets.a.root=…` changes its settings.

    Raises:
        UserError: if `datasets=…` is not such a list.
    """
    sets = [pair for argument in arguments if argument.startswith(KEY) for pair in named(argument)]
    rest = [argument for argument in arguments if not argument.startswith(KEY)]
    if sets:
        chosen = ["dataset=mixed", *(f"+dataset@datasets.{name}={option}" for name, option in sets)]
        return chosen + [f"++data.draw.{name}=1.0" for name, _ in sets] + rest
    if any(argument.startswith(("checkpoint=", "resume=")) for argument in arguments):
        return [f"++{argument}" if argument.startswith("datasets.") else argument for argument in rest]
    return rest


def named(argument: str) -> list[tuple[str, str]]:
    """Names of the data sets, each with its option of the group `dataset`.

    Raises:
        UserError: for anything but a list of options, or of names with options, or for a duplicate name.
    """
    text = "".join(argument.removeprefix(KEY).split())
    inner = text[1:-1].split(",")
    if text[:1] == "[" and text[-1:] == "]":
        pairs = [(option, option) for option in inner]
    elif text[:1] == "{" and text[-1:] == "}":
        pairs = [(name, option) for name, _, option in (entry.partition(":") for entry in inner)]
    else:
        pairs = []
    names = [name for name, _ in pairs]
    if not pairs or not all(NAME.fullmatch(word) for pair in pairs for word in pair):
        raise UserError(
            f"{argument}: datasets=[coco,cityscapes], or with names of your own: datasets={{a:coco,b:coco}}"
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UserError(f"{argument} names {twice} twice: datasets={{{twice}:…,other:…}} gives them names of their own")
    return pairs
