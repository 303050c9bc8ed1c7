"""Nodes of a configuration from which objects are built."""

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.config.tree import Spec, Tree, select

OURS = ("backbones.", "heads.", "tasks.", "torch.", "lightning.", "albumentations.")


def built(node: Any, path: str = "") -> Iterator[tuple[str, Spec]]:
    """Yield all nodes that have a `_target_`, with their keys, outer ones first."""
    if isinstance(node, Mapping) and "_target_" in node:
        yield path, node
    items = node.items() if isinstance(node, Mapping) else enumerate(node) if isinstance(node, list | tuple) else ()
    for key, child in items:
        yield from built(child, f"{path}.{key}".lstrip("."))


def is_ours(tree: Tree, key: str) -> bool:
    """Whether a key belongs to a class of ours or of a supported library; other classes define their own values."""
    while "." in key:
        key = key.rpartition(".")[0]
        node = select(tree, key)
        if isinstance(node, Mapping) and "_target_" in node:
            return str(node["_target_"]).startswith(OURS)
    return True
