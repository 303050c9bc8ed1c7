"""Files as a stranger would craft them. Each attack would leave a marker, a folder or a file named after it."""

import copy
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tasks.checkpoint.checkpoint import make_metadata
from tasks.data.streets.dataset import Streets
from tasks.engine.build import build
from tests.test_config import run_of

SMALL = (
    "recipe=none",
    "backbone=mobilenet_v3_small",
    "backbone.width=0.25",
    "data.workers=0",
    "cpu.keep_freed_memory=false",
    "cpu.bind_threads=false",
    "trainer.accelerator=cpu",
    "pictures=0",
    "logger=none",
)
HEADS = ("segment.head.hidden=16", "detect.head.extras=[32]", "classify.head.hidden=16", "heads=[segment,classify]")


class Payload:
    """What its unpickling runs: it makes a folder, the marker."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (self.marker,)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "marker"


@pytest.fixture
def payload(tmp_path: Path, marker: Path) -> Path:
    """A pickle that makes the marker; proved by unpickling one of its kind."""
    trial = tmp_path / "trial"
    pickle.loads(pickle.dumps(Payload(trial)))
    assert trial.is_dir()
    path = tmp_path / "payload.pt"
    torch.save(Payload(marker), path)
    return path


@pytest.fixture(scope="session")
def sound() -> Callable[[str], dict[str, Any]]:
    """A checkpoint of a task that any command would take, in memory; a copy."""

    made: dict[str, dict[str, Any]] = {}

    def of(task: str) -> dict[str, Any]:
        if task not in made:
            run = run_of(*SMALL, *(HEADS if task == "multitask" else ()), task=task)
            torch.manual_seed(0)
            learner = build(run.learner, Streets.classes)
            metadata = make_metadata(task, run.stored, {name: entry.metadata() for name, entry in learner.each_task()})
            made[task] = {"mobilevision": metadata, "state_dict": learner.state_dict()}
        return copy.deepcopy(made[task])

    return of


def put(config: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    """A configuration with a value at a dotted key."""
    *path, last = key.split(".")
    node = config
    for name in path:
        node = node.setdefault(name, {})
    node[last] = value
    return config
