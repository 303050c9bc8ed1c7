"""mode=evaluate of an exported file: scored by the same code as a checkpoint."""

from collections.abc import Sequence
from pathlib import Path

from tasks.checkpoint.manifest import read_manifest
from tasks.common.console import report
from tasks.deploy.exported_learner import ExportedLearner
from tasks.deploy.golden import of_golden
from tasks.deploy.parity_check import check_parity
from tasks.deploy.reference import reference_of
from tasks.deploy.runners.opening import open_runner
from tasks.deploy.settings import ExportSettings
from tasks.engine.prepare import Prepared
from tasks.engine.scoring import score
from tasks.engine.settings import Run
from tasks.engine.weights import load_for_inference


def evaluate(
    run: Run, settings: ExportSettings, prepared: Prepared, folder: Path, asked: Run, typed: Sequence[str]
) -> None:
    """Score the exported file `model`; if a checkpoint is given, the file must agree with it.

    Args:
        asked: the command's settings without those of card.json.
        typed: overrides on the command line.

    Raises:
        UserError: for a file that cannot be opened, or differs from the checkpoint.
    """
    learner, data, _, costs = prepared
    load_for_inference(run, learner)
    path = Path(str(run.source.model))
    manifest = read_manifest(path)
    runner = open_runner(path, manifest, settings.threads)
    report(f"model     {path}: {manifest['runtime']}, {manifest['precision']}, {manifest['outputs']} outputs")
    if run.source.checkpoint is not None:
        reference = reference_of(asked, typed, manifest, run.upright)
        golden = of_golden(path, manifest, runner)
        check_parity(reference, settings, run.trainer, data, manifest, runner, folder, path.parent, more=golden)
    score(run, ExportedLearner(learner, runner, manifest), data, costs, folder)
