"""Two processes (gloo) give the same numbers as one: the real command, an odd number of images.

They are started by Lightning, also in a sweep, or by SLURM, one after the other. Some have no image to score.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tasks.report.collect import collect
from tests.patience import held_port
from tests.tasks.classify.test_command import TINY as CLASSIFY
from tests.tasks.detect.test_command import TINY as DETECT
from tests.tasks.multitask.test_command import MIXTURE, SMALL
from tests.tasks.segment.test_command import TINY

ROOT = Path(__file__).parents[3]


def run(task: str, *arguments: str) -> str:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", f"tasks.{task}", *arguments],
        capture_output=True, text=True, timeout=300, env=environment, cwd=ROOT, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_by_slurm(task: str, *arguments: str) -> list[str]:
    """Two machines with one process each, as `srun` starts them, the second one later; what each has said."""
    slurm = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "2", "SLURM_JOB_NAME": "train"}
    slurm |= {"SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0", "MASTER_ADDR": "127.0.0.1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", f"tasks.{task}", *arguments]
    command += ["trainer.num_nodes=2", "trainer.devices=1", "trainer.strategy=ddp"]
    processes = []
    with held_port() as port:
        for rank in ("0", "1"):
            own = {"MASTER_PORT": str(port), "SLURM_PROCID": rank, "SLURM_NODEID": rank, "SLURM_LOCALID": "0"}
            processes.append(
                subprocess.Popen(
                    command,
                    env=os.environ | slurm | own,
                    cwd=ROOT,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                )
            )
            time.sleep(1.5)  # later: whoever is early waits
        said = [process.communicate(timeout=300)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], "\n".join(said)
    return said


def test_two_processes_classify_as_one_does(folders, command, tmp_path):
    tiny = (*CLASSIFY, f"dataset.root={folders}", "data.eval_batch_size=2")
    trained = command("classify", *tiny, "trainer.max_epochs=2", f"hydra.run.dir={tmp_path / 'one'}")
    assert trained.status == 0, trained.err
    checkpoint = f"checkpoint={tmp_path / 'one' / 'checkpoints' / 'best.ckpt'}"
    two = ("-m", "trainer.devices=2", "trainer.strategy=ddp")
    out = run(
        "classify", *two, *tiny, "mode=evaluate", checkpoint, f"hydra.sweep.dir={tmp_path}", "hydra.sweep.subdir=two"
    )
    assert "comparison.csv" in out and out.count("data: ") == 1, "a sweep ends, and one process speaks"
    scores = [json.loads((tmp_path / name / "metrics.json").read_text()) | {"seconds": 0} for name in ("one", "two")]
    assert scores[0] == scores[1] and scores[0]["images"] == 9
    for picture in ("confusion.png", "right_and_wrong.png"):
        one, other = ((tmp_path / name / "pictures" / picture).read_bytes() for name in ("one", "two"))
        assert one == other, "the first process draws what all have seen"


def test_two_processes_score_what_one_does(cityscapes, command, tmp_path):
    root = f"dataset.root={cityscapes}"
    folder = f"hydra.run.dir={tmp_path}/train_${{now:%H-%M-%S}}"
    log = ("logger=tensorboard", "trainer.max_epochs=2")
    first, other = run_by_slurm("segment", *TINY, root, folder, *log)  # training runs on two as well
    assert "epoch 2/2" in first and "mIoU" in first
    assert not [line for line in other.splitlines() if line.startswith(("data:", "segment:", "epoch", "scoring"))]
    (two,) = tmp_path.glob("train_*")
    check_one_writer(two, first, other)
    checkpoint = f"checkpoint={two / 'checkpoints' / 'best.ckpt'}"
    one = tmp_path / "one"
    alone = ("trainer.devices=1", "trainer.strategy=auto", f"hydra.run.dir={one}")
    result = command("segment", root, "mode=evaluate", checkpoint, *alone)
    assert result.status == 0, result.err
    scores = [json.loads((folder / "metrics.json").read_text()) | {"seconds": 0} for folder in (one, two)]
    assert scores[0] == scores[1] and scores[0]["images"] == 5
    assert all(len(list((folder / "pictures").glob("*.png"))) == 2 for folder in (one, two))


def check_one_writer(folder: Path, first: str, other: str) -> None:
    """One of two processes writes the page and logs; the page tells of both."""
    said = [line for line in first.splitlines() if line.startswith("report ")]
    assert [str(folder / "report.html") in line for line in said] == [True, True], "while it trains, and at the end"
    assert "report" not in other and len(list(folder.rglob("events.out.tfevents.*"))) == 1
    assert [path.parent for path in folder.parent.rglob("report.html")] == [folder]
    page = collect(folder)
    assert page["run"]["state"] == "finished" and page["run"]["record"]["device"].endswith(" × 2")
    assert page["run"]["record"]["data"] == {"train": 6, "val": 5} and page["metrics"]["images"] == 5
    steps = page["history"]["curves"]["train/loss"]["x"]
    assert steps == sorted(set(steps)) and page["history"]["epochs"] == 2, "no step is logged twice"


def test_two_processes_detect_as_one_does(coco, command, tmp_path):
    tiny = (*DETECT, f"dataset.root={coco}", "data.eval_batch_size=4")  # one batch: the second process has none
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
        *(
            f"datasets.town.root={cityscapes}",
            f"datasets.things.root={coco}",
            "data.eval_batch_size=5",
        ),  # a batch of each
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
