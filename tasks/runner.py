"""What a command does: checks first, without torch; then training, evaluation or prediction."""

import os
import sys
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.progress import track

from tasks.cpu import bind_threads
from tasks.data.images import find_images
from tasks.data.splits import Splits
from tasks.errors import UserError


def run(config: DictConfig) -> None:
    """Run one job in its own output folder.

    Raises:
        UserError: for everything that the user can mend, before any training.
    """
    hydra = HydraConfig.get()
    folder, task = Path(hydra.runtime.output_dir), str(hydra.job.config_name)
    if (
        config.cpu.bind_threads
        and config.trainer.accelerator in ("auto", "cpu")
        and config.trainer.devices in ("auto", 1)
    ):
        bind_threads()
    first = int(os.environ.get("LOCAL_RANK", "0")) == 0  # of the processes on this machine
    if config.mode == "predict":
        images = find_images(str(config.input))
        from tasks.predicting import predict

        predict(task, config, hydra.overrides.task, images, folder)
        return
    if config.resume is None and config.mode == "train":
        dataset = open_dataset(config, first)
    from tasks import start, training  # imports torch and lightning: seconds

    config = start.with_checkpoint(task, config, hydra.overrides.task)
    if config.resume is not None or config.mode == "evaluate":
        dataset = open_dataset(config, first)
    if first:
        (folder / "config.yaml").write_text(OmegaConf.to_yaml(config, resolve=True))
    training.run(task, config, dataset, folder)


def open_dataset(config: DictConfig, first: bool) -> Splits:
    """The data set, checked: its folders now, and each file once unless check=false.

    Raises:
        UserError: for whatever training or scoring would trip over.
    """
    dataset = instantiate(config.dataset)
    lacking = [target for target in config.targets if target not in dataset.classes]
    if lacking:
        choices: Any = HydraConfig.get().runtime.choices
        raise UserError(
            f"dataset={choices['dataset']} has no labels of kind {lacking[0]}, only {', '.join(dataset.classes)}"
        )
    val, train = dataset.val(), dataset.train() if config.mode == "train" else None
    broken: frozenset[str] = frozenset()
    if config.check and first:
        look_through("val", val, allowed=0)
        if train is not None:
            broken = look_through("train", train, allowed=config.data.max_broken)
    return Splits(dataset.classes, train, val, broken)


def look_through(name: str, samples: Any, allowed: int) -> frozenset[str]:
    """Check every file of a split; names each that cannot be read, and returns them.

    Raises:
        UserError: for more of them than are allowed.
    """
    broken: set[str] = set()
    steps = track(samples.check(), f"checking {name}", len(samples), disable=not sys.stdout.isatty(), transient=True)
    for index, problem in enumerate(steps):
        if not isinstance(problem, UserError):
            continue
        if len(broken) == allowed:
            more = f" (after {allowed} more; data.max_broken={allowed} allows no more)" if allowed else ""
            raise UserError(f"{problem}{more}")
        broken.add(samples.name(index))
        print(f"skipped ({len(broken)}): {problem}", flush=True)
    return frozenset(broken)
