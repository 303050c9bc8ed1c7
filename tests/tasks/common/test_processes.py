"""Commands that a command starts do not outlive it, whenever a signal comes."""

import os
import signal
import subprocess
import sys
import threading

import pytest

from tasks.common import processes, trainings
from tasks.common.console import stop_on_signals
from tasks.common.errors import Stopped
from tasks.common.processes import child, signals_held

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.fixture
def started(monkeypatch):
    """Processes that were started, at once followed by a signal, before their caller knows them."""
    found = []
    popen = subprocess.Popen

    def and_a_signal(*words, **options):
        found.append(popen(*words, **options))
        os.kill(os.getpid(), signal.SIGTERM)
        return found[-1]

    monkeypatch.setattr(processes.subprocess, "Popen", and_a_signal)
    yield found
    for process in found:
        process.kill()
        process.wait()


def test_a_child_whose_start_a_signal_interrupts_is_ended(started, tmp_path):
    with pytest.raises(Stopped, match="SIGTERM"), stop_on_signals(), child(SLEEPER, tmp_path / "log"):
        pytest.fail("the signal waits for the start alone")
    assert [process.poll() for process in started] == [-signal.SIGTERM]


def test_a_training_whose_start_a_signal_interrupts_is_ended(started, tmp_path, monkeypatch):
    class Row:
        name, log = "row", tmp_path / "log"
        done = staticmethod(lambda _seed: False)
        at = staticmethod(lambda seed: tmp_path / str(seed))
        command = staticmethod(lambda *_, **__: SLEEPER)

    with pytest.raises(Stopped, match="SIGTERM"), stop_on_signals():
        trainings.run_all([Row()], [0], [], 1)
    assert [process.poll() for process in started] == [-signal.SIGTERM]


def test_signals_that_are_held_come_later_and_those_of_a_thread_are_the_main_threads():
    came = []
    before = signal.signal(signal.SIGTERM, lambda number, _frame: came.append(number))
    try:
        with signals_held():
            signal.raise_signal(signal.SIGTERM)
            assert not came
        assert came == [signal.SIGTERM]
        with pytest.raises(KeyError), signals_held():
            signal.raise_signal(signal.SIGTERM)
            raise KeyError
        assert len(came) == 2

        def held():
            with signals_held():
                came.append("in a thread")

        thread = threading.Thread(target=held)
        thread.start()
        thread.join()
        assert came[2:] == ["in a thread"]
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with signals_held():
            assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)
