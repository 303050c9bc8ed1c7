"""compile=true: training runs the backbone and the heads through torch.compile; compile=graphs: as CUDA graphs, too.

Only the calls within a training step are compiled, not the modules: the names in checkpoints stay, and scoring,
averages, copies and exports use the network as it is. Sizes are fixed in what is compiled, so each image size is
compiled once.
"""

from importlib.util import find_spec
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.engine.callbacks import StartFromMean
from tasks.engine.learner import Learner

BACKEND = "inductor"  # of torch.compile


class Compile(Callback):
    """Compiles a learner's parts once nothing in them changes from step to step.

    Until the mean of the first batches has become batch norm's statistics (norm_start=mean), a layer's momentum is
    another one in each step: with the papers' 0.01 for 100 steps.

    Args:
        graphs: whether to record CUDA graphs.
        sizes: of images in the training, each of which is compiled.
        start: whose layers are waited for; None for none.
    """

    def __init__(self, graphs: bool, sizes: int, start: StartFromMean | None = None) -> None:
        self.graphs, self.sizes, self.start = graphs, sizes, start
        self.compiled = False

    def on_fit_start(self, trainer: Trainer, _module: LightningModule) -> None:
        """Raises a UserError for a device that PyTorch compiles nothing for."""
        device = trainer.strategy.root_device.type
        if device not in ("cpu", "cuda") or (self.graphs and device != "cuda"):
            raise UserError(f"compile={'graphs' if self.graphs else 'true'} is not for {device}: compile=false")
        if device == "cuda" and find_spec("triton") is None:
            raise UserError("compile=true needs the package triton on CUDA, which is not here; or take compile=false")

    def on_train_batch_start(self, trainer: Trainer, module: LightningModule, *_: Any) -> None:
        assert isinstance(module, Learner)
        if not self.compiled and (self.start is None or self.start.is_over()):
            self.compile(module)
            each = f"each of {self.sizes} image sizes" if self.sizes > 1 else "the first step"
            report(f"compile   from step {trainer.global_step + 1} on, backbone and heads; {each} takes a minute or so")
        if self.graphs and self.compiled:
            torch.compiler.cudagraph_mark_step_begin()

    def compile(self, learner: Learner) -> None:
        """Let the learner's training steps call compiled parts from here on."""
        self.compiled = True
        config: Any = torch._dynamo.config
        config.recompile_limit = max(config.recompile_limit, 2 * self.sizes + 4)  # twice: some blocks may thaw
        if len(learner.tasks) > 1:
            torch._functorch.config.donated_buffer = False  # balance=gradnorm goes back several times
        mode = "reduce-overhead" if self.graphs else None
        parts = {"backbone": learner.backbone, **{name: task.head for name, task in learner.each_task()}}
        for name, part in parts.items():
            learner.compiled[name] = torch.compile(part, dynamic=False, backend=BACKEND, mode=mode)

    def on_train_end(self, _trainer: Trainer, module: LightningModule) -> None:
        assert isinstance(module, Learner)
        module.compiled.clear()
        self.compiled = False


def image_sizes(scales: int, progressive: int) -> int:
    """Number of image sizes in a training with so many data.scales and steps of data.progressive."""
    return max(1, scales) if scales else progressive + 1
