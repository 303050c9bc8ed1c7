"""Latency of whole networks for one image, measured in turn."""

import copy
from collections.abc import Mapping

from tasks.common.stopwatch import Stopwatch, Term
from tasks.engine.learner import Learner
from tasks.latency.runtimes import Runtime, make_runtime
from tasks.latency.settings import LatencySettings
from tasks.latency.torch_runtime import TorchRuntime

SECONDS, VISITS = 1.0, 15  # per network


def whole(learners: Mapping[str, Learner], settings: LatencySettings, size: tuple[int, int]) -> dict[str, float]:
    """Milliseconds for one image, by network name, of the plain image alone (Task.views).

    Args:
        settings: only runtime and threads are used.
        size: (height, width) of the image.

    Raises:
        UserError: for a runtime that is not installed, or a network that it cannot run.
    """
    return in_turn(learners, make_runtime(settings.runtime, settings.threads), size)


def torch_latency(learner: Learner, size: tuple[int, int]) -> float:
    """Milliseconds of one network in PyTorch on one thread, for one image of this (height, width)."""
    return in_turn({"": learner}, TorchRuntime(threads=1), size)[""]


def in_turn(learners: Mapping[str, Learner], runtime: Runtime, size: tuple[int, int]) -> dict[str, float]:
    """Milliseconds of networks in a runtime, measured in turn."""
    with runtime.ready():
        calls = [[Term(1, runtime.whole(single_pass(learner), size))] for learner in learners.values()]
        times = Stopwatch(runtime.threads, swept=False).measure(calls, SECONDS, VISITS)
    return dict(zip(learners, times, strict=True))


def single_pass(learner: Learner) -> Learner:
    """Copy to the CPU that runs once per image, see Task.use_one_view."""
    network = copy.deepcopy(learner).cpu().eval()
    for _, task in network.each_task():
        task.use_one_view()
    return network
