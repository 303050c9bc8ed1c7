"""Configurations as nested dicts and lists: reading a key, changing it, and resolving interpolations."""

import os
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tasks.common.errors import UserError
from tasks.config.image_size import derived, follows
from tasks.config.rules import SIZE, is_size

Tree = Mapping[str, Any]
Spec = Mapping[str, Any]  # of an object: a class or function by `_target_` with its arguments, fully resolved
DATA_ROOT = "${oc.env:DATA_ROOT,data}"  # folder of the data sets; conf/dataset
OUTPUT_DIR = "${hydra:runtime.output_dir}"  # of the run; conf/logger
REFERENCE = re.compile(r"\$\{([\w.]+)\}")


def select(tree: Tree, key: str) -> Any:
    """The value at a dotted key; None if the key does not exist."""
    node: Any = tree
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            return None
        node = node[name]
    return node


def need(tree: Tree, key: str) -> Any:
    """The value at a dotted key that every configuration must have.

    Raises:
        UserError: if it is missing.
    """
    if not has(tree, key):
        raise UserError(f"{key} is missing: every configuration has it")
    return select(tree, key)


def put(tree: Tree, key: str, value: Any) -> dict[str, Any]:
    """A copy with a value at a dotted key; missing parents are created."""
    name, _, rest = key.partition(".")
    below = tree.get(name)
    return {**tree, name: put(below if isinstance(below, Mapping) else {}, rest, value) if rest else value}


def resolved(tree: Tree, output_dir: object = "") -> dict[str, Any]:
    """A copy with interpolations resolved: references to other keys, rules of image_size, DATA_ROOT and OUTPUT_DIR.

    Other text is unchanged.

    Raises:
        UserError: for a reference to a missing key, and for an invalid image_size.
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
    """Whether a dotted key exists, even if its value is null."""
    parent, _, name = key.rpartition(".")
    node = select(tree, parent) if parent else tree
    return isinstance(node, Mapping) and name in node


def arguments(made: type, section: Tree) -> dict[str, Any]:
    """The entries of a section of the configuration that are fields of a dataclass."""
    names = {field.name for field in fields(made)}
    return {key: value for key, value in section.items() if key in names}


def spec_of(tree: Tree, key: str) -> Spec:
    """The specification of the object to build at a key.

    Raises:
        UserError: if there is none.
    """
    node = select(tree, key)
    if not isinstance(node, Mapping) or "_target_" not in node:
        raise UserError(f"{key}={node} leaves nothing to build; choose an option of the group")
    return node
