"""Builds networks like the configured one, with other blocks."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from backbones.blocks import InvertedResidual
from backbones.inverted import InvertedBackbone, Plan
from backbones.published.shapes import uninitialised
from backbones.table import table_of
from heads.sizes import measure
from tasks.common.errors import UserError
from tasks.engine.build import build, make_backbone, user_errors
from tasks.engine.instantiate import make
from tasks.engine.learner import Learner
from tasks.engine.settings import Run

RESOLUTION = {"output_stride": 32, "skip_strides": 0, "dilation_rule": "paper"}  # of a table, unless the seed sets them


class Networks:
    """Builds candidates with the run's head, resolution and training, and a plan's blocks.

    Args:
        run: of the seed network.
        classes: of the data set, by kind of label.
        size: (height, width) of the scored images.

    Attributes:
        seed_plan: of the run's own network.
        passes: see find_passes.

    Raises:
        UserError: for a backbone that is not a chain of inverted residuals with shortcuts between bottlenecks.
    """

    def __init__(self, run: Run, classes: Mapping[str, Sequence[Any]], size: tuple[int, int]) -> None:
        self.run, self.classes, self.size = run, classes, size
        with user_errors(), torch.device("meta"), uninitialised():
            seed = make_backbone(run.learner.backbone)
        if not isinstance(seed, InvertedBackbone):
            raise UserError(
                f"{type(seed).__name__} is no chain of inverted residuals, which is what a search changes: take "
                "backbone=mobilenet_v2, mobilenet_v3_small, mobilenet_v3_large, mnasnet_a1, mnasnet_b1, "
                "efficientnet_lite0 or table"
            )
        self.seed_plan = seed.plan
        with user_errors():
            table_of(self.seed_plan)
            part = run.learner.heads[""]
            self.head, self.make_task = make(part.head, "head"), make(part.task, "task", _partial_=True)
        self.resolution = {key: run.learner.backbone.get(key, default) for key, default in RESOLUTION.items()}
        self.passes = self.find_passes()

    def find_passes(self) -> tuple[bool, ...]:
        """Whether each block keeps the resolution, and so has a shortcut if its channels allow one."""
        blocks = tuple(block._replace(out=self.seed_plan.stem) for block in self.seed_plan.blocks)
        with torch.device("meta"), uninitialised():
            network = InvertedBackbone(self.seed_plan._replace(blocks=blocks), **self.resolution)
        return tuple(block.residual for block in network.blocks if isinstance(block, InvertedResidual))

    @property
    def score(self) -> str:
        """Name of the task's main score."""
        result: str = self.make_task.func.info.score
        return result

    @property
    def seed_name(self) -> str:
        """Class name of the run's backbone."""
        return str(self.run.learner.backbone["_target_"].rpartition(".")[2])

    def sizes(self, plan: Plan) -> tuple[int, int]:
        """Parameters, and multiply-adds for one image, of a plan's network including its head."""
        learner = self.outline(plan)
        ((_, task),) = learner.each_task()
        size = measure(learner.backbone, task.head, *self.size)
        return size.params, size.madds

    def stored(self, plan: Plan, origin: str | None = None) -> dict[str, Any]:
        """The stored configuration with its network replaced by this plan's, as an inline table.

        Args:
            origin: a line about where the network comes from.
        """
        own = self.run.stored["backbone"]
        resolution = {key: own.get(key, default) for key, default in RESOLUTION.items()}  # unresolved, as stored
        backbone = table_spec(plan, resolution, origin) | {"frozen": own.get("frozen", False)}
        return {**self.run.stored, "backbone": backbone}

    def build(self, plan: Plan) -> Learner:
        """Build a plan's network, with weights initialised from the run's seed."""
        with torch.random.fork_rng():
            torch.manual_seed(self.run.seed)
            return build(replace(self.run.learner, backbone=table_spec(plan, self.resolution)), self.classes)

    def outline(self, plan: Plan) -> Learner:
        """Build a plan's network on the meta device, without values. Fast, since a search makes thousands."""
        with uninitialised():
            with torch.device("meta"):
                backbone = InvertedBackbone(plan, **self.resolution)
            task = self.make_task(
                features=backbone.features, head=self.head, classes=self.classes[self.make_task.func.info.target]
            )
            backbone.keep(task.head.maps)
            return Learner(backbone, [task.to("meta")])


def table_spec(plan: Plan, resolution: Mapping[str, Any], origin: str | None = None) -> dict[str, Any]:
    """Spec of a backbone that builds a plan's network."""
    return {
        "_target_": "backbones.table.TableBackbone",
        "_convert_": "all",
        "file": None,
        "table": table_of(plan, origin),
        **resolution,
        "norm_eps": None,
        "norm_momentum": None,
    }
