"""Keys that others are derived from, `image_size` and `wants`: where one is typed, something must read it."""

from collections.abc import Iterable
from typing import Any

from tasks.common.errors import UserError
from tasks.config.image_size import texts
from tasks.config.tree import Tree

OF_TRAINING = ("augment", "own_augment", "crop", "progressive")  # of data: what scored images do not pass through


def check_read(tree: Tree, typed: Iterable[str]) -> None:
    """Refuse a typed value that changes nothing.

    Args:
        typed: keys of the command line.

    Raises:
        UserError: for the first one, with what is there instead.
    """
    for key in sorted(typed):
        if key == "image_size" and tree["image_size"] is not None:
            check_size_is_read(tree)
        elif key.startswith("wants."):
            check_backbone_reads(tree, key.removeprefix("wants."))


def check_size_is_read(tree: Tree) -> None:
    """Raises a UserError if nothing that this command does follows from image_size."""
    data = tree["data"]
    if tree["mode"] not in ("train", "search"):
        tree = {**tree, "data": {key: value for key, value in data.items() if key not in OF_TRAINING}}
    if not any(text.startswith("${image_") for text in texts(tree)):
        size = "[{},{}]".format(*tree["image_size"])
        raise UserError(
            f"image_size={size}: nothing follows from it here; data.crop, data.augment and data.fit have values of "
            f"their own (data.fit={data['fit']})"
        )


def check_backbone_reads(tree: Tree, name: str) -> None:
    """Raises a UserError if the backbone does not take what `wants` says."""
    backbone, wants = tree["backbone"], tree["wants"]
    taken = [f"wants.{key}" for key in wants if f"${{wants.{key}}}" in texts(backbone)]
    if f"wants.{name}" in taken:
        return
    network = str(backbone["_target_"]).rpartition(".")[2]
    why = f"backbone.{name}={backbone[name]} decides" if name in backbone else f"{network} has no {name}"
    choices = f"it takes {', '.join(taken)}" if taken else "it takes nothing of wants"
    raise UserError(f"wants.{name}={wants.get(name)}: {why}; {choices}")


def as_built(tree: Tree) -> dict[str, Any]:
    """A resolved configuration whose `wants` has what the backbone was built with, and nothing that it lacks."""
    return {**tree, "wants": {key: tree["backbone"][key] for key in tree["wants"] if key in tree["backbone"]}}
