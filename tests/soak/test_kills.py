"""kill -9 at random moments: every run goes on and ends bit-equal to one that was never interrupted.

`pytest -m soak tests/soak/test_kills.py` (minutes; KILLS=20 and KILLS_SEED=0 by default). Runs whose outputs and
temporary folder lie on different file systems are part of it: outputs in /dev/shm, TMPDIR elsewhere.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import write_cityscapes
from tests.tasks.segment.test_command import TINY, assert_same, metrics, state

KILLS, SEED = int(os.environ.get("KILLS", "20")), int(os.environ.get("KILLS_SEED", "0"))
LONG = ("data.repeat=24", "trainer.max_epochs=5", "pictures=0", "saving.minutes=0.02", "data.workers=1")
PARTS = ("state_dict", "current_model_state", "optimizer_states", "lr_schedulers", "epoch", "global_step")
SHARED_MEMORY = Path("/dev/shm")

pytestmark = pytest.mark.soak


@pytest.fixture(params=["one file system", "outputs on a file system of their own"])
def outputs(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """Where runs write; the temporary folder is below tmp_path."""
    if request.param == "one file system":
        yield tmp_path / "outputs"
        return
    if not os.access(SHARED_MEMORY, os.W_OK):
        pytest.skip("no second file system to write to")
    folder = SHARED_MEMORY / f"mobilevision-kills-{os.getpid()}"
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def start(temporary: Path, log: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """A training as a user starts it, in a process group of its own."""
    temporary.mkdir(exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TMPDIR": str(temporary)}
    with log.open("ab") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "tasks.segment", *arguments],
            stdout=file, stderr=file, env=environment, cwd=Path(__file__).parents[2], start_new_session=True,
        )  # fmt: skip


def test_killed_runs_go_on_bit_for_bit(outputs: Path, tmp_path: Path) -> None:
    root = write_cityscapes(tmp_path / "cityscapes")
    begin = (*TINY, *LONG, f"dataset.root={root}")
    temporary, log = tmp_path / "temporary", tmp_path / "log"

    began = time.monotonic()
    whole = outputs / "whole"
    assert start(temporary, log, *begin, f"hydra.run.dir={whole}").wait(600) == 0, log.read_text()
    seconds = time.monotonic() - began

    draw, last, kills, resumed, run = random.Random(SEED), None, 0, 0, 0
    while True:
        run += 1
        folder = outputs / str(run)
        arguments = begin if last is None else (f"resume={last}",)
        process = start(temporary, log, *arguments, f"hydra.run.dir={folder}")
        try:
            status = process.wait(draw.uniform(0.2, 0.9) * seconds if kills < KILLS else 600)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            kills += 1
            written = folder / "checkpoints" / "last.ckpt"
            if written.is_file():  # a kill before the first one leaves the run where it was
                last, resumed = written, resumed + 1
            continue
        assert status == 0, log.read_text()[-3000:]
        if kills >= KILLS:
            break
        last = None  # it came to its end before the kill: begin another one
    print(f"{kills} kills at random moments, {resumed} of them left a checkpoint to go on from")

    written = folder / "checkpoints" / "last.ckpt"
    if not written.is_file():  # the last kill came after the end of the training: nothing was left to train
        assert last is not None
        written = last
    a, b = state(whole / "checkpoints" / "last.ckpt"), state(written)
    for part in PARTS:
        assert_same(a[part], b[part], part)
    assert metrics(whole) == metrics(folder)
