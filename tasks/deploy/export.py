"""mode=export: a checkpoint as a standalone file, kept only if it gives the same results."""

import shutil
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from tasks.checkpoint.checkpoint import open_checkpoint
from tasks.checkpoint.manifest import CARD, NAME, read_manifest, write_manifest
from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.formats import FORMATS, remove
from tasks.common.task_info import infos
from tasks.config.tree import put
from tasks.data.loading.datamodule import DataModule
from tasks.data.loading.splits import Splits
from tasks.deploy.able import check_forms
from tasks.deploy.decoders import DECODERS, copy_decoders
from tasks.deploy.describe import UNPROVED, describe, portable
from tasks.deploy.golden import write_golden
from tasks.deploy.int8 import quantise
from tasks.deploy.int8_speed import Speed
from tasks.deploy.network import trace
from tasks.deploy.parity_check import check_parity
from tasks.deploy.quantise.trained_ranges import trained_ranges
from tasks.deploy.reference import Reference
from tasks.deploy.rewrite_table import format_rewrites, rewrites_for
from tasks.deploy.runners.runner import Runner
from tasks.deploy.samples import pixels
from tasks.deploy.settings import ExportSettings
from tasks.deploy.writers.by_format import WRITERS
from tasks.deploy.written import open_written
from tasks.engine.learner import Learner
from tasks.engine.prepare import build_all
from tasks.engine.rounding.rounding import Rounding
from tasks.engine.settings import Run
from tasks.engine.weights import load_for_inference
from tasks.page.folder import write_page

GOLDEN = 3  # images for the self-test on a device
DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}
IN_FLOAT = ("openvino", "litert", "coreml")  # traced in fp32; their writers and runtimes make it smaller
FITTED = "tasks.data.transforms.letterbox.Stretch"


def export(run: Run, settings: ExportSettings, splits: Splits, folder: Path) -> None:
    """Write the file, check it, and add what is needed to use it: model.json, decode.py, .js and .hpp, golden/, page/.

    Raises:
        UserError: for what cannot be exported, and for a file whose results differ from the checkpoint's.
    """
    run, size = sized(run, settings, splits)
    learner, data, metadata = build_all(run, splits)
    load_for_inference(run, learner)
    rounding, learner.rounding = learner.rounding, None  # the file is compared with the network in float
    metadata["tasks"] = {name: task.metadata() for name, task in learner.each_task()}  # with what the checkpoint knows
    learner.eval()
    for _, task in learner.each_task():
        if line := task.prepare_export():
            report(line)
    clear(folder)
    unverified = folder / "unverified"
    shutil.rmtree(unverified, ignore_errors=True)
    unverified.mkdir()
    try:
        manifest, runner, speed = write_model(learner, metadata, run, settings, data, size, unverified, rounding)
        check_parity(
            Reference(learner, data.fit, bool(settings.upright), settings.white, card_of(run)),
            *(settings, run.trainer, data, manifest, runner, folder, unverified),
            more=[speed.row()] if speed else [],
        )
        write_golden(manifest, runner, pixels(data.val, GOLDEN), unverified / "golden")
        if settings.page:
            write_page(unverified / "page", unverified, manifest["file"], settings.runtime_of_page())
        for path in sorted(unverified.iterdir(), key=lambda path: path.name == NAME):  # last, as a completeness marker
            path.replace(folder / path.name)
    finally:
        shutil.rmtree(unverified, ignore_errors=True)
    report(f"exported  {folder / manifest['file']}")
    if "unproved" in manifest:
        report(f"unproved  {manifest['unproved']}")
    if settings.page:
        report(f"page      python -m tasks.page {folder / 'page'}")


