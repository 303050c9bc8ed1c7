"""States of a metric that are lists of rows: gathered from several processes, and joined."""

from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor


def joined(state: list[Tensor] | Tensor, columns: int) -> NDArray[Any]:
    """A state's rows (N, columns): one tensor if gathered from several processes, else one per batch."""
    whole = torch.cat(state or [torch.zeros(0)]) if isinstance(state, list) else state
    return whole.numpy().reshape(-1, columns)


def gather(part: Tensor, group: Any = None) -> list[Tensor]:
    """A state of all processes, gathered through the CPU: backends like NCCL would need tensors on their device.

    A process without images sends torchmetrics' placeholder; it is dropped, so that its dtype does not spread.
    """
    parts: list[Any] = [None] * torch.distributed.get_world_size(group)
    torch.distributed.all_gather_object(parts, part.cpu(), group)
    return [part for part in parts if part.shape != (0,)]
