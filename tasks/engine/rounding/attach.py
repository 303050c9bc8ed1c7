"""Gives a network the rounding of a format's int8 files."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from backbones.errors import ImageSizeError
from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.data.loading.batches import EvalDataset
from tasks.data.loading.datamodule import DataModule
from tasks.engine.learner import Learner
from tasks.engine.rounding.calls import NamedCalls, Recorder, tensors_in
from tasks.engine.rounding.places import Places, places_of
from tasks.engine.rounding.rounding import Rounding, calibrate
from tasks.engine.rounding.settings import RoundingSettings

SIDE = 224  # of the image by which calls are recorded; their names do not depend on it
GROUP = 8  # images whose extremes are taken together, as for files


def attach(learner: Learner, settings: RoundingSettings) -> Rounding:
    """Let a network round from now on, with ranges that are still to be found or loaded.

    Raises:
        UserError: for a network without layers that could be int8, or one that cannot be run by itself.
    """
    rounding = Rounding(record(learner, settings.form), settings.form, learner.backbone.mean, learner.backbone.std)
    if not len(rounding.weights):
        raise UserError(f"quantise.aware=true: an int8 file of {settings.form} has no layer of this network in int8")
    learner.rounding = rounding.train(learner.training)
    return rounding


def run_parts(learner: Learner, images: Tensor, within: Callable[[str], NamedCalls]) -> dict[str, Any]:
    """Raw outputs by task for (N, 3, H, W) uint8 images, each part of the network within a mode of its own."""
    with within("backbone"):
        maps = learner.backbone(images)
    outputs = {}
    for name, task in learner.each_task():
        with within(name):
            outputs[name] = task.head(maps)
    return outputs


@torch.no_grad()
def record(learner: Learner, form: str) -> Places:
    """The places where an int8 file of this network rounds."""
    mode = learner.training
    learner.eval()
    image = torch.zeros(1, 3, SIDE, SIDE, dtype=torch.uint8, device=next(learner.parameters()).device)
    recorder, outputs = Recorder(image), dict[str, str]()
    try:
        for name, raw in run_parts(learner, image, recorder.within).items():
            fields = raw._asdict() if hasattr(raw, "_asdict") else {name: raw}
            for field, value in fields.items():
                outputs.update(
                    (recorder.made[id(each)], field) for each in tensors_in(value) if id(each) in recorder.made
                )
    except (RuntimeError, ImageSizeError) as error:
        lines = str(error).splitlines() or [type(error).__name__]
        raise UserError(f"quantise.aware=true: this network cannot be traced: {lines[0][:200]}") from error
    finally:
        learner.train(mode)
    return places_of(recorder.calls, outputs, form)


def prepare_rounding(learner: Learner, settings: RoundingSettings, data: DataModule, resumed: bool) -> None:
    """Attach the rounding, with first ranges from training images unless a resumed run brings its own.

    Raises:
        UserError: see attach().
    """
    rounding = attach(learner, settings)
    if not resumed:
        count = calibrate(learner, rounding, batches(data, settings.images))
        report(
            f"rounding  as int8 files of {settings.form}: {len(rounding.weights)} layers' weights and "
            f"{len(rounding.tensors)} results, first ranges from {count} training images"
        )


def batches(data: DataModule, count: int) -> Iterator[Tensor]:
    """Training images, resized as in scoring, evenly spaced; in groups if they have one size."""
    assert data.train is not None
    scored = EvalDataset(data.train, data.fit)
    numbers = sorted({round(index * (len(data.train) - 1) / max(1, count - 1)) for index in range(count)})
    size = GROUP if data.fit is not None else 1
    for begin in range(0, len(numbers), size):
        yield torch.cat([scored[[index]]["image"] for index in numbers[begin : begin + size]])
