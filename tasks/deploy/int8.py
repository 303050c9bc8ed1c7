"""Quantises a float file to int8: fully, or as far as the accuracy budget allows."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.formats import FORMATS
from tasks.common.table import print_table
from tasks.data.loading.datamodule import DataModule
from tasks.deploy.decode import prepare
from tasks.deploy.exported_learner import ExportedLearner
from tasks.deploy.int8_speed import Speed, check_speed, speed_of
from tasks.deploy.network import Traced
from tasks.deploy.parity_check import NOTHING_SCORED
from tasks.deploy.quantise.plan import Plan, mixed_plan, open_quantiser
from tasks.deploy.quantise.quantiser import Images, Quantiser
from tasks.deploy.quantise.trained_ranges import TrainedRange, adopt
from tasks.deploy.runners.opening import open_runner
from tasks.deploy.samples import pixels
from tasks.deploy.settings import ExportSettings
from tasks.engine.learner import Learner
from tasks.engine.scoring import scored
from tasks.engine.settings import TrainerSettings

SHOWN = 12  # rows of the printed table of layers


def quantise(
    learner: Learner,
    settings: ExportSettings,
    trainer: TrainerSettings,
    data: DataModule,
    manifest: dict[str, Any],
    path: Path,
    traced: Callable[[str], Traced],
    trained: Callable[[Images], Sequence[TrainedRange]] | None = None,
) -> Speed:
    """Replace a float file by its int8 file, calibrated with images resized as in scoring.

    Uses training images, or validation images if there are none. Returns how fast it is beside the float file.

    Args:
        traced: traces the network that the float file was written from for a layout of the input.
        trained: ranges of quantisation-aware training, with what their tensors hold for images.

    Raises:
        UserError: for too few images, tensors without a finite range, and an int8 file that is slower than fp32.
    """
    samples, split = (data.val, "validation") if data.train is None else (data.train, "training")
    images = [prepare(image, manifest)[0] for image in pixels(samples, settings.calibration)]
    report(f"int8      ranges from {len(images)} {split} images")
    float_path = path.with_name(f"float_{path.name}")
    form = FORMATS[settings.format]
    for file, kept in zip(form.files(path), form.files(float_path), strict=True):
        file.replace(kept)
    quantiser = open_quantiser(float_path, images)
    if trained is not None:
        count, total = adopt(quantiser, trained)
        report(f"int8      {count} of {total} tensors with the ranges of quantisation-aware training")
    report(f"int8      {quantiser.write(path)}")
    if settings.mixed:
        mix(quantiser, gain_of(learner, trainer, data, manifest), settings.budget, path)
    speed = speed_of(float_path, path, manifest, images)
    check_speed(speed, settings, manifest, traced, images)
    for file in form.files(float_path):
        file.unlink()
    return speed


def mix(quantiser: Quantiser, gain: Callable[[Path], float], budget: float, path: Path) -> None:
    """If the int8 file loses more than the budget, replace it by one with the most sensitive layers in float."""
    if gain(path) >= -budget:
        report(f"mixed     no layer has to stay in float for a budget of {budget:g}")
        return
    plan = mixed_plan(quantiser, path, gain, exact=0.0, budget=budget)
    print_layers(plan)
    report(f"int8      {plan.quantised}")


def gain_of(
    learner: Learner, trainer: TrainerSettings, data: DataModule, manifest: dict[str, Any]
) -> Callable[[Path], float]:
    """A function: a file's score minus the checkpoint's, for the task that loses most; negative for a loss."""
    learner = copy.deepcopy(learner)  # scoring stores the best threshold, which is the checkpoint's in the one compared
    keys = learner.score_keys
    before = scored(trainer, learner, data)
    if not any(before.get(key) is not None for key in keys):
        raise UserError(NOTHING_SCORED)

    def gain(path: Path) -> float:
        after = scored(trainer, ExportedLearner(learner, open_runner(path, manifest), manifest), data)
        gains = [after[key] - before[key] for key in keys if before.get(key) is not None]
        report(f"  {', '.join(f'{key} {after[key]:.4f}' for key in keys if after.get(key) is not None)}")
        return float(np.min(gains))

    return gain


def print_layers(plan: Plan) -> None:
    """Print the layers that lose most in int8, and which of them stay in float."""
    print_table(
        ("layer", "kind", "error", ""),
        (
            (layer.name, layer.kind, f"{error:.4f}", "float" if kept else "int8")
            for layer, error, kept in plan.table[:SHOWN]
        ),
        align="llrl",
        title="error of the outputs with one layer alone in int8",
    )
    report(f"mixed     {len(plan.kept)} of {len(plan.table)} layers stay in float: {', '.join(plan.kept)}")
