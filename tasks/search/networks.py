"""Networks like the configuration's, with other blocks."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from backbones.blocks import InvertedResidual
from backbones.inverted import InvertedBackbone, Plan
from backbones.published.shapes import uninitialised
from backbones.table import table_of
from heads.sizes import measure
from tasks.common.errors import UserError
from tasks.engine.build import build, make_backbone, user_errors
from tasks.engine.instantiate import make
from tasks.engine.learner import Learner
from tasks.engine.of_config import learner_of, plain

RESOLUTION = {"output_stride": 32, "skip_strides": 0, "dilation_rule": "paper"}  # of a table, unless the seed says


class Networks:
    """Builds candidates: heads, resolution and training are the configuration's, the blocks are a plan's.

    Args:
        config: of the seed network.
        classes: of the data set, by kind of label.
        size: (height, width) of the images that are scored.

    Attributes:
        seed_plan: of the configuration's own network.
        passes: see find_passes.

    Raises:
        UserError: for a backbone that is no chain of inverted residuals with shortcuts between bottlenecks.
    """

    def __init__(self, config: DictConfig, classes: Mapping[str, Sequence[Any]], size: tuple[int, int]) -> None:
        self.config, self.classes, self.size = config, classes, size
        with user_errors(), torch.device("meta"), uninitialised():
            seed = make_backbone(learner_of(config).backbone)
        if not isinstance(seed, InvertedBackbone):
            raise UserError(
                f"{type(seed).__name__} is no chain of inverted residuals, which is what a search changes: take "
                "backbone=mobilenet_v2, mobilenet_v3_small, mobilenet_v3_large, mnasnet_a1, mnasnet_b1 or table"
            )
        self.seed_plan = seed.plan
        with user_errors():
            table_of(self.seed_plan)
            part = learner_of(config).heads[""]
            self.head, self.make_task = make(part.head, "head"), make(part.task, "task", _partial_=True)
        own = plain(config)["backbone"]
        self.resolution = {key: own.get(key, default) for key, default in RESOLUTION.items()}
        self.resolved = {key: config.backbone.get(key, default) for key, default in RESOLUTION.items()}
        self.passes = self.find_passes()

    def find_passes(self) -> tuple[bool, ...]:
        """Whether each block keeps the resolution, so that it has a shortcut where its channels allow one."""
        blocks = tuple(block._replace(out=self.seed_plan.stem) for block in self.seed_plan.blocks)
        with torch.device("meta"), uninitialised():
            network = InvertedBackbone(self.seed_plan._replace(blocks=blocks), **self.resolved)
        return tuple(block.residual for block in network.blocks if isinstance(block, InvertedResidual))

    @property
    def score(self) -> str:
        """The name of the task's main score."""
        return self.make_task.func.info.score

    @property
    def seed_name(self) -> str:
        """What the configuration's backbone is called."""
        return str(self.config.backbone._target_.rpartition(".")[2])

    def sizes(self, plan: Plan) -> tuple[int, int]:
        """Parameters, and multiply-adds of one image, of a plan's network with its head."""
        learner = self.outline(plan)
        ((_, task),) = learner.each_task()
        size = measure(learner.backbone, task.head, *self.size)
        return size.params, size.madds

    def configured(self, plan: Plan, origin: str | None = None) -> DictConfig:
        """The configuration with this plan's network in the place of its own, as a table inside it.

        Args:
            origin: a line on where the network comes from.
        """
        config = plain(self.config)
        config["backbone"] = {
            "_target_": "backbones.table.TableBackbone",
            "_convert_": "all",
            "file": None,
            "table": table_of(plan, origin),
            **self.resolution,
            "norm_eps": None,
            "norm_momentum": None,
            "frozen": config["backbone"].get("frozen", False),
        }
        return OmegaConf.create(config)

    def build(self, plan: Plan) -> Learner:
        """A plan's network, its weights as they are initialised from the configuration's seed."""
        with torch.random.fork_rng():
            torch.manual_seed(self.config.seed)
            return build(learner_of(self.configured(plan)), self.classes)

    def outline(self, plan: Plan) -> Learner:
        """A plan's network on the meta device: shapes without values. Quick: a search makes thousands."""
        with uninitialised():
            with torch.device("meta"):
                backbone = InvertedBackbone(plan, **self.resolved)
            task = self.make_task(
                features=backbone.features, head=self.head, classes=self.classes[self.make_task.func.info.target]
            )
            backbone.keep(task.head.maps)
            return Learner(backbone, [task.to("meta")])
