"""Two processes (gloo) give the same numbers as one: the real command, an odd number of images."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.tasks.classify.test_command import TINY as CLASSIFY
from tests.tasks.detect.test_command import TINY as DETECT
from tests.tasks.multitask.test_command import MIXTURE, SMALL
from tests.tasks.segment.test_command import TINY


def run(task: str, *arguments: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", f"tasks.{task}", *arguments],
        capture_output=True, text=True, timeout=300, env=environment, cwd=Path(__file__).parents[2], check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def segment(*arguments: str) -> None:
    run("segment", *TINY, *arguments)


def test_two_processes_classify_as_one_does(folders, command, tmp_path):
    tiny = (*CLASSIFY, f"dataset.root={folders}", "data.eval_batch_size=2")
    trained = command("classify", *tiny, "trainer.max_epochs=2", f"hydra.run.dir={tmp_path / 'one'}")
    assert trained.status == 0, trained.err
    checkpoint = f"checkpoint={tmp_path / 'one' / 'checkpoints' / 'best.ckpt'}"
    two = ("trainer.devices=2", "trainer.strategy=ddp", f"hydra.run.dir={tmp_path / 'two'}")
    run("classify", *tiny, "mode=evaluate", checkpoint, *two)
    scores = [json.loads((tmp_path / name / "metrics.json").read_text()) | {"seconds": 0} for name in ("one", "two")]
    assert scores[0] == scores[1] and scores[0]["images"] == 9
    for picture in ("confusion.png", "right_and_wrong.png"):
        one, other = ((tmp_path / name / "pictures" / picture).read_bytes() for name in ("one", "two"))
        assert one == other, "the first process draws what all have seen"


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


def test_two_processes_detect_as_one_does(coco, command, tmp_path):
    tiny = (*DETECT, f"dataset.root={coco}", "data.eval_batch_size=1")
    trained = command("detect", *tiny, f"hydra.run.dir={tmp_path / 'one'}")
    assert trained.status == 0, trained.err
    checkpoint = f"checkpoint={tmp_path / 'one' / 'checkpoints' / 'best.ckpt'}"
    two = ("trainer.devices=2", "trainer.strategy=ddp", f"hydra.run.dir={tmp_path / 'two'}")
    run("detect", *tiny, "mode=evaluate", checkpoint, *two)
    scores = [json.loads((tmp_path / name / "metrics.json").read_text()) | {"seconds": 0} for name in ("one", "two")]
    assert scores[0] == scores[1] and scores[0]["images"] == 4
    for name in ("predictions.json", "errors.csv", "pictures/best_1.png", "pictures/precision_recall.png"):
        one, other = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two"))
        assert one == other, name


def test_two_processes_score_a_mixture_as_one_does(cityscapes, coco, command, tmp_path):
    """Masks of one data set, boxes of the other, statistics kept apart; two processes train on it as well."""
    mixed = (
        *("datasets={town:cityscapes,things:coco}", "datasets.town.targets=[mask]", "batchnorm=separate"),
        *(f"datasets.town.root={cityscapes}", f"datasets.things.root={coco}", "data.eval_batch_size=1"),
    )
    small = (*(key for key in SMALL if not key.startswith(("classify", "data.eval_batch_size"))), *MIXTURE)
    two = ("trainer.devices=2", "trainer.strategy=ddp")
    run("multitask", *mixed, *small, *two, "balance=gradnorm", f"hydra.run.dir={tmp_path / 'two'}")
    checkpoint = f"checkpoint={tmp_path / 'two' / 'checkpoints' / 'best.ckpt'}"
    one = ("trainer.devices=1", "trainer.strategy=auto", f"hydra.run.dir={tmp_path / 'one'}")
    scored = command("multitask", "mode=evaluate", checkpoint, *one)
    assert scored.status == 0, scored.err
    scores = [json.loads((tmp_path / name / "metrics.json").read_text()) | {"seconds": 0} for name in ("one", "two")]
    assert scores[0] == scores[1] and scores[0]["images"] == 5 + 4
    assert (scores[0]["segment/images"], scores[0]["detect/images"]) == (5, 4)
    pictures = [{path.name for path in (tmp_path / name / "pictures").rglob("*.png")} for name in ("one", "two")]
    assert pictures[0] == pictures[1]
