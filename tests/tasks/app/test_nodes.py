"""Two machines, played by two launchers on the loopback: what they compute, and what happens if one of them dies."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import torch

from tests.patience import LONG, held_port, wait_until
from tests.tasks.app.test_distributed import ROOT
from tests.tasks.classify.test_command import TINY

PLAIN = tuple(word for word in TINY if not word.startswith(("trainer.max_epochs", "trainer.check_val")))
FOUR = ("data.repeat=8", "trainer.max_epochs=4", "trainer.check_val_every_n_epoch=2")  # 12 steps in an epoch

# Python imports a module of this name at its start, if it is on PYTHONPATH. Its audit hook sees every os.replace() as
# "os.rename", also that which puts last.ckpt into its place, and stays in the one whose number is in HOLD.
SITECUSTOMIZE = """
import os, sys, time

left = [int(os.environ["HOLD"])]

def stay(event, words):
    if event == "os.rename" and str(words[1]).endswith("last.ckpt"):
        left[0] -= 1
        if left[0] == 0:
            folder = os.path.dirname(__file__)
            open(folder + "/held", "w").close()
            while not os.path.exists(folder + "/go"):
                time.sleep(0.02)

sys.addaudithook(stay)
"""


class Node:
    """A machine's process or launcher, and what it has said so far."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path) -> None:
        self.log = log
        quick = {"OMP_NUM_THREADS": "1", "MOBILEVISION_CACHE": "off", "TMPDIR": str(log.parent)}
        self.process = subprocess.Popen(
            command, env=os.environ | quick | environment, cwd=ROOT, stdout=log.open("w"), stderr=subprocess.STDOUT,
        )  # fmt: skip

    def said(self) -> str:
        return self.log.read_text()

    def wait_until(self, holds) -> None:
        """Wait until something holds; fail with what was said if the process ends before."""
        wait_until(lambda: holds() or self.process.poll() is not None, self.said)
        assert holds(), self.said()

    def kill(self) -> None:
        """As if the machine had lost its power: launcher and process at once."""
        number = self.process.pid
        children = Path(f"/proc/{number}/task/{number}/children").read_text().split()  # each with its own group
        for pid in (number, *map(int, children)):
            os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def status(self) -> int:
        return self.process.wait(180)


