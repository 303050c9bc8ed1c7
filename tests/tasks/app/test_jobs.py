"""Jobs of a sweep: those of several processes are commands of their own, and those that fail are named."""

import csv
import json
import os
import signal
import sys
import threading
import time

import pytest

from tasks.common.console import stop_on_signals
from tasks.common.processes import command_of
from tests.tasks.classify.test_command import TINY

JOBS = ("trainer.max_epochs=1", "pictures=0")


class Started:
    """A process that does nothing; the second one fails."""

    commands: list[list[str]]

    def __init__(self, command, **_):
        self.commands.append(command)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def wait(self):
        return 2 if len(self.commands) == 2 else 0


def test_a_job_of_several_processes_is_a_command_of_its_own(command, folders, tmp_path, monkeypatch):
    monkeypatch.setattr(Started, "commands", [], raising=False)
    monkeypatch.setattr("tasks.app.jobs.subprocess.Popen", Started)
    sweep = tmp_path / "it's a sweep"
    quoted = str(sweep).replace("'", "\\'")
    result = command(
        "classify", "-m", *TINY, *JOBS, f"dataset.root={folders}", "seed=0,1",
        "trainer.devices=2", "trainer.strategy=ddp", f"hydra.sweep.dir='{quoted}'",
    )  # fmt: skip
    assert len(Started.commands) == 2, result.err
    for number, words in enumerate(Started.commands):
        assert words[:4] == command_of("classify") and "-m" not in words[4:]
        assert f"seed={number}" in words and "trainer.devices=2" in words
        folder = str(sweep / str(number)).replace("'", "\\'")
        assert words[-2:] == [f"hydra.run.dir='{folder}'", f"hydra.job.num={number}"]
        assert not any(word.startswith(("hydra.mode", "hydra.sweep")) for word in words)
        assert not (sweep / str(number) / ".hydra").exists(), "the command takes the folder itself"
    assert result.status == 2
    assert "error: job 1 (seed=1): its process ended with status 2\n" in result.err
    assert result.err.endswith("error: 1 job failed, the table is without: job 1 (seed=1)\n")


def test_a_job_that_fails_is_named_and_the_others_make_the_table(command, folders, tmp_path, monkeypatch):
    def train(run, prepared, splits, folder):
        if run.seed == 1:
            raise ZeroDivisionError("a fault of ours")
        cost = {"height": 32, "width": 32, run.task: {"params": 7, "multiply_adds": 8}}
        (folder / "network.json").write_text(json.dumps(cost))
        (folder / "metrics.json").write_text(json.dumps({"top1": 0.5, "images": len(splits.val)}))

    monkeypatch.setattr("tasks.engine.train.train", train)
    result = command(
        "classify", "-m", *TINY, *JOBS, f"dataset.root={folders}", f"hydra.sweep.dir={tmp_path / 'sweep'}",
        "seed=0,1,-2", "optimizer.lr=0.02",
    )  # fmt: skip
    assert result.status == 1, "not the user's mistake alone"
    assert "ZeroDivisionError: a fault of ours\nerror: job 1 (seed=1): the traceback is above\n" in result.err
    assert "error: job 2 (seed=-2): seed=-2 is not" in result.err
    assert result.err.endswith("error: 2 jobs failed, the table is without: job 1 (seed=1), job 2 (seed=-2)\n")
    rows = list(csv.DictReader((tmp_path / "sweep" / "comparison.csv").open()))
    assert [(row["seed"], row["top1"], row["images"]) for row in rows] == [("0", "0.5", "9")]
    assert sorted(path.name for path in (tmp_path / "sweep").iterdir() if path.is_dir()) == ["0", "1"]


