"""Inputs and outputs of a file where it was exported, to be reproduced on a device (`python decode.py`)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tasks.common.labels import Pixels
from tasks.deploy.decode import arranged
from tasks.deploy.parity import Outcome, of_file
from tasks.deploy.runners.runner import Runner


def write_golden(manifest: Mapping[str, Any], runner: Runner, images: Sequence[Pixels], folder: Path) -> None:
    """Write, for each image, the file's input, its outputs here and the results, to be reproduced on a device."""
    run = of_file(runner, manifest)
    for number, image in enumerate(images):
        place = folder / f"{number:03}"
        place.mkdir(parents=True)
        leave_one(run(image), image, manifest, place)


def leave_one(outcome: Outcome, image: Pixels, manifest: Mapping[str, Any], folder: Path) -> None:
    """Write the files of one golden image."""
    Image.fromarray(image).save(folder / "image.png")
    np.save(folder / "input.npy", arranged(outcome.seen, manifest))
    for name, tensor in outcome.tensors.items():
        np.save(folder / f"{name}.npy", tensor)
    expected: dict[str, Any] = {}
    for task, result in outcome.results.items():
        if "labels" in result and result["labels"].ndim == 2:
            Image.fromarray(result["labels"]).save(folder / "labels.png")
        else:
            expected[task] = {key: value.tolist() for key, value in result.items()}
    (folder / "expected.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")