class Hold:
    """Keeps a process inside a write of last.ckpt, while something happens to it or to another.

    Attributes:
        reached: a file that is there once it stays.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.reached = folder, folder / "held"
        folder.mkdir()
        (folder / "sitecustomize.py").write_text(SITECUSTOMIZE)

    def in_write(self, number: int) -> dict[str, str]:
        """Variables of the process that shall stay: in its first write of last.ckpt, its second …"""
        return {"PYTHONPATH": str(self.folder), "HOLD": str(number)}

    def let_go(self) -> None:
        (self.folder / "go").touch()


@pytest.fixture
def hold(tmp_path):
    return Hold(tmp_path / "hold")


@pytest.fixture
def nodes(tmp_path):
    """Starts two machines of one process each: by torchrun itself ("launchers"), or with its variables or SLURM's.

    Of the second one, `other` are further words of its command; of the first, `first` are further variables.
    """
    started: list[Node] = []
    ports = ExitStack()

    def start(
        how: str, *arguments: str, other: tuple[str, ...] = (), first: dict[str, str] | None = None
    ) -> list[Node]:
        port = str(ports.enter_context(held_port()))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        for rank in ("0", "1"):
            command, environment = [sys.executable], {}
            if how == "launchers":
                command += ["-m", "torch.distributed.run", "--nnodes=2", f"--node-rank={rank}", "--nproc-per-node=1"]
                command += ["--master-addr=127.0.0.1", f"--master-port={port}"]
            elif how == "torchrun":
                environment = meeting | {"TORCHELASTIC_RUN_ID": "none", "RANK": rank, "WORLD_SIZE": "2"}
                environment |= {"LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "GROUP_RANK": rank}
            else:
                environment = meeting | {"SLURM_NTASKS": "2", "SLURM_NNODES": "2", "SLURM_NTASKS_PER_NODE": "1"}
                environment |= {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "train", "SLURM_JOB_NODELIST": "a,b"}
                environment |= {"SLURM_STEP_ID": "0", "SLURM_PROCID": rank, "SLURM_NODEID": rank, "SLURM_LOCALID": "0"}
            log = tmp_path / f"node_{len(started)}.log"
            words = (*arguments, *(other if rank == "1" else ()))
            environment |= (first or {}) if rank == "0" else {}
            started.append(Node([*command, "-m", "tasks.classify", *words], environment, log))
        return started[-2:]

    yield start
    for node in started:
        if node.process.poll() is None:
            node.kill()
    ports.close()


def state(run: Path) -> dict:
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)


def assert_equal(one: Path, other: Path) -> None:
    """Equal scores, weights, averages and steps, bit for bit."""
    scores = [json.loads((run / "metrics.json").read_text()) | {"seconds": 0} for run in (one, other)]
    assert scores[0] == scores[1]
    a, b = state(one), state(other)
    assert a["global_step"] == b["global_step"]
    for part in ("state_dict", "current_model_state"):
        assert a[part].keys() == b[part].keys()
        assert all(torch.equal(tensor, b[part][name]) for name, tensor in a[part].items()), part


def test_a_lost_machine_ends_the_other_and_is_named(nodes, folders, tmp_path):
    words = (*PLAIN, *FOUR, "trainer.max_epochs=500", "data.repeat=100", f"dataset.root={folders}")
    first, other = nodes("torchrun", *words, f"hydra.run.dir={tmp_path / 'run'}", "saving.minutes=0.0001")
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    first.wait_until(last.exists)
    other.kill()
    begin = time.monotonic()
    assert first.status() == 4, first.said()
    assert time.monotonic() - begin < 90, "PyTorch would wait for half an hour"
    line = "has ended: it was killed, or its machine is gone; go on with resume="
    assert f"error: rank 1 of 2 ({os.uname().nodename}) {line}{last}" in first.said()
    assert "Traceback" not in first.said() and last.is_file()
    assert "error: rank 1 of 2" in (tmp_path / "run" / "run.log").read_text()


def test_killed_on_one_of_two_machines_a_training_goes_on_to_the_same_end(nodes, folders, hold, tmp_path):
    words = (*PLAIN, *FOUR, f"dataset.root={folders}")
    for node in nodes("launchers", *words, f"hydra.run.dir={tmp_path / 'whole'}"):
        assert node.status() == 0, node.said()
    words = (*words, f"hydra.run.dir={tmp_path / 'killed'}", "saving.minutes=0.0001")
    first, other = nodes("launchers", *words, first=hold.in_write(3))  # in the second epoch
    first.wait_until(hold.reached.exists)
    other.kill()
    hold.let_go()
    assert first.status() != 0 and "error: rank 1 of 2" in first.said()
    steps = state(tmp_path / "killed")["global_step"]
    assert 12 <= steps < 48
    resume = f"resume={tmp_path / 'killed' / 'checkpoints' / 'last.ckpt'}"
    for node in nodes("launchers", resume, f"hydra.run.dir={tmp_path / 'killed'}"):
        assert node.status() == 0, node.said()
    assert_equal(tmp_path / "whole", tmp_path / "killed")


def test_a_mistake_that_the_first_process_finds_is_told_by_the_other(nodes, folders, tmp_path):
    broken = next((folders / "val").rglob("*.*"))
    broken.write_text("no image")
    words = (*PLAIN, f"dataset.root={folders}", "trainer.max_epochs=1")
    first, other = nodes("slurm", *words, f"hydra.run.dir={tmp_path / 'run'}")
    assert first.status() == 2 and other.status() == 4
    mistake = f"cannot read image {broken}"
    assert f"error: {mistake}" in first.said()
    assert f"error: rank 0 of 2 ({os.uname().nodename}) has ended: {mistake}" in other.said()
    assert not list(tmp_path.glob("mobilevision_*")), "the other process leaves no folder"


@pytest.mark.parametrize(
    ("word", "what"),
    [
        ("data.batch_size=2", "data.batch_size is 2, not 4"),  # they waited for ever
        ("dataset.root={other}", "training images is 11, not 12"),  # each trained on its own order
    ],
)
def test_machines_that_are_started_otherwise_say_so(word, what, nodes, folders, tmp_path):
    shutil.copytree(folders, tmp_path / "other")
    next((tmp_path / "other" / "train" / "red").iterdir()).unlink()
    words = (*PLAIN, f"dataset.root={folders}", "trainer.max_epochs=1", f"hydra.run.dir={tmp_path / 'run'}")
    both = nodes("torchrun", *words, other=(word.format(other=tmp_path / "other"),))
    assert [node.status() for node in both] == [2, 2], both[0].said()
    for node in both:
        assert f"error: rank 1 of 2 was not started as rank 0: {what}: give all the same" in node.said()
        assert "Traceback" not in node.said()


@pytest.mark.parametrize("rank", [0, 1])
def test_a_mistake_in_one_command_ends_the_others(rank, nodes, folders, tmp_path):
    run = tmp_path / "run"
    if rank == 0:  # only the first process looks at its folder
        run.mkdir()
        (run / "metrics.json").write_text("{}")
    words = (*PLAIN, f"dataset.root={folders}", "trainer.max_epochs=1", f"hydra.run.dir={run}")
    both = nodes("torchrun", *words, other=("optimizr.lr=1",) if rank == 1 else ())
    begin = time.monotonic()
    assert both[rank].status() == 2 and both[1 - rank].status() == 4, both[1 - rank].said()
    assert time.monotonic() - begin < LONG
    mistake = f"hydra.run.dir={run}" if rank == 0 else "optimizr.lr: no such key"
    said = both[1 - rank].said()
    assert f"error: rank {rank} of 2 ({os.uname().nodename}) has ended: {mistake}" in said and "Traceback" not in said


def test_slurms_warning_stops_all_processes_with_a_checkpoint_that_goes_on(nodes, folders, hold, tmp_path):
    words = (*PLAIN, *FOUR, f"dataset.root={folders}")
    for node in nodes("slurm", *words, f"hydra.run.dir={tmp_path / 'whole'}"):
        assert node.status() == 0, node.said()
    both = nodes("slurm", *words, f"hydra.run.dir={tmp_path / 'warned'}", first=hold.in_write(1))
    both[0].wait_until(hold.reached.exists)
    for node in both:
        node.process.send_signal(signal.SIGUSR1)
    hold.let_go()
    assert [node.status() for node in both] == [128 + signal.SIGUSR1] * 2, both[0].said()
    last = tmp_path / "warned" / "checkpoints" / "last.ckpt"
    assert f"SIGUSR1: training stopped; go on with resume={last}" in both[0].said()
    assert "scontrol" not in both[0].said() + both[1].said()
    for node in nodes("slurm", f"resume={last}", f"hydra.run.dir={tmp_path / 'warned'}"):
        assert node.status() == 0, node.said()
    assert_equal(tmp_path / "whole", tmp_path / "warned")