def clear(folder: Path) -> None:
    """Remove an earlier export from the folder, so that a failed export leaves no file."""
    if not (folder / NAME).is_file():
        return
    for name in ("golden", "page"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for entry in FORMATS.values():
        for path in (*entry.files(folder / f"model{entry.suffix}"), folder / f"model{UNPROVED}{entry.suffix}"):
            remove(path)
    for name in (*DECODERS, "gate.json", "metrics.json", CARD, NAME):
        (folder / name).unlink(missing_ok=True)


def sized(run: Run, settings: ExportSettings, splits: Splits) -> tuple[Run, tuple[int, int] | None]:
    """The run with the `data.fit` that `export.size` requires, and (height, width) of the network's input.

    The size is None for a file of any size, and if the data decides.

    Raises:
        UserError: for a size that contradicts how the network's input is resized.
    """
    wanted = settings.size
    tasks = [name for name, info in infos().items() if info.target in run.data.targets]
    check_forms(settings.format, settings.outputs, tasks)
    if wanted == "dynamic":
        fixed = [info.target for info in infos().values() if info.one_size and info.target in run.data.targets]
        if fixed:
            raise UserError(f"export.size=dynamic: {fixed[0]} need one size, to which their anchors belong")
        for name, part in run.learner.heads.items():
            key = f"{name}.head.pool_kernel".lstrip(".")
            if (kernel := part.head.get("pool_kernel")) is not None:
                raise UserError(
                    f"export.size=dynamic: {key}={kernel} is a window that a file cannot fit to its images; for images "
                    f"of up to {16 * kernel} pixels a side {key}=null computes the same"
                )
        return run, None
    if wanted is None and run.data.fit is None:
        sizes = {splits.val.size(index) for index in range(len(splits.val))}
        if len(sizes) > 1:
            some = " and ".join(f"{height}×{width}" for height, width in sorted(sizes)[:2])
            raise UserError(
                f"the images have several sizes ({some}): export.size=[height,width] stretches them to one, "
                "export.size=dynamic leaves it open"
            )
        wanted = next(iter(sizes))
    if wanted is None:
        return run, None
    if run.data.fit is None:
        run = run.changed(data={**run.stored["data"], "fit": {"_target_": FITTED, "size": list(wanted)}})
        report(
            f"images    of other sizes than {wanted[0]}×{wanted[1]} will be stretched to it; the checkpoint takes them "
            "as they are, and so does a file of export.size=dynamic"
        )
    elif list(run.data.fit.get("size") or ()) != list(wanted):
        raise UserError(f"export.size={wanted} is not what data.fit makes of images: change data.fit, or leave it out")
    return run, (int(wanted[0]), int(wanted[1]))


def write_model(
    learner: Learner,
    metadata: Mapping[str, Any],
    run: Run,
    settings: ExportSettings,
    data: DataModule,
    size: tuple[int, int] | None,
    folder: Path,
    rounding: Rounding | None = None,
) -> tuple[dict[str, Any], Runner, Speed | None]:
    """Write the file, its description and its decoders to a folder; returns the description and the opened file.

    For int8 also how fast it is beside the fp32 file, which is noted in the card too.

    Args:
        metadata: of the network's checkpoints; stored with the file, with the resize that the file expects.
        size: (height, width) of the network's input; None for the data's.
        rounding: of quantisation-aware training, whose ranges an int8 file gets if it is of this format.
    """
    size = size or data.input_size()
    trace_for = partial(
        trace,
        learner,
        batch=None if settings.batch == "dynamic" else settings.batch,
        size=size,
        any_size=settings.size == "dynamic",
        form=settings.outputs,
        rewrites=[] if settings.delegate is None else rewrites_for(settings.delegate),
        dtype=torch.float32 if settings.format in IN_FLOAT else DTYPES.get(settings.precision, torch.float32),
    )
    traced = trace_for(layout=settings.input_layout)
    if settings.delegate is not None:
        report(f"rewritten for {settings.delegate}: {format_rewrites(traced.rewritten)}")
    metadata = {**metadata, "config": put(metadata["config"], "data.fit", run.data.fit)}
    manifest = describe(run.task, learner, settings, traced, size, data.fit, run.source.checkpoint)
    path = folder / manifest["file"]
    files = WRITERS[settings.format](traced, path, manifest, settings.precision)
    speed = None
    if settings.precision == "int8":
        trained = None
        if rounding is not None and run.learner.rounding is not None:
            form = run.learner.rounding.form
            trained = partial(trained_ranges, learner, rounding) if form == settings.format else None
            if trained is None:
                report(
                    f"int8      trained with the rounding of {form}: its weights alone help a file of {settings.format}"
                )
        speed = quantise(
            *(learner, settings, run.trainer, data, manifest, path),
            lambda layout: trace_for(layout=layout),
            trained,
        )
        metadata["int8"] = {
            "trained_ranges": trained is not None,
            "ms": speed.int8,
            "fp32_ms": speed.fp32,
            "times_as_fast": speed.ratio,
        }
    if "unproved" in manifest:
        metadata["unproved"] = manifest["unproved"]
    write_manifest(folder, manifest, files, portable(metadata))
    copy_decoders(folder)
    if traced.unfolded:
        report(f"{traced.unfolded} normalisations stay: no layer of weights stands in front of them")
    written = read_manifest(path)  # what is shipped is compared
    return written, open_written(path, written), speed


def card_of(run: Run) -> Mapping[str, Any]:
    """What the checkpoint itself says of each task; {} for weights from elsewhere."""
    if run.source.checkpoint is None:
        return {}
    tasks: Mapping[str, Any] = open_checkpoint(run.source.checkpoint, run.task)["mobilevision"]["tasks"]
    return tasks
