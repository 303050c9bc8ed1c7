"""What a command does when its output, its reader or its time is taken away."""

import errno
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.common.console import refusing, run_command, stop_on_signals
from tasks.common.errors import Stopped

ROOT = Path(__file__).parents[3]


def run(code: str, shell: str = '"$0" -c "$1"', **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code inside run_command, in a shell line."""
    code = f"from tasks.common.console import run_command\ndef main():\n    {code}\nrun_command(main)"
    return subprocess.run(
        ["bash", "-c", shell, sys.executable, code],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, **environment}, timeout=60, errors="replace",
    )  # fmt: skip


NO_READER = "import select; end = select.poll(); end.register(1, 0); end.poll(60_000); "  # waits until it has gone


@pytest.mark.parametrize(
    ("shell", "environment", "out", "err", "status"),
    [
        ('"$0" -c "$1"', {"PYTHONIOENCODING": "ascii"}, "2\\xd7\\udce9\n", "", 0),
        ('"$0" -c "$1"', {"PYTHONIOENCODING": "utf-8"}, "2×\\udce9\n", "", 0),
        ('"$0" -c "$1" >&- 2>&-', {}, "", "", 0),
        ('"$0" -c "$1" | true; echo ${PIPESTATUS[0]}', {"PYTHONUNBUFFERED": "1"}, "141\n", "", 0),
        ('"$0" -c "$1" | true; echo ${PIPESTATUS[0]}', {}, "141\n", "", 0),
    ],
    ids=["ascii", "surrogates", "closed", "no reader", "no reader at the end"],
)
def test_printing_never_fails(shell, environment, out, err, status):
    done = run(f"{NO_READER if '| true' in shell else ''}print('2×\\udce9')", shell, **environment)
    assert (done.stdout, done.stderr, done.returncode) == (out, err, status)


def test_a_broken_pipe_that_is_not_stdout_is_a_fault(monkeypatch):
    def main() -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_command(main)


@pytest.fixture
def heard():
    """Ctrl-C is heard: a job in the background inherits deaf ears."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_signals_stop_once_then_kill(heard):
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(Stopped, match="SIGTERM: stopped"), stop_on_signals():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)
        except Exception:  # what handles errors must not keep it
            pytest.fail("kept")
        finally:
            assert signal.getsignal(signal.SIGINT) == signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]


def test_what_was_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stop_on_signals():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_signal_ends_a_command_with_a_line(heard, capsys):
    with pytest.raises(SystemExit) as leave:
        run_command(lambda: os.kill(os.getpid(), signal.SIGINT))
    assert leave.value.code == 130
    assert capsys.readouterr().err == "SIGINT: stopped\n"


def test_print_without_reconfigure(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert run_command(lambda: 3) == 3


def test_a_path_that_the_system_refuses_is_one_line(capsys):
    with pytest.raises(SystemExit) as ended, refusing():
        Path("a" * 5000).stat()
    assert ended.value.code == 2
    assert capsys.readouterr().err == f"error: {'a' * 5000}: file name too long\n"
    with pytest.raises(FileNotFoundError), refusing():  # of no check: a fault of ours
        Path("gone").stat()
    with pytest.raises(OSError, match="too long"), refusing():
        raise OSError(errno.ENAMETOOLONG, "too long")  # of no file
