"""What decoders are tried with: photos, small tasks, their model.json and the outputs of their heads."""

import json
from functools import partial

import numpy as np
import torch

from backbones.base import Feature
from heads import anchors
from heads.lraspp import LRASPP
from heads.select import Select
from heads.ssdlite import RawBoxes, SSDLite
from tasks.detect.task import DetectTask
from tasks.segment.loss import PixelCrossEntropy
from tasks.segment.task import SegmentTask

FEATURES = {"c3_depthwise": Feature(8, 8), "c4": Feature(8, 16), "c5": Feature(8, 32)}
HEIGHT, WIDTH = 96, 160  # of the file's input


def photo(generator, height, width):
    """Noise; every other time of black and white alone, which rounding meets hardest."""
    image = generator.integers(0, 256, (height, width, 3)).astype(np.uint8)
    return image if generator.random() < 0.5 else (image > 127).astype(np.uint8) * 255


def takes(rule, height=None, width=None):
    """The part of model.json that prepare() reads."""
    return {"input": {"height": height, "width": width, "resize": rule}, "tasks": {}}


def sizes(count, seed):
    """(height, width) of a photo and of what becomes of it, from 1 to 250, small ones as often as large ones."""
    generator = np.random.default_rng(seed)
    for _ in range(count):
        yield generator, np.exp(generator.uniform(0, np.log(250), 4)).astype(int).tolist()


def segment_task(classes=5):
    return SegmentTask(FEATURES, LRASPP, PixelCrossEntropy(), [(f"c{n}", n, (n, n, n)) for n in range(classes)])


def detect_task(loss, classes=("person", "-", "car"), **select):
    ssdlite = partial(SSDLite, extras=(32,), anchors=anchors.torchvision)
    named = [(name, number + 1) for number, name in enumerate(classes)]
    return DetectTask(FEATURES, ssdlite, loss, Select(**select), "mobilevision", named)


def manifest(task, fit, form="raw"):
    """model.json as far as decode() reads it, and the outputs that such a file gives for a head's outputs."""
    model = takes({"rule": "none"} if fit is None else fit.rule(), HEIGHT, WIDTH)

    def outputs(raw):
        return {name: value.numpy() for name, value in task.tensors(raw, (HEIGHT, WIDTH), form).items()}

    names = {"raw": ("logits", "offsets"), "decoded": ("boxes", "scores"), "final": ("boxes", "scores", "labels")}[form]
    if task.name == "segment":
        names = ("logits",) if form == "raw" else ("labels",)
    model["tasks"] = {task.name: {"outputs": {name: name for name in names}, **task.recipe((HEIGHT, WIDTH))}}
    return json.loads(json.dumps(model)), outputs


def raw_boxes(task, seed, spread=2.0):
    """Noise for every anchor, of one image."""
    generator = torch.Generator().manual_seed(seed)
    cells = task.head.cells((HEIGHT, WIDTH))
    count = sum(h * w * n for (h, w), n in zip(cells, task.head.anchors.per_cell, strict=True))
    logits = spread * torch.randn(1, count, len(task.classes) + 1, generator=generator)
    return RawBoxes(logits, 2 * torch.randn(1, count, 4, generator=generator), cells)
