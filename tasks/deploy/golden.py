"""Inputs and outputs of a file where it was exported, to be reproduced on a device (`python decode.py`)."""

import json
from collections.abc import Mapping, Sequence
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.checkpoint.manifest import NAME, read_json
from tasks.common.entries import short
from tasks.common.errors import UserError, visible
from tasks.common.labels import Pixels
from tasks.data.files.images import read_rgb
from tasks.deploy.decode import TOLERANCE, arranged, decode, difference, lost, prepare
from tasks.deploy.parity import Difference, Outcome, of_file
from tasks.deploy.runners.runner import Runner
from tasks.deploy.runtimes import reason
from tasks.deploy.shapes import check_outputs


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
        if is_map(result):
            Image.fromarray(result["labels"]).save(folder / "labels.png")
        else:
            expected[task] = {key: value.tolist() for key, value in result.items()}
    (folder / "expected.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")


def is_map(result: Mapping[str, NDArray[Any]]) -> bool:
    """Whether a task's result is a label map."""
    return "labels" in result and result["labels"].ndim == 2


def of_golden(path: Path, manifest: Mapping[str, Any], runner: Runner) -> list[Difference]:
    """A row for each image in golden/ beside a file that is not this file's, or one for all; none if there are none.

    A file that is not the one that model.json names is beside another file's.
    """
    beside = path.with_name(NAME)
    if not beside.is_file() or read_json(beside).get("file") != path.name:
        return []
    cases = sorted(each for each in path.with_name("golden").glob("*") if each.is_dir())
    found = {each.name: problem_of(each, manifest, runner) for each in cases}
    rows = [
        Difference(f"golden/{short(name)}", 0.0, 1.0, at_least=True, note=f"no golden image of this file: {problem}")
        for name, problem in found.items()
        if problem
    ]
    return rows or [Difference(f"golden: {len(cases)} images", 1.0, 1.0, at_least=True)] * bool(cases)


def problem_of(folder: Path, manifest: Mapping[str, Any], runner: Runner) -> str:
    """What is wrong with one golden image's files, or ''. Another processor may round otherwise (decode.TOLERANCE)."""
    limit, exact = TOLERANCE[manifest["precision"]], manifest["outputs"] != "final"
    names = [name for task in manifest["tasks"].values() for name in task["outputs"].values()]
    try:
        image = read_rgb(folder / "image.png")
        now = of_file(runner, manifest)(image)
        if not np.array_equal(np.load(folder / "input.npy"), arranged(now.seen, manifest)):
            return "input.npy is not what decode.py makes of image.png"
        tensors = {name: np.load(folder / f"{name}.npy") for name in names}
        check_outputs(tensors, manifest)
        for name in names if exact else ():  # equal scores change places in the others
            if not difference(now.tensors[name], tensors[name]) <= limit:
                return f"{name}.npy is not what the file gives for it"
        size = image.shape[0], image.shape[1]
        results = decode(tensors, manifest, size, prepare(image, manifest)[1])
        told = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
        for task, result in results.items():
            if is_map(result):
                same = difference(np.asarray(Image.open(folder / "labels.png")), result["labels"]) <= limit
            elif "boxes" in result:
                scores = np.array(told[task]["scores"], np.float64), result["scores"]
                same = lost(told[task], result, 1e-4) == 0 and len(scores[0]) == len(scores[1])
                same = same and np.allclose(*scores, atol=1e-4)
                pairs = permutations((told[task], now.results[task]), 2)
                same = same and all(lost(*pair, limit) <= limit for pair in pairs)
            else:
                same = all(np.allclose(told[task][key], value, atol=1e-4) for key, value in result.items())
            if not same:
                return f"the results of {task} are not what decode.py makes of its outputs"
    except (UserError, OSError, ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        return visible(reason(error))
    return ""
