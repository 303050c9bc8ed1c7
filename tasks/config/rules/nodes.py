"""Where in a configuration something is built."""

from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

OURS = ("backbones.", "heads.", "tasks.", "torch.", "lightning.", "albumentations.")


def built(node: DictConfig | ListConfig, path: str = "") -> Iterator[tuple[str, DictConfig]]:
    """All nodes that have a `_target_`, with their keys; outer ones first."""
    children: list[tuple[str, Any]]
    if isinstance(node, DictConfig):
        if "_target_" in node:
            yield path, node
        children = [(str(key), node._get_node(key)) for key in node]
    else:
        children = [(str(index), node._get_node(index)) for index in range(len(node))]
    for key, child in children:
        if isinstance(child, DictConfig | ListConfig) and not child._is_none() and not child._is_interpolation():
            yield from built(child, f"{path}.{key}".lstrip("."))


def is_ours(config: DictConfig, key: str) -> bool:
    """Whether what holds a key is built by us or a library that we know: own classes have values of their own."""
    while "." in key:
        key = key.rpartition(".")[0]
        node = OmegaConf.select(config, key)
        if isinstance(node, DictConfig) and "_target_" in node:
            return str(node._target_).startswith(OURS)
    return True