@pytest.mark.parametrize("stop", [SystemExit(143), KeyboardInterrupt()])
def test_a_sweep_that_is_stopped_leaves_the_table_so_far(tmp_path, monkeypatch, capsys, stop):
    from omegaconf import OmegaConf

    from tasks.app.jobs import Jobs

    hydra = OmegaConf.create(
        {"job": {"num": 3}, "overrides": {"task": ["seed=3", "a=1"]}, "sweep": {"dir": str(tmp_path)}, "sweeper": {}}
    )
    monkeypatch.setattr("tasks.app.jobs.HydraConfig.get", lambda: hydra)
    compared = []
    monkeypatch.setattr("tasks.app.jobs.compare", compared.append)
    jobs = Jobs()
    jobs.typed = ["-m", "seed=1,2,3", "a=1"]

    def job():
        raise stop

    with pytest.raises(type(stop)):
        jobs.run(job)
    assert compared == [tmp_path] and capsys.readouterr().err == "stopped in job 3 (seed=3)\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_reaches_the_command_of_a_job_once(tmp_path, monkeypatch, number):
    from omegaconf import OmegaConf

    from tasks.app.jobs import run_own_command
    from tasks.common.errors import Stopped

    command = tmp_path / "command"
    command.write_text(
        f'#!/bin/sh\nfor name in INT TERM USR1; do trap "echo $name >> {tmp_path}/got" $name; done\n'
        f"touch {tmp_path}/ready\nwhile [ ! -e {tmp_path}/got ]; do sleep 0.05; done\nsleep 0.3\n"
    )
    command.chmod(0o755)
    hydra = OmegaConf.create({"job": {"num": 0}, "overrides": {"task": [], "hydra": []}, "sweeper": {}})
    monkeypatch.setattr("tasks.app.jobs.HydraConfig.get", lambda: hydra)
    monkeypatch.setattr(sys, "executable", str(command))

    def send():
        while not (tmp_path / "ready").exists():
            time.sleep(0.01)
        os.kill(os.getpid(), number)

    before, sender = signal.getsignal(number), threading.Thread(target=send)
    sender.start()
    with pytest.raises(Stopped), stop_on_signals():
        run_own_command("classify", [], tmp_path)
    sender.join()
    assert (tmp_path / "got").read_text() == f"{signal.Signals(number).name.removeprefix('SIG')}\n"
    assert signal.getsignal(number) is before


def test_a_signal_at_any_moment_is_passed_on_once(tmp_path, monkeypatch):
    from omegaconf import OmegaConf

    from tasks.app.jobs import run_own_command
    from tasks.common.errors import Stopped

    passed_on: list[int] = []

    class Quiet(Started):
        commands: list[list[str]] = []  # noqa: RUF012 - nobody reads it
        send_signal = staticmethod(passed_on.append)

    class Signals:
        """Sends a signal before the given line, as Python counts those that it runs; a line in `lines` for each."""

        def __init__(self, at: int) -> None:
            self.at, self.lines = at, 0

        def __call__(self, frame, event, _value):
            if frame.f_code.co_qualname.partition(".")[0] != "run_own_command":
                return None
            if event == "line" and signal.getsignal(signal.SIGTERM) is not before:
                self.lines += 1
                if self.lines == self.at:
                    sys.settrace(None)
                    signal.raise_signal(signal.SIGTERM)
            return self

    hydra = OmegaConf.create({"job": {"num": 0}, "overrides": {"task": [], "hydra": []}, "sweeper": {}})
    monkeypatch.setattr("tasks.app.jobs.HydraConfig.get", lambda: hydra)
    monkeypatch.setattr("tasks.app.jobs.subprocess.Popen", Quiet)
    before, traced = signal.getsignal(signal.SIGTERM), sys.gettrace()

    def run(at: int) -> int:
        """The number of lines that were run while the handler was there."""
        signals = Signals(at)
        sys.settrace(signals)
        try:
            run_own_command("classify", [], tmp_path)
        except Stopped:
            assert at > 0
        finally:
            sys.settrace(traced)
        return signals.lines

    lines = run(-1)
    assert lines > 4 and not passed_on
    for line in range(1, lines + 1):
        passed_on.clear()
        run(line)
        assert passed_on == [signal.SIGTERM], line
