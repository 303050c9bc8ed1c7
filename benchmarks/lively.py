"""Untrained networks as if they were trained, for benchmarks and tests."""

import torch
from torch import Tensor, nn

from tasks.engine.learner import Learner


def enlivened(learner: Learner, images: Tensor) -> Learner:
    """Give every layer weights and statistics like those of a training: no normalisation does nothing, outputs differ.

    The network is returned in evaluation mode; the weights come from PyTorch's generator, from seed 0.

    Args:
        images: (N, 3, H, W) uint8, whose statistics the normalisations have.
    """
    torch.manual_seed(0)
    for module in learner.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = None  # the mean of all batches
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, std=0.3)
        elif isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:  # no normalisation behind it
            nn.init.normal_(module.weight, std=3 * module.weight[0].numel() ** -0.5)
    with torch.no_grad():
        learner.train()(images)
    return learner.eval()
