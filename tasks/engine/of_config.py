"""Settings of an OmegaConf node, for the rooms that still take the configuration whole."""

from typing import Any

from omegaconf import DictConfig, OmegaConf

from tasks.config.tree import resolved
from tasks.engine.settings import LearnerSettings, Run


def plain(config: DictConfig) -> Any:
    """A configuration as dicts and lists; interpolations stay."""
    return OmegaConf.to_container(config, resolve=False)


def run_of(task: str, config: DictConfig) -> Run:
    """The settings of a run."""
    return Run.of(task, plain(config))


def learner_of(config: DictConfig) -> LearnerSettings:
    """What a Learner is built from."""
    return LearnerSettings.of(resolved(plain(config)))
