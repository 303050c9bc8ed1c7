"""Shared by the tests of exported files: small networks that say something, their checkpoint, and each file once."""

import functools
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.lively import enlivened
from tasks.app.resolve import Settings, composed
from tasks.checkpoint.checkpoint import make_metadata
from tasks.checkpoint.manifest import read_json, write_manifest
from tasks.data.streets.dataset import Streets
from tasks.data.transforms.letterbox import Stretch
from tasks.deploy.decoders import DECODERS
from tasks.deploy.describe import describe
from tasks.deploy.network import Traced, trace
from tasks.deploy.runners.runner import Runner
from tasks.deploy.settings import ExportSettings
from tasks.deploy.writers.by_format import WRITERS
from tasks.deploy.written import open_written
from tasks.engine.build import build
from tasks.engine.learner import Learner
from tests.tasks.deploy.decoder_cases import HERE, NPY, Decoder, compiled, started

SIZE = (48, 96)  # height, width of what the networks see; the scenes are larger
SMALL = (
    "recipe=none",
    "backbone=mobilenet_v3_small",
    "backbone.width=0.25",
    "segment.head.hidden=16",
    "detect.head.extras=[32]",
    "detect.task.select.detections=40",
    "classify.head.hidden=16",
    "heads=[segment,detect,classify]",
    "+data.fit._target_=tasks.data.transforms.letterbox.Stretch",
    f"+data.fit.size=[{SIZE[0]},{SIZE[1]}]",
    "data.workers=0",
    "cpu.keep_freed_memory=false",
    "trainer.accelerator=cpu",
    "pictures=0",
    "logger=none",
)
SCENES = ("dataset.train=1", "dataset.val=4", "dataset.height=64", "dataset.width=128")


def noise(count: int, size: tuple[int, int] = SIZE, seed: int = 0) -> torch.Tensor:
    """Images (count, 3, height, width) uint8: coarse squares, each place another, under fine noise."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.randint(0, 200, (count, 3, 4, 4), generator=generator).float()
    fine = torch.randint(0, 56, (count, 3, *size), generator=generator)
    return (nn.functional.interpolate(coarse, size) + fine).to(torch.uint8)


def enliven(learner: Learner) -> Learner:
    """Statistics and weights like those of a training, from the same noise each time."""
    return enlivened(learner, noise(8))


def settings(*overrides: str) -> Settings:
    """Of the three heads."""
    return composed("multitask", *SMALL, *overrides)


def network(*overrides: str) -> tuple[Learner, Settings]:
    """A learner for the street scenes' classes with the settings that it was built from."""
    made = settings(*overrides)
    torch.manual_seed(0)
    learner = enliven(build(made.run.learner, Streets.classes))
    return learner, made


def save_checkpoint(path: Path, task: str, learner: Learner, made: Settings) -> Path:
    """Write a checkpoint as a training does, without the state of a training."""
    metadata = make_metadata(task, made.run.stored, {name: entry.metadata() for name, entry in learner.each_task()})
    torch.save({"mobilevision": metadata, "state_dict": learner.state_dict()}, path)
    return path


class ExportedLearner(NamedTuple):
    """An exported file, opened, and the network that it was made of."""

    learner: Learner
    runner: Runner
    manifest: dict[str, Any]
    folder: Path


def ship(folder: Path, learner: Learner, export: ExportSettings, traced: Traced, fit: Any = None) -> ExportedLearner:
    """The network's file in a folder with its model.json, opened; nothing is proved."""
    manifest = describe("multitask", learner, export, traced, SIZE, fit, None)
    write = WRITERS[export.format]
    files = write(traced, folder / manifest["file"], manifest, export.precision)
    write_manifest(folder, manifest, files)
    return ExportedLearner(learner, open_written(folder / manifest["file"], manifest, threads=1), manifest, folder)


@pytest.fixture(scope="session")
def shipped(tmp_path_factory) -> Callable[[str, str], ExportedLearner]:
    """The file of three heads in a format, with outputs of a form: each is traced and written once."""
    learner, _ = network()
    traced = functools.cache(lambda form: trace(learner, batch=1, size=SIZE, form=form))

    @functools.cache
    def get(runtime: str, form: str) -> ExportedLearner:
        export = settings(f"export.format={runtime}", f"export.outputs={form}").export
        return ship(tmp_path_factory.mktemp(f"{runtime}_{form}"), learner, export, traced(form), Stretch(SIZE))

    return get


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> tuple[str, ...]:
    """Arguments for the street scenes of this session."""
    return (*SCENES, f"dataset.root={tmp_path_factory.mktemp('streets') / 'streets'}")


@pytest.fixture(scope="session")
def best(tmp_path_factory, scenes) -> Path:
    """A checkpoint of three heads, which the commands of one head take as well."""
    learner, made = network(*scenes)
    return save_checkpoint(tmp_path_factory.mktemp("checkpoints") / "best.ckpt", "multitask", learner, made)


@pytest.fixture(scope="session")
def exports(tmp_path_factory) -> Path:
    """A folder for what commands export once for several tests."""
    return tmp_path_factory.mktemp("exports")


@pytest.fixture
def model(command, exports, best, tmp_path) -> Path:
    """model.onnx of three heads with all that mode=export leaves beside it; a copy, which a test may damage."""
    pytest.importorskip("onnx")
    folder = exports / "model"
    if not folder.exists():
        result = command("multitask", "mode=export", f"checkpoint={best}", f"hydra.run.dir={folder}")
        assert result.status == 0, result.err
    shutil.copytree(folder, tmp_path / "model")
    return tmp_path / "model" / "model.onnx"


def changed(model: Path, **entries: Any) -> None:
    """Other entries in the model.json beside a file."""
    beside = model.with_name("model.json")
    beside.write_text(json.dumps(json.loads(beside.read_text()) | entries))


def rewritten(model: Path, **entries: Any) -> None:
    """Other entries in model.json and in the description inside an ONNX file, with the hashes that belong to them."""
    import onnx

    manifest = read_json(model.with_name("model.json")) | entries
    manifest.pop("sha256")
    graph = onnx.load(model)
    (inside,) = (entry for entry in graph.metadata_props if entry.key == "mobilevision")
    inside.value = json.dumps(manifest)
    onnx.save(graph, model)
    write_manifest(model.parent, manifest, [model.name])


def tensors(shipped: ExportedLearner, images: torch.Tensor, form: str) -> dict[str, np.ndarray]:
    """What the file should give for images, by names, from the network that it was made of."""
    with torch.inference_mode():
        outputs, size = shipped.learner(images), (images.shape[2], images.shape[3])
        return {
            shipped.manifest["tasks"][name]["outputs"][role]: tensor.numpy()
            for name, task in shipped.learner.each_task()
            for role, tensor in task.tensors(outputs[name], size, form).items()
        }


@pytest.fixture(scope="session")
def program(tmp_path_factory) -> Path:
    return compiled(tmp_path_factory.mktemp("compiled"), "-O1")


@pytest.fixture(params=["c++", "node"])
def decoder(request) -> Decoder:
    """A function that lets a decoder try the cases of some folders."""
    if request.param == "c++":
        path = request.getfixturevalue("program")
        return lambda folders: started(path, *folders)
    if not shutil.which("node"):
        pytest.skip("no Node here")
    return lambda folders: started("node", HERE / "cases.mjs", DECODERS["decode.js"], NPY, *folders)
