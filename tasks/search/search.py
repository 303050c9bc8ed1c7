"""`python -m tasks.search` behind its checks: to each kind of search what it needs."""

from pathlib import Path

from omegaconf import DictConfig

from tasks.config.tree import resolved
from tasks.data.loading.settings import DataSettings
from tasks.data.loading.splits import Splits
from tasks.engine.build import build_data
from tasks.engine.of_config import plain
from tasks.search.networks import Networks


def search(task: str, config: DictConfig, splits: Splits, folder: Path) -> None:
    """Search as `config.search.kind` says.

    Raises:
        UserError: for what cannot be searched, or a target that cannot be reached.
    """
    if config.distill.teacher == "seed":
        config.distill.teacher = config.checkpoint
    networks = Networks(
        config, splits.classes, build_data(DataSettings.of(resolved(plain(config))), config.seed, splits).input_size()
    )
    of_kind(task, config, splits, networks, folder)


def of_kind(task: str, config: DictConfig, splits: Splits, networks: Networks, folder: Path) -> None:
    """To each kind of search what it needs; block search alone imports Optuna."""
    match config.search.kind:
        case "netadapt":
            from tasks.search.narrow.command import narrow

            narrow(task, config, splits, networks, folder)
        case "blocks":
            from tasks.search.block.command import search_blocks

            search_blocks(task, config, splits, networks, folder)
        case "width":
            from tasks.search.width import search_width

            search_width(task, config, networks, folder)
        case "latency":
            from tasks.search.latency_check import report_latency

            report_latency(config, networks, folder)
