"""An exported file in place of a network: scored by the same code, on the same images."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from heads.boxes import Places
from tasks.common.task import Task
from tasks.deploy.runners.runner import Runner
from tasks.engine.learner import Learner


class ExportedLearner(Learner):
    """A learner whose outputs come from a file.

    Args:
        learner: of the same tasks; its own network is not run.
        runner: the file.
        manifest: its description.
    """

    def __init__(self, learner: Learner, runner: Runner, manifest: Mapping[str, Any]) -> None:
        tasks = [task for _, task in learner.each_task()]
        super().__init__(learner.backbone, tasks, inactive_heads=learner.inactive_heads)
        self.runner, self.form = runner, str(manifest["outputs"])
        self.roles = {name: entry["outputs"] for name, entry in manifest["tasks"].items()}

    def forward(self, images: Tensor) -> dict[str, Any]:
        return self.outputs(images, self.each_task())

    def outputs(
        self, images: Tensor, tasks: Sequence[tuple[str, Task]], _counts: Sequence[int] | None = None
    ) -> dict[str, Any]:
        """Outputs of the file by task, as tensors by role (see Task.tensors)."""
        arrays = self.runner.run(images.cpu().numpy())
        return {
            name: {role: torch.from_numpy(arrays[at]).to(images.device) for role, at in self.roles[name].items()}
            for name, _ in tasks
        }

    def predictions_from(self, outputs: Mapping[str, Any], images: Tensor, places: Any) -> dict[str, Any]:
        (height, width), lie = images.shape[-2:], None if places is None else Places(*places)
        return {
            name: self.task(name).from_tensors(tensors, self.form, (height, width), lie)
            for name, tensors in outputs.items()
        }
