"""Configurations as nested dicts and lists: a key of one, a change, and the interpolations that it may hold."""

import os
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tasks.common.errors import UserError
from tasks.config.image_size import derived, follows
from tasks.config.rules import SIZE, is_size

Tree = Mapping[str, Any]
Spec = Mapping[str, Any]  # what is built: a class or function by `_target_` with its arguments, nothing left to resolve
DATA_ROOT = "${oc.env:DATA_ROOT,data}"  # where data sets lie; conf/dataset
OUTPUT_DIR = "${hydra:runtime.output_dir}"  # of the run; conf/logger
REFERENCE = re.compile(r"\$\{([\w.]+)\}")


def select(tree: Tree, key: str) -> Any:
    """The value at a dotted key; None where there is none."""
    node: Any = tree
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            return None
        node = node[name]
    return node


def need(tree: Tree, key: str) -> Any:
    """The value at a dotted key that every configuration has.

    Raises:
        UserError: if it is not there.
    """
    if not has(tree, key):
        raise UserError(f"{key} is missing: every configuration has it")
    return select(tree, key)


def put(tree: Tree, key: str, value: Any) -> dict[str, Any]:
    """A copy with a value at a dotted key; what lacks above it is added."""
    name, _, rest = key.partition(".")
    below = tree.get(name)
    return {**tree, name: put(below if isinstance(below, Mapping) else {}, rest, value) if rest else value}


def resolved(tree: Tree, output_dir: object = "") -> dict[str, Any]:
    """A copy without interpolations: references to other keys, what follows from image_size, DATA_ROOT and OUTPUT_DIR.

    Other text stays as it is.

    Raises:
        UserError: for a reference to a key that is not there, and for an image_size that is none.
    """

    size = tree.get("image_size")
    if size is not None and not is_size(size):
        raise UserError(f"image_size={size} is not {SIZE[1]}, or null")

    def of(node: Any) -> Any:
        if isinstance(node, Mapping):
            return {key: of(value) for key, value in node.items()}
        if isinstance(node, list | tuple):
            return [of(value) for value in node]
        if not isinstance(node, str) or "${" not in node:
            return node
        if node == OUTPUT_DIR:
            return str(output_dir)
        if node.startswith(DATA_ROOT):
            return os.environ.get("DATA_ROOT", "data") + node.removeprefix(DATA_ROOT)
        if follows(node):
            return derived(node, size)
        if (reference := REFERENCE.fullmatch(node)) is None:
            return node
        if not has(tree, reference[1]):
            raise UserError(f"{node}: there is no {reference[1]}")
        return of(select(tree, reference[1]))

    return {key: of(value) for key, value in tree.items()}


def has(tree: Tree, key: str) -> bool:
    """Whether there is something at a dotted key, null or not."""
    parent, _, name = key.rpartition(".")
    node = select(tree, parent) if parent else tree
    return isinstance(node, Mapping) and name in node


def arguments(made: type, section: Tree) -> dict[str, Any]:
    """The keys of a section of the configuration that are fields of a dataclass."""
    names = {field.name for field in fields(made)}
    return {key: value for key, value in section.items() if key in names}


def spec_of(tree: Tree, key: str) -> Spec:
    """What is built at a key.

    Raises:
        UserError: if nothing is.
    """
    node = select(tree, key)
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise UserError(f"{key}={node} leaves nothing to build; choose an option of the group")
    return node
