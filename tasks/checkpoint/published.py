"""Checkpoints as model.safetensors (tasks.publish): weights, and their description as JSON in the header; no pickle.

The format sorts tensors, so they are kept by name; their digest is that of the sorted ones.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from backbones.safetensors_file import read_safetensors, safetensors_bytes
from tasks.checkpoint.digest import DIGESTS, METADATA, digests

PAIRS = "keys and values"  # of a dict with keys that are no texts, which JSON does not have


def published_bytes(metadata: Mapping[str, Any], state: Mapping[str, Tensor]) -> bytes:
    """The content of model.safetensors.

    Raises:
        ValueError: for metadata with other values than numbers, texts, lists and dicts.
    """
    tensors = dict(sorted(state.items()))
    metadata = {**metadata, DIGESTS: digests({"state_dict": tensors})}
    try:
        text = json.dumps(encoded(metadata), ensure_ascii=False)
    except TypeError as error:
        raise ValueError(f"its description cannot be written as JSON: {error}") from None
    return safetensors_bytes(tensors, {METADATA: text})


def read_published(path: Path) -> dict[str, Any]:
    """A published checkpoint's `mobilevision` and `state_dict`; of any other .safetensors file the tensors by name.

    Raises:
        ValueError: as read_safetensors, and if the description is not JSON.
    """
    tensors, texts = read_safetensors(path)
    if METADATA not in texts:
        return dict(tensors)
    try:
        metadata = decoded(json.loads(texts[METADATA]))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(
            f"{path} is damaged: the description in its header is no JSON ({type(error).__name__})"
        ) from error
    return {METADATA: metadata, "state_dict": dict(sorted(tensors.items()))}


def encoded(node: Any) -> Any:
    """Nested dicts and lists in a form that JSON gives back as it was, but for tuples, which become lists."""
    if isinstance(node, Mapping):
        pairs = [(key, encoded(value)) for key, value in node.items()]
        plain = all(isinstance(key, str) for key in node) and PAIRS not in node
        return dict(pairs) if plain else {PAIRS: [list(pair) for pair in pairs]}
    return [encoded(each) for each in node] if isinstance(node, list | tuple) else node


def decoded(node: Any) -> Any:
    """The reverse of encoded()."""
    if isinstance(node, dict):
        if node.keys() == {PAIRS}:
            return {key: decoded(value) for key, value in node[PAIRS]}
        return {key: decoded(value) for key, value in node.items()}
    return [decoded(each) for each in node] if isinstance(node, list) else node
