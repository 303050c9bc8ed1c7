"""A network in PyTorch, timed as in mode=predict."""

from importlib.metadata import version
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tasks.common.labels import Pixels
from tasks.deploy.bench.stages import Stages
from tasks.engine.build import build, user_errors
from tasks.engine.instantiate import make
from tasks.engine.settings import Run
from tasks.engine.weights import load_for_inference
from tasks.predict.checkpoint import best_device, preprocess


class Seen(NamedTuple):
    """The network's input image, (1, 3, H, W) uint8 on its device, and the position of the photo in it."""

    images: Tensor
    places: tuple[Tensor, Tensor] | None


class NetworkStages(Stages):
    """A configured network, with its checkpoint's weights if it has one.

    Args:
        job: `task`, `config`, `classes` and `sources` from tasks/deploy/bench/candidates.py.

    Raises:
        UserError: if it cannot be built or the weights do not fit.
    """

    def __init__(self, job: dict[str, Any]) -> None:
        run = Run.of(job["task"], job["config"])
        self.learner = build(run.learner, job["classes"], job["sources"])
        if run.source.checkpoint is not None or run.source.weights is not None:
            load_for_inference(run, self.learner)
        with user_errors():
            self.fit = make(run.data.fit, "data.fit")
        device = best_device(run.trainer.accelerator)
        self.learner.eval().to(device)
        self.runtime, self.precision, self.device = f"torch {version('torch')}", "fp32", device.type

    def prepare(self, photo: Pixels) -> Seen:
        seen = Seen(*preprocess(self.learner, photo, self.fit))
        self.wait()
        return seen

    @torch.inference_mode()
    def network(self, prepared: Seen) -> dict[str, Any]:
        outputs: dict[str, Any] = self.learner(prepared.images)
        self.wait()
        return outputs

    @torch.inference_mode()
    def finish(self, outputs: dict[str, Any], prepared: Seen) -> dict[str, Any]:
        found = self.learner.predictions_from(outputs, prepared.images, prepared.places)
        tasks = dict(self.learner.each_task())
        return {name: tasks[name].output.gist(tasks[name].found(prediction)) for name, prediction in found.items()}

    def seen(self, prepared: Seen) -> tuple[int, int]:
        height, width = prepared.images.shape[-2:]
        return height, width

    def memory(self) -> int | None:
        return torch.accelerator.max_memory_allocated() if self.device == "cuda" else None

    def wait(self) -> None:
        """Wait for the accelerator, which runs asynchronously."""
        if self.device != "cpu":
            torch.accelerator.synchronize()
