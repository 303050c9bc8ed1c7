"""Two processes (gloo) give the same numbers as one: the real command, an odd number of images."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.tasks.segment.test_command import TINY


def segment(*arguments: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "tasks.segment", *TINY, *arguments],
        capture_output=True, text=True, timeout=300, env=environment, cwd=Path(__file__).parents[2], check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_two_processes_score_what_one_does(cityscapes, tmp_path):
    root = f"dataset.root={cityscapes}"
    two = ("trainer.devices=2", "trainer.strategy=ddp")
    segment(root, *two, f"hydra.run.dir={tmp_path / 'train'}", "trainer.max_epochs=2")  # training runs on two as well
    checkpoint = f"checkpoint={tmp_path / 'train' / 'checkpoints' / 'best.ckpt'}"
    scores = {}
    for name, devices in (("one", ("trainer.devices=1", "trainer.strategy=auto")), ("two", two)):
        segment(root, "mode=evaluate", checkpoint, *devices, f"hydra.run.dir={tmp_path / name}")
        scores[name] = json.loads((tmp_path / name / "metrics.json").read_text())
        scores[name].pop("seconds")
        assert len(list((tmp_path / name / "pictures").glob("*.png"))) == 2
    trained = json.loads((tmp_path / "train" / "metrics.json").read_text())
    trained.pop("seconds")
    assert scores["one"]["images"] == 5
    assert scores["one"] == scores["two"] == trained
