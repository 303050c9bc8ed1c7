"""SHA-256 of a checkpoint's content, so that altered bytes are not mistaken for weights."""

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from tasks.common.errors import UserError

METADATA, DIGESTS = "mobilevision", "sha256"


def digests(checkpoint: Mapping[str, Any]) -> dict[str, str]:
    """Digest of the weights, and of the training state if the checkpoint has one."""
    training = {key: value for key, value in checkpoint.items() if key not in (METADATA, "state_dict")}
    found = {"weights": digest(checkpoint["state_dict"])}
    return found | ({"training": digest(training)} if "optimizer_states" in checkpoint else {})


def digest(node: object) -> str:
    """Digest of nested dicts, lists, numbers, strings and tensors; identical before writing and after reading."""
    sha256 = hashlib.sha256()
    feed(sha256, node)
    return sha256.hexdigest()


def feed(sha256: Any, node: object) -> None:
    """Add an entry and everything in it, each with its type, so that different contents never give the same bytes.

    Raises:
        ValueError: for an object, from which no checkpoint can be resumed, and a number with thousands of digits.
    """
    if isinstance(node, Tensor):
        tensor = node.detach().cpu().contiguous()
        sha256.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
        sha256.update(tensor.reshape(-1).view(torch.uint8).numpy())
    elif isinstance(node, Mapping):
        sha256.update(b"{")
        for key, value in node.items():
            sha256.update(f"{key!r}:".encode())
            feed(sha256, value)
        sha256.update(b"}")
    elif isinstance(node, list | tuple):
        sha256.update(b"[")
        for value in node:
            feed(sha256, value)
        sha256.update(b"]")
    elif isinstance(node, set | frozenset):
        sha256.update(f"({','.join(sorted(digest(value) for value in node))})".encode())
    elif node is None or isinstance(node, bool | int | float | complex | str | bytes):
        sha256.update(f"{node!r},".encode())
    else:
        raise ValueError(f"a {type(node).__name__} is no number, string, tensor, nor a list or dict of these")


def check_digest(checkpoint: Mapping[str, Any], part: str, path: object) -> None:
    """Compare a part, "weights" or "training", with the digest stored when it was saved.

    Checkpoints from before version 2 have no digests and pass.

    Raises:
        UserError: if it has changed since.
    """
    noted = checkpoint[METADATA].get(DIGESTS)
    if noted is None:
        return
    try:
        now = digests({key: value for key, value in checkpoint.items() if part == "training" or key == "state_dict"})
    except ValueError as error:
        raise UserError(f"{path} is damaged: its {part} cannot be compared with what was saved ({error})") from None
    if not isinstance(noted, Mapping) or noted.get(part) != now.get(part):
        raise UserError(f"{path} is damaged: its {part} are not what was saved (sha256 differs); take another copy")
