"""mode=evaluate of an exported file: scored by the same code as a checkpoint."""

from pathlib import Path

from tasks.checkpoint.manifest import read_manifest
from tasks.common.console import report
from tasks.data.loading.datamodule import DataModule
from tasks.deploy.exported_learner import ExportedLearner
from tasks.deploy.parity_check import check_parity
from tasks.deploy.runners.opening import open_runner
from tasks.deploy.settings import ExportSettings
from tasks.engine.learner import Learner
from tasks.engine.settings import Run
from tasks.engine.train import Prepared, score
from tasks.engine.weights import load_for_inference


def evaluate(run: Run, settings: ExportSettings, prepared: Prepared, folder: Path) -> None:
    """Score the exported file `model`; if a checkpoint is given, the file must agree with it.

    Raises:
        UserError: for a file that cannot be opened, or differs from the checkpoint.
    """
    learner, data, _, costs = prepared
    load_for_inference(run, learner)
    score(run, shipped(run, settings, learner, data, folder), data, costs, folder)


def shipped(run: Run, settings: ExportSettings, learner: Learner, data: DataModule, folder: Path) -> Learner:
    """The exported file `model`, in place of its network.

    Raises:
        UserError: for a file that cannot be opened, or differs from the checkpoint.
    """
    path = Path(str(run.source.model))
    manifest = read_manifest(path)
    runner = open_runner(path, manifest, settings.threads)
    report(f"model     {path}: {manifest['runtime']}, {manifest['precision']}, {manifest['outputs']} outputs")
    if run.source.checkpoint is not None:
        for _, task in learner.each_task():
            task.prepare_export()  # the file's result is compared with the same one of the checkpoint
        check_parity(learner.eval(), settings, run.trainer, data, manifest, runner, folder)
    return ExportedLearner(learner, runner, manifest)
