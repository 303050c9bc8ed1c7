"""Running statistics of batch normalisation that start as the plain mean of all batches.

With momentum m the initial mean 0 and variance 1 still have a weight of (1 - m)^n after n batches: at 0.01, the papers'
value, 15 % after 192 batches, enough for a well-trained network to score at chance level. With the weight

    max(m, 1 / (n + 1))    for the batch after n others

they are exactly the mean of all batches until 1 / (n + 1) has fallen to m, and the papers' average from then on.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.hooks import RemovableHandle


class CumulativeStart:
    """Sets a layer's momentum before each training batch, until its own momentum takes over.

    Counts in Python: reading the layer's `num_batches_tracked` would sync with the device in every step.

    Args:
        norm: the layer.
        batches: number of batches its statistics already average.

    Attributes:
        over: whether the layer's own momentum has taken over.
    """

    def __init__(self, norm: _BatchNorm, batches: int) -> None:
        assert norm.momentum is not None
        self.norm, self.momentum, self.batches = norm, norm.momentum, batches
        self.over = False
        self.handle: RemovableHandle = norm.register_forward_pre_hook(self.before)

    def before(self, norm: nn.Module, _inputs: object) -> None:
        """Set the weight of the next batch."""
        if not norm.training:
            return
        self.batches += 1
        if 1 / self.batches > self.momentum:
            self.norm.momentum = 1 / self.batches
        else:
            self.remove()

    def remove(self) -> None:
        """Restore the layer's own momentum."""
        self.norm.momentum, self.over = self.momentum, True
        self.handle.remove()


def start_from_mean(network: nn.Module) -> list[CumulativeStart]:
    """Make the running statistics of every batch normalisation start as the mean of all batches.

    Call this when a training begins or is resumed, after weights were loaded and layers converted: the number of
    batches so far is `num_batches_tracked`. Published files may contain trained statistics with a count of 0; such a
    layer gets the count at which its momentum takes over, so that loaded statistics are kept, even by a resumed run. A
    layer with a momentum of 0 or None, without statistics, or in evaluation mode (frozen, a teacher's) is left
    unchanged, including its count.

    Returns:
        One for each layer whose momentum has not taken over yet.
    """
    norms = [
        module
        for module in network.modules()
        if isinstance(module, _BatchNorm) and module.training and module.num_batches_tracked is not None
        if module.momentum
    ]
    if not norms:
        return []
    counts = [norm.num_batches_tracked for norm in norms if norm.num_batches_tracked is not None]
    known = torch.stack([torch.stack(counts), torch.stack([is_initial(norm) for norm in norms])]).tolist()  # syncs once
    starts = []
    for norm, tracked, count, initial in zip(norms, counts, *known, strict=True):
        momentum = norm.momentum or 0.0
        if count == 0 and not initial:
            count = math.ceil(1 / momentum)
            tracked.fill_(count)
        if 1 / (count + 1) > momentum:
            starts.append(CumulativeStart(norm, count))
    return starts


def is_initial(norm: _BatchNorm) -> Tensor:
    """Whether a layer's statistics still have their initial values: 0 or 1, int64."""
    assert norm.running_mean is not None and norm.running_var is not None
    return (torch.count_nonzero(norm.running_mean) + torch.count_nonzero(norm.running_var - 1) == 0).long()
