"""Keys from which others are derived, `image_size` and `wants`: if one is typed, something must use it."""

from collections.abc import Iterable
from typing import Any

from tasks.common.errors import UserError
from tasks.config.image_size import texts
from tasks.config.tree import Tree

# Keys of `data` that do not apply to scored images:
UNSCORED = ("augment", "own_augment", "crop", "progressive", "scales")


def check_read(tree: Tree, typed: Iterable[str]) -> None:
    """Refuse a typed value that has no effect.

    Args:
        typed: keys of the command line.

    Raises:
        UserError: for the first one, with what applies instead.
    """
    for key in sorted(typed):
        if key == "image_size" and tree["image_size"] is not None:
            check_size_is_read(tree)
        elif key.startswith("wants."):
            check_backbone_reads(tree, key.removeprefix("wants."))


def check_size_is_read(tree: Tree) -> None:
    """Raise UserError if image_size has no effect on this command."""
    data = tree["data"]
    if tree["mode"] not in ("train", "search"):
        tree = {**tree, "data": {key: value for key, value in data.items() if key not in UNSCORED}}
    if not any(text.startswith("${image_") for text in texts(tree)):
        size = "[{},{}]".format(*tree["image_size"])
        raise UserError(
            f"image_size={size}: nothing follows from it here; data.crop, data.augment and data.fit have values of "
            f"their own (data.fit={data['fit']})"
        )


def check_backbone_reads(tree: Tree, name: str) -> None:
    """Raise UserError if the backbone does not use this key of `wants`."""
    backbone, wants = tree["backbone"], tree["wants"]
    taken = [f"wants.{key}" for key in wants if f"${{wants.{key}}}" in texts(backbone)]
    if f"wants.{name}" in taken:
        return
    network = str(backbone["_target_"]).rpartition(".")[2]
    why = f"backbone.{name}={backbone[name]} decides" if name in backbone else f"{network} has no {name}"
    choices = f"it takes {', '.join(taken)}" if taken else "it takes nothing of wants"
    raise UserError(f"wants.{name}={wants.get(name)}: {why}; {choices}")


def as_built(tree: Tree) -> dict[str, Any]:
    """A resolved configuration whose `wants` holds the values that the backbone was built with, and no other keys."""
    return {**tree, "wants": {key: tree["backbone"][key] for key in tree["wants"] if key in tree["backbone"]}}
