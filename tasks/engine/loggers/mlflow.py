"""MLflow: a database and a folder of pictures that all runs share; no server."""

import logging
import os
import posixpath
import re
import shlex
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from lightning.pytorch.loggers import MLFlowLogger
from lightning.pytorch.utilities import rank_zero_only

from tasks.common.nested import leaves
from tasks.common.ranks import is_first
from tasks.engine.loggers.tracker import Tracker, run_name


class MLflow(MLFlowLogger, Tracker):
    """Curves and scores as metrics, pictures and the whole configuration as artifacts, and its keys as parameters.

    Args:
        save_dir: the run's folder.
        store: folder of the database mlflow.db and of the artifacts, unless MLFLOW_TRACKING_URI names another place.
        project: MLflow's experiment: the runs that its page compares.
        name: of the run; None for its folder's.
        run_id: of the run that a resumed training goes on in.

    Raises:
        ValueError: for a place that MLflow refuses.
    """

    tool = "mlflow"

    def __init__(
        self, save_dir: str, store: str, project: str, name: str | None = None, run_id: str | None = None
    ) -> None:
        place, own = os.environ.get("MLFLOW_TRACKING_URI") or "", Path(store).absolute()
        artifacts = None
        if not place:
            place, artifacts = f"sqlite:///{own / 'mlflow.db'}", (own / "artifacts").as_uri()
        if is_first():
            from mlflow import MlflowClient
            from mlflow.exceptions import MlflowException

            level = logging.getLogger("lightning.pytorch").level  # as log=… says; mlflow's import sets its own
            for library in ("mlflow", "alembic"):
                logging.getLogger(library).setLevel(level)
            own.mkdir(parents=True, exist_ok=True)
            try:
                client = MlflowClient(place)
                if client.get_experiment_by_name(project) is None:
                    client.create_experiment(project, artifacts)
                if run_id is not None:
                    client.update_run(run_id, status="RUNNING")
            except MlflowException as error:
                first, *_ = str(error).split(". ")  # sentences
                raise ValueError(f"logger=mlflow: {first}") from None
        super().__init__(
            project, name or run_name(save_dir), place, artifact_location=artifacts, run_id=run_id, synchronous=True
        )
        self.place, self.goes_on = place, run_id is not None

    @rank_zero_only
    def log_configuration(self, config: Mapping[str, Any]) -> None:
        """Take it as parameters, which MLflow never changes, unless the run has them already; and as config.yaml."""
        text = yaml.safe_dump(dict(config), allow_unicode=True, sort_keys=False)
        self.experiment.log_text(self.run_id, text, "config.yaml")
        if not self.goes_on:
            self.log_hyperparams({as_name(key): value for key, value in leaves(config)})

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log numbers under their own names; Lightning's would lose letters of a class's name."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        found = [Metric(as_name(key), float(value), now, step or 0) for key, value in metrics.items()]
        self.experiment.log_batch(self.run_id, metrics=found, synchronous=True)

    @rank_zero_only
    def log_results(self, scores: Mapping[str, float], pictures: Mapping[str, Path], step: int) -> None:
        self.log_metrics(scores, step)
        for name, path in pictures.items():
            self.experiment.log_artifact(self.run_id, str(path), posixpath.dirname(name))

    @rank_zero_only
    def close(self, failed: bool) -> None:
        self.experiment.set_terminated(self.run_id, "FAILED" if failed else "FINISHED")

    def how_to_look(self) -> str:
        return f"for MLflow: mlflow ui --backend-store-uri {shlex.quote(self.place)}"


def as_name(key: str) -> str:
    """A key with what MLflow allows in a name: letters of any script, digits, and `_ - . /` and spaces."""
    return posixpath.normpath(re.sub(r"[^\w\-./ ]", "_", key))
