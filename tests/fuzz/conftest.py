"""The world that odd inputs are made of: tiny data sets, checkpoints and an exported file, made once."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tasks.checkpoint.checkpoint import make_metadata
from tasks.checkpoint.saving import save
from tasks.engine.build import build
from tasks.engine.instantiate import make
from tests.conftest import Result, write_cityscapes, write_coco, write_folders
from tests.fuzz.kit import TrainingBegins, World
from tests.tasks.classify.test_command import TINY as CLASSIFY
from tests.tasks.detect.test_command import TINY as DETECT
from tests.tasks.segment.test_command import TINY as SEGMENT
from tests.test_config import run_of

WRITERS: dict[str, Callable[[Path], Path]] = {
    "segment": write_cityscapes,
    "detect": write_coco,
    "classify": write_folders,
}
TINY = {"segment": SEGMENT, "detect": DETECT, "classify": CLASSIFY}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("fuzz")
    data = {task: write(root / task) for task, write in WRITERS.items()}
    tiny = {task: (*TINY[task], f"dataset.root={data[task]}", "pictures=0") for task in data}
    checkpoints = {}
    for task, arguments in tiny.items():
        run = run_of(*arguments, task=task)
        torch.manual_seed(0)
        learner = build(run.learner, make(run.data.dataset).classes)
        metadata = make_metadata(task, run.stored, {name: entry.metadata() for name, entry in learner.each_task()})
        checkpoints[task] = root / f"{task}.ckpt"
        save({"state_dict": learner.state_dict(), "mobilevision": metadata}, checkpoints[task])
    photos = root / "photos"
    photos.mkdir()
    values = np.random.default_rng(0).integers(0, 255, (40, 48, 3)).astype(np.uint8)
    Image.fromarray(values).save(photos / "a.png")
    Image.fromarray(values).save(photos / "b.jpg")
    content = [(photos / name).read_bytes() for name in ("a.png", "b.jpg")]
    return World(root / "case", tiny, data, checkpoints, None, content)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Any]:
    """`python -m tasks.<name>` in this process up to where training or exporting begins: all is checked then."""
    from tasks.app.cli import main

    def begins(*_: object, **__: object) -> None:
        raise TrainingBegins

    monkeypatch.setattr("tasks.engine.prepare.keep_freed_memory", lambda: False)
    monkeypatch.setattr("tasks.engine.train.fit", begins)
    monkeypatch.chdir(tmp_path)  # where a command line may write that has lost its folder

    def go(name: str, *arguments: str, exports: bool = False) -> Result:
        with monkeypatch.context() as patch:
            if not exports:
                patch.setattr("tasks.deploy.export.write_model", begins)
            return ended(name, *arguments)

    def ended(name: str, *arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", [f"tasks.{name}", *arguments])
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        capfd.readouterr()
        status = 0
        try:
            main(name)
        except SystemExit as leave:
            status = leave.code if isinstance(leave.code, int) else int(bool(leave.code))
        captured = capfd.readouterr()
        return Result(status, captured.out, captured.err)

    return go
