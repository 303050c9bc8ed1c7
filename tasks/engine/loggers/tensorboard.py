"""TensorBoard: event files in the run's folder."""

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from PIL import Image

from tasks.common.nested import leaves
from tasks.engine.loggers.tracker import Tracker


class TensorBoard(TensorBoardLogger, Tracker):
    """Curves and scores as scalars, pictures as images, the configuration as text and as hyperparameters.

    A training that is resumed in its folder adds a file there, which TensorBoard shows as one run with the first.

    Args:
        save_dir: the run's folder.
        name, version: folders below it; '' for none.
    """

    tool = "tensorboard"

    def __init__(self, save_dir: str, name: str = "", version: str = "") -> None:
        super().__init__(save_dir, name=name, version=version, default_hp_metric=False)
        self.config: Mapping[str, Any] = {}

    @property
    def run_id(self) -> None:
        """None: the folder is the run."""
        return None

    @rank_zero_only
    def log_configuration(self, config: Mapping[str, Any]) -> None:
        """Write it as text; log_results() repeats it as hyperparameters, which TensorBoard shows with the scores."""
        self.config = config
        text = yaml.safe_dump(config, allow_unicode=True, sort_keys=False)
        self.experiment.add_text("configuration", "".join(f"    {line}\n" for line in text.splitlines()))

    @rank_zero_only
    def log_results(self, scores: Mapping[str, float], pictures: Mapping[str, Path], step: int) -> None:
        for name, path in pictures.items():
            with Image.open(path) as picture:
                self.experiment.add_image(name, np.asarray(picture.convert("RGB")), step, dataformats="HWC")
        self.log_hyperparams(dict(leaves(self.config)), dict(scores), step)

    def save(self) -> None:
        """Write what is waiting; Lightning would add a file with the hyperparameters, which config.yaml has."""
        self.experiment.flush()

    @rank_zero_only
    def finalize(self, _status: str) -> None:
        """Training has ended, and the results follow: close() comes last."""
        self.save()

    @rank_zero_only
    def close(self, _failed: bool) -> None:
        self.experiment.close()

    def how_to_look(self) -> str:
        return f"for TensorBoard: tensorboard --logdir {shlex.quote(str(Path(self.log_dir)))}"
