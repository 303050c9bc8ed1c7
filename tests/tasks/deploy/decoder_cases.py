"""Cases for the decoders in other languages: folders that decoders/cases.cpp and cases.mjs read, and comparisons."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from tasks.deploy.decode import decode, prepare
from tasks.deploy.decoders import DECODERS

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent / "decoders"
NPY = DECODERS["decode.js"].with_name("npy.js")
STRICT = ("-Wall", "-Wextra", "-Werror", "-pedantic", "-Wconversion", "-Wshadow")
Decoder = Callable[[Iterable[Path]], None]


class Case(NamedTuple):
    """What a decoder is given.

    Attributes:
        model: as much of model.json as the decoders read.
        image: for prepare(); None for none.
        outputs: for decode(), with the photo's (height, width), its place and the row; None for none.
    """

    model: dict[str, Any]
    image: np.ndarray | None = None
    outputs: dict[str, np.ndarray] | None = None
    size: tuple[int, int] = (1, 1)
    place: tuple[int, int, int, int] = (0, 0, 1, 1)
    row: int = 0


def compiled(folder: Path, *options: str, compiler: str = "g++") -> Path:
    """The program of the cases, from decode.hpp as it is shipped."""
    if not shutil.which(compiler):
        pytest.skip(f"no {compiler} here")
    program = folder / "cases"
    words = (compiler, "-std=c++17", *options, *STRICT, f"-I{DECODERS['decode.hpp'].parent}", HERE / "cases.cpp")
    done = subprocess.run((*words, "-o", program), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def started(*words: str | Path) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr


def whole(model: dict[str, Any], form: str = "raw") -> dict[str, Any]:
    """A model.json of all that the decoders need."""
    tasks = model.get("tasks") or {"classify": {"outputs": {"logits": "none"}, "classes": ["a"]}}
    takes = {"upright": True, **model["input"]}
    return {"file": "model.onnx", "outputs": form, "precision": "fp32", **model, "input": takes, "tasks": tasks}


def changed(model: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A copy of a model.json with another value under a dotted key."""
    model = json.loads(json.dumps(model))
    *path, last = key.split(".")
    node = model
    for word in path:
        node = node[word]
    node[last] = value
    return model


def written(case: Case, folder: Path) -> Path:
    """A case's folder."""
    (folder / "got").mkdir(parents=True)
    (folder / "outputs").mkdir()
    (folder / "model.json").write_text(json.dumps(case.model), encoding="utf-8")
    if case.image is not None:
        np.save(folder / "photo.npy", case.image)
    if case.outputs is not None:
        np.save(folder / "where.npy", np.array([*case.size, *case.place, case.row], np.int32))
        for name, values in case.outputs.items():
            np.save(folder / "outputs" / f"{name}.npy", np.ascontiguousarray(values))
    return folder


def tried(decoder: Decoder, cases: Iterable[Case], folder: Path) -> list[dict[str, Any]]:
    """What a decoder gives for cases: arrays by name, or {"error": what it says}."""
    folders = [written(case, folder / f"{number:03}") for number, case in enumerate(cases)]
    decoder(folders)
    got = []
    for each in folders:
        error = each / "got" / "error.txt"
        found = {path.stem: np.load(path) for path in sorted((each / "got").glob("*.npy"))}
        got.append({"error": error.read_text(encoding="utf-8")} if error.exists() else found)
    return got


def check_inputs(decoder: Decoder, cases: list[tuple[np.ndarray, dict[str, Any]]], folder: Path) -> None:
    """Compare inputs, byte for byte, of (image, model)."""
    for (image, model), got in zip(cases, tried(decoder, [Case(whole(m), i) for i, m in cases], folder), strict=True):
        expected, place = prepare(image, model)
        told = (image.shape, model["input"], got.get("error"))
        assert (tuple(got["dims"]), tuple(got["place"])) == (expected.shape, place), told
        np.testing.assert_array_equal(got["input"].reshape(expected.shape), expected, str(told))


def check_results(decoder: Decoder, cases: list[Case], folder: Path) -> None:
    """Compare results: labels and label maps are equal, scores to 1e-6 of themselves, boxes to 1e-4 pixels."""
    for case, got in zip(cases, tried(decoder, cases, folder), strict=True):
        assert case.outputs is not None and "error" not in got, got
        for task, own in decode(case.outputs, case.model, case.size, case.place, case.row).items():
            check_found({role: got[f"{task}.{role}"] for role in own}, own)


def check_found(got: dict[str, np.ndarray], own: dict[str, np.ndarray]) -> None:
    if "boxes" not in own:
        for role, values in own.items():
            np.testing.assert_array_equal(got[role].reshape(values.shape), values)
        return
    np.testing.assert_array_equal(got["labels"], own["labels"])
    np.testing.assert_allclose(got["scores"], own["scores"], rtol=1e-6)
    np.testing.assert_allclose(got["boxes"].reshape(-1, 4), own["boxes"], rtol=1e-6, atol=1e-4)
