"""run.log: the lines that a terminal shows in the end."""

import io
import sys

import pytest
from rich.console import Console
from rich.progress import Progress

from tasks.app.runlog import Copied, run_log
from tasks.common.errors import Stopped


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_printed_is_kept(tmp_path, monkeypatch):
    terminal = io.StringIO()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    with run_log(tmp_path) as log:
        print("one × \udce9")
        assert (tmp_path / "run.log").read_text() == "one × \\udce9\n"  # at once: a kill leaves it
        print("two", file=sys.stderr)
        sys.stdout.writelines(["thr", "ee\n"])
        log("error: alone")
    print("after")
    assert terminal.getvalue() == "one × \udce9\ntwo\nthree\nafter\n"
    with run_log(tmp_path):
        print("again", end="")
    assert (tmp_path / "run.log").read_text() == "one × \\udce9\ntwo\nthree\nerror: alone\nagain\n"


@pytest.mark.parametrize(("error", "kept"), [(ZeroDivisionError("ours"), True), (Stopped(15), False)])
def test_a_fault_keeps_its_traceback(tmp_path, error, kept):
    before = sys.stdout
    with pytest.raises(type(error)), run_log(tmp_path):
        raise error
    assert sys.stdout is before
    assert ("ZeroDivisionError: ours" in (tmp_path / "run.log").read_text()) == kept


def test_bars_leave_no_trace():
    lines: list[str] = []
    copy = Copied(Terminal(), lines.append)
    console = Console(file=copy, force_terminal=True, width=60)
    print("before", file=copy)
    with Progress(console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task("training", total=3)
        for epoch in range(3):
            bar.update(task, advance=1, refresh=True)
            console.print(f"[red]epoch[/] {epoch}")
    print("10%\r20%\rdone\r", file=copy)
    copy.end()
    assert lines == ["before", "epoch 0", "epoch 1", "epoch 2", "done"]


def test_what_is_erased_after_a_text_is_not_the_text():
    lines: list[str] = []
    copy = Copied(io.StringIO(), lines.append)
    print("done\x1b[K", file=copy)
    print("10%\r\x1b[Knext", file=copy)
    print("bar\x1b[2Kafter", file=copy)
    assert lines == ["done", "next", "after"]


def test_a_full_disk_ends_the_log_alone(tmp_path, capsys):
    (tmp_path / "run.log").symlink_to("/dev/full")
    with run_log(tmp_path):
        print("on")
        print("and on")
    captured = capsys.readouterr()
    assert captured.out == "on\nand on\n"
    assert captured.err == f"{tmp_path / 'run.log'} ends here: No space left on device\n"
