"""How long trained networks take for an image, on one thread, in turn: a busy machine slows all of them."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig

from tasks.checkpoint.checkpoint import load_state, open_checkpoint
from tasks.common.stopwatch import Stopwatch
from tasks.config.stored import rebuilt
from tasks.data.loading.batches import Scored
from tasks.data.loading.splits import Splits
from tasks.engine.build import build, build_data
from tasks.engine.learner import Learner
from tasks.engine.weights import classes_of, sources_of
from tasks.multitask.runs import SHARED

ROUNDS, WARM_UP = 31, 5


class Latency(NamedTuple):
    """Milliseconds for one image: raw outputs of all heads, and with what makes predictions of them."""

    network: float
    whole: float


def latencies(folders: Mapping[str, Path]) -> dict[str, Latency]:
    """Of the networks that these runs have trained, by name; for the first image that is scored."""
    networks = {name: trained(folder / "checkpoints" / "last.ckpt") for name, folder in folders.items()}
    batch = first_batch(networks[SHARED][1])
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


def trained(path: Path) -> tuple[Learner, DictConfig]:
    """A checkpoint's network, ready to predict, and its configuration."""
    checkpoint = open_checkpoint(path, "multitask")
    card = checkpoint["mobilevision"]
    config = rebuilt(card, path)
    learner = build(config, classes_of(card), sources_of(card))
    load_state(learner, checkpoint, path)
    return learner.eval(), config


def first_batch(config: DictConfig) -> Mapping[str, Any]:
    """The first image that is scored, as the network sees it: `image` (1, 3, H, W) uint8, maybe `places`."""
    dataset = instantiate(config.dataset)
    data = build_data(config, Splits(dataset.classes, None, dataset.val()))
    return Scored(data.val, data.fit)[[0]]
