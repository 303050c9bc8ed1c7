"""Networks as written by mode=export, with torchvision's weights, for the benchmarks that compare the two."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from backbones.weights import load_head, load_layers
from tasks.app.resolve import composed
from tasks.deploy.describe import describe
from tasks.deploy.model import Model
from tasks.deploy.network import trace
from tasks.deploy.quantise.openvino import OpenVinoQuantiser
from tasks.deploy.runners.opening import open_runner
from tasks.deploy.settings import ExportSettings
from tasks.deploy.writers.by_format import WRITERS
from tasks.engine.build import build
from tasks.engine.learner import Learner

Images = NDArray[np.uint8]
SETTINGS = ExportSettings(
    format="openvino", precision="fp32", outputs="raw", batch=1, layout=None, size=None, images=16, metric=False,
    gate="fail", mixed=False, slower=False, rewrite=False, tolerance=None, budget=0.01, calibration=128, page=False,
    page_runtime=None, threads=1, upright=False, white=None,
)  # fmt: skip


def network(
    task: str, choices: Sequence[str], classes: Mapping[str, Sequence[Any]], state: Mapping[str, Tensor]
) -> Learner:
    """The network of `python -m tasks.<task> <choices>`, with the weights of torchvision's network of the same layers.

    Args:
        classes: by kind of label, as in data sets.
        state: of torchvision's network; every tensor is used.
    """
    learner = build(composed(task, *choices, "recipe=none").run.learner, classes).eval()
    ((_, only),) = learner.each_task()
    loaded, left = load_head(only.head, load_layers(learner.backbone, state, "torchvision").rest)
    assert len(loaded) == len(only.head.state_dict()) and not left, "the networks differ"
    return learner


def exported(
    learner: Learner,
    size: tuple[int, int],
    folder: Path,
    *,
    runtime: str = "openvino",
    form: str = "raw",
    precision: str = "fp32",
) -> Model:
    """Export a network to a file for one image at a time, opened with one thread.

    Args:
        size: (height, width) of the images.
        runtime: openvino or onnx.
        form: of the outputs: raw, decoded or final.
        precision: fp32, fp16 or bf16.
    """
    task, *others = (name for name, _ in learner.each_task())
    settings = replace(SETTINGS, format=runtime, outputs=form, precision=precision)
    traced = trace(learner, batch=1, size=size, form=form)
    manifest = describe("multitask" if others else task, learner, settings, traced, size, None, None)
    path = folder / f"{form}_{precision}{Path(manifest['file']).suffix}"
    WRITERS[runtime](traced, path, manifest, precision)
    return Model(open_runner(path, manifest, threads=1), manifest)


def in_int8(model: Model, folder: Path, images: Images) -> Model:
    """A raw fp32 model of that folder in int8, with ranges from images (N, 3, height, width)."""
    path, manifest = folder / "raw_int8.xml", {**model.manifest, "precision": "int8"}
    print(OpenVinoQuantiser(folder / "raw_fp32.xml", [images]).write(path))
    return Model(open_runner(path, manifest, threads=1), manifest)


def supports(kind: str) -> bool:
    """Whether OpenVINO multiplies FP16 or BF16 on this processor without widening them."""
    import openvino

    return kind in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
