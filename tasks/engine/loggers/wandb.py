"""Weights & Biases: a folder in the run's own, which `wandb sync` uploads; online only if the user says so."""

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from tasks.common.ranks import is_first
from tasks.engine.loggers.tracker import Tracker, run_name

STEP = "trainer/global_step"  # Lightning's name of the axis of all curves


class Wandb(WandbLogger, Tracker):
    """Curves, scores and pictures by step, the configuration as the run's config.

    Args:
        save_dir: the run's folder, which gets a folder `wandb`.
        project: shared by the runs that its page compares.
        name: of the run; None for its folder's.
        mode: online, offline or disabled; None for the environment's WANDB_MODE, else offline.
        entity, group, tags: see wandb.init.
        run_id: of the run that a resumed training goes on in.

    Raises:
        ValueError: for what the library refuses, such as mode=online without a login.
    """

    tool = "wandb"

    def __init__(
        self,
        save_dir: str,
        project: str,
        name: str | None = None,
        mode: str | None = None,
        entity: str | None = None,
        group: str | None = None,
        tags: Sequence[str] = (),
        run_id: str | None = None,
    ) -> None:
        mode = mode or os.environ.get("WANDB_MODE") or "offline"
        run = None
        if is_first():
            import wandb

            # its client captures the terminal otherwise, reads the repository and reports on itself
            quiet = wandb.Settings(silent=True, console="off", disable_git=True, disable_code=True)
            try:
                run = wandb.init(
                    project=project,
                    entity=entity,
                    group=group,
                    tags=list(tags),
                    name=name or run_name(save_dir),
                    dir=save_dir,
                    id=run_id,
                    resume="allow" if mode == "online" else None,  # offline it only warns
                    mode=mode,
                    settings=quiet,
                )
            except (wandb.errors.Error, ValueError) as error:
                raise ValueError(f"logger=wandb: {error}") from None
            run.define_metric(STEP)
            run.define_metric("*", step_metric=STEP, step_sync=True)
        super().__init__(save_dir=save_dir, project=project, experiment=run)
        self.mode = mode
        self.folder = None if run is None else Path(run.dir).parent

    @property
    def run_id(self) -> str | None:
        return self.version

    @rank_zero_only
    def log_configuration(self, config: Mapping[str, Any]) -> None:
        self.experiment.config.update(dict(config), allow_val_change=True)

    @rank_zero_only
    def log_results(self, scores: Mapping[str, float], pictures: Mapping[str, Path], step: int) -> None:
        import wandb

        drawn = {name: wandb.Image(str(path)) for name, path in pictures.items()}
        self.experiment.log({**scores, **drawn, STEP: step})

    @rank_zero_only
    def close(self, failed: bool) -> None:
        self.experiment.finish(exit_code=int(failed))

    def how_to_look(self) -> str:
        if self.folder is None or self.mode in ("online", "shared"):
            return f"at {self.experiment.url}"
        if self.mode == "disabled":
            return "nowhere: the mode of wandb is disabled"
        return f"offline; to upload: wandb sync {shlex.quote(str(self.folder))}"
