"""How long whole networks take for an image, measured in turn."""

import copy
from collections.abc import Mapping

from tasks.common.stopwatch import Stopwatch, Term
from tasks.engine.learner import Learner
from tasks.latency.runtimes import Runtime, make_runtime
from tasks.latency.settings import LatencySettings
from tasks.latency.torch_runtime import TorchRuntime

SECONDS, VISITS = 1.0, 15  # for each network


def whole(learners: Mapping[str, Learner], settings: LatencySettings, size: tuple[int, int]) -> dict[str, float]:
    """Milliseconds for one image, by the networks' names; a mirror image (Task.mirror) is left out.

    Args:
        settings: of which runtime and threads count here.
        size: (height, width) of the image.

    Raises:
        UserError: for a runtime that is not installed, or a network that it cannot run.
    """
    return in_turn(learners, make_runtime(settings.runtime, settings.threads), size)


def torch_latency(learner: Learner, size: tuple[int, int]) -> float:
    """Milliseconds of one network in PyTorch on one thread, for one image of this (height, width)."""
    return in_turn({"": learner}, TorchRuntime(threads=1), size)[""]


def in_turn(learners: Mapping[str, Learner], runtime: Runtime, size: tuple[int, int]) -> dict[str, float]:
    """Milliseconds of networks in a runtime."""
    with runtime.ready():
        calls = [[Term(1, runtime.whole(single_pass(learner), size))] for learner in learners.values()]
        times = Stopwatch(runtime.threads, swept=False).measure(calls, SECONDS, VISITS)
    return dict(zip(learners, times, strict=True))


def single_pass(learner: Learner) -> Learner:
    """A copy on the CPU that looks at an image once."""
    network = copy.deepcopy(learner).cpu().eval()
    for _, task in network.each_task():
        task.mirror = False
    return network
