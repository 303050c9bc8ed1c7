"""Latency of trained networks for one image on one thread, measured in turn so that a busy machine slows all alike."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from tasks.checkpoint.checkpoint import open_checkpoint
from tasks.common.errors import LAST
from tasks.common.stopwatch import Stopwatch
from tasks.config.tree import Tree
from tasks.data.loading.batches import EvalDataset
from tasks.data.loading.settings import DataSettings
from tasks.data.loading.splits import Splits
from tasks.engine.build import build_data
from tasks.engine.instantiate import make
from tasks.engine.trained import load_trained
from tasks.multitask.runs import SHARED

ROUNDS, WARM_UP = 31, 5


class Latency(NamedTuple):
    """Milliseconds for one image: for the raw outputs of all heads, and for the predictions too."""

    network: float
    whole: float


def latencies(folders: Mapping[str, Path]) -> dict[str, Latency]:
    """Latencies of the networks trained by these runs, by name, for the first validation image."""
    paths = {name: folder / "checkpoints" / LAST for name, folder in folders.items()}
    networks = {name: load_trained(open_checkpoint(path, "multitask"), path) for name, path in paths.items()}
    batch = first_batch(networks[SHARED].config)
    image = batch["image"].contiguous(memory_format=torch.channels_last)
    calls: dict[tuple[str, str], Callable[[], Any]] = {}
    for name, (learner, _) in networks.items():
        calls[name, "network"] = partial(learner, image)
        calls[name, "whole"] = partial(learner.predictions, image, batch.get("places"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            medians = Stopwatch(threads=1).in_turn(calls, ROUNDS, WARM_UP)
    finally:
        torch.set_num_threads(threads)
    return {name: Latency(medians[name, "network"], medians[name, "whole"]) for name in networks}


def first_batch(tree: Tree) -> Mapping[str, Any]:
    """The first validation image as network input: `image` (1, 3, H, W) uint8, and possibly `places`."""
    settings = DataSettings.of(tree)
    dataset = make(settings.dataset, "dataset")
    data = build_data(settings, tree["seed"], Splits(dataset.classes, None, dataset.val()))
    return EvalDataset(data.val, data.fit)[[0]]
