"""mode=evaluate of an exported file: the same scores, from the same code."""

from pathlib import Path

from omegaconf import DictConfig

from tasks.checkpoint.manifest import read_manifest
from tasks.common.console import report
from tasks.data.loading.datamodule import DataModule
from tasks.deploy.prove import prove
from tasks.deploy.runtimes import open_runner
from tasks.deploy.shipped import Shipped
from tasks.engine.learner import Learner
from tasks.engine.settings import Run
from tasks.engine.train import Prepared, score
from tasks.engine.weights import complete


def evaluate(run: Run, config: DictConfig, prepared: Prepared, folder: Path) -> None:
    """Score the exported file `model`; a checkpoint beside it is what it must agree with.

    Raises:
        UserError: for a file that cannot be opened, or differs from the checkpoint.
    """
    learner, data, _, costs = prepared
    complete(run, learner)
    score(run, shipped(config, learner, data, folder), data, costs, folder)


def shipped(config: DictConfig, learner: Learner, data: DataModule, folder: Path) -> Learner:
    """The exported file `model` in the place of its network.

    Raises:
        UserError: for a file that cannot be opened, or differs from the checkpoint.
    """
    path = Path(str(config.model))
    manifest = read_manifest(path)
    runner = open_runner(path, manifest, config.runtime.threads)
    report(f"model     {path}: {manifest['runtime']}, {manifest['precision']}, {manifest['outputs']} outputs")
    if config.checkpoint is not None:
        prove(learner.eval(), config, data, manifest, runner, folder)
    return Shipped(learner, runner, manifest)
