"""What a command does: checks first, without torch; then training, evaluation or prediction."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.progress import track

from tasks.app.folders import writes
from tasks.app.jobs import in_sweep, needs_own_command, run_own_command
from tasks.checkpoint.manifest import read_manifest
from tasks.common.cpu import bind_threads
from tasks.common.errors import UserError
from tasks.common.task_info import infos
from tasks.config.heads import settled_heads, several
from tasks.config.overrides import typed_keys
from tasks.config.proportion import check_epoch
from tasks.config.unread import as_built
from tasks.data.files.images import find_images
from tasks.data.loading.opened import check_boxes, report_overlap, set_white
from tasks.data.loading.splits import Splits


def run(config: DictConfig) -> None:
    """Run one job in its own output folder.

    Raises:
        UserError: for everything that the user can mend, before any training.
    """
    hydra = HydraConfig.get()
    folder, task = Path(hydra.runtime.output_dir), str(hydra.job.config_name)
    if config.mode == "benchmark":  # in processes of its own, whose threads are not to be bound
        from tasks.deploy.benchmark import benchmark

        benchmark(task, config, hydra.overrides.task, folder)
        return
    if (
        config.cpu.bind_threads
        and config.mode != "search"  # has processes of its own
        and config.trainer.accelerator in ("auto", "cpu")
        and config.trainer.devices in ("auto", 1)
    ):
        bind_threads(config.trainer.accelerator)
    first = writes(config)
    if config.model is not None and (made_by := read_manifest(str(config.model))["task"]) != task:
        raise UserError(f"model={config.model} was exported by tasks.{made_by}: use python -m tasks.{made_by}")
    if config.mode == "predict":
        images = find_images(str(config.input))
        if config.model is not None:  # without PyTorch
            from tasks.deploy.predicting import predict as predict_with_file

            typed = "upright" in typed_keys(hydra.overrides.task)
            predict_with_file(config, images, folder, upright=config.upright if typed else None)
            return
        from tasks.predict.checkpoint import predict

        predict(task, config, hydra.overrides.task, images, folder)
        return
    sweeping = in_sweep()
    early = (
        not sweeping
        and config.mode == "train"
        and config.resume is None
        and (config.checkpoint is None or not several(config))
    )
    if early:  # the checkpoint's heads or data need not be known first
        dataset = open_dataset(config, first)
    from tasks.app.budget import check_budget
    from tasks.engine import train, weights

    config, trained = weights.with_checkpoint(task, config, hydra.overrides.task)
    if sweeping and needs_own_command(config):
        run_own_command(task, folder)
        return
    if not early:
        dataset = open_dataset(config, first, trained)
    if first:
        resolved: Any = OmegaConf.to_container(config, resolve=True)
        (folder / "config.yaml").write_text(OmegaConf.to_yaml(as_built(resolved)))
    if config.mode == "export":
        from tasks.deploy.export import export

        export(task, config, dataset, folder)
        return
    if config.mode == "search":
        from tasks.search.search import search

        search(task, config, dataset, folder)
        return
    prepared = train.prepare(task, config, dataset)
    if config.mode == "train":
        check_budget(config, prepared.learner, prepared.costs)
        train.train(task, config, prepared, dataset, folder)
    elif config.model is None:
        train.evaluate(task, config, prepared, folder)
    else:
        from tasks.deploy.evaluate import evaluate

        evaluate(task, config, prepared, folder)


def open_dataset(config: DictConfig, first: bool, trained: Iterable[str] = ()) -> Splits:
    """The data set, checked: its folders now, and each file once unless check=false. Settles the heads of multitask.

    Args:
        trained: heads of the checkpoint that is trained on.

    Raises:
        UserError: for whatever training or scoring would trip over.
    """
    choices: Any = HydraConfig.get().runtime.choices
    name = f"dataset={choices['dataset']}"
    if several(config):
        config.targets = [infos()[head].target for head in config.heads or infos()]
    dataset = instantiate(config.dataset)
    if several(config):
        config.heads = settled_heads(config, dataset.classes, trained, name)
        wanted = [infos()[head].target for head in config.heads]
        config.targets = [target for target in wanted if target in dataset.classes]
    lacking = [target for target in config.targets if target not in dataset.classes]
    if lacking:
        raise UserError(f"{name} has no labels of kind {lacking[0]}, only {', '.join(dataset.classes)}")
    val, train = dataset.val(), dataset.train() if config.mode in ("train", "search") else None
    if config.mode in ("train", "evaluate", "search"):
        check_boxes(val, "score against")
    if train is not None:
        check_boxes(train, "learn from")
        if first:
            report_overlap(train, val)
    for samples in (train, val):
        set_white(samples, config.white)
    if config.mode == "export" and config.export.precision == "int8":
        with suppress(UserError):  # without training images those of val will do
            train = dataset.train()
            set_white(train, config.white)
    if config.mode == "train" and train is not None:
        check_epoch(config, len(train))
    broken: frozenset[str] = frozenset()
    if config.check and first:
        look_through("val", val, allowed=0)
        if train is not None and config.mode in ("train", "search"):
            broken = look_through("train", train, allowed=config.data.max_broken)
    return Splits(dataset.classes, train, val, broken, getattr(dataset, "sources", {}))


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
