"""On a terminal no word is broken; files, pipes and run.log get whole lines."""

import io
import sys

import pytest
from rich.console import Console

from tasks.app.runlog import Copied
from tasks.common.folding import Folded, folded, folded_output

LONG = "error: " + "word " * 30 + "end"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def eighty(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


def said(stream):
    return stream.getvalue().splitlines()


def test_lines_break_between_words():
    out = folded(LONG, 80).split("\n")
    assert len(out) == 3 and max(map(len, out)) <= 80 and all(line.startswith("  word") for line in out[1:])
    assert " ".join(" ".join(out).split()) == LONG, "every word is whole"
    path = "/a" * 60
    assert folded(f"metrics   at {path} now", 80).split("\n") == ["metrics   at", f"          {path}", " " * 10 + "now"]
    assert folded("x" * 80, 80) == "x" * 80
    assert folded("left-out " * 10, 24).split("\n")[0] == "left-out left-out", "not at hyphens either"
    assert folded("epoch 1/2  loss 1.0  a", 12) == "epoch 1/2\n  loss 1.0\n  a"


@pytest.mark.parametrize("pieces", [(LONG, "\n"), (f"{LONG}\n",), (f"short\n{LONG}\n",), (f"\x1b[1m{LONG}\x1b[0m\n",)])
def test_a_terminal_gets_short_lines_and_the_log_whole_ones(pieces):
    stream, kept = Terminal(), []
    log = Copied(Folded(stream), kept.append)
    for piece in pieces:
        log.write(piece)
    log.end()
    assert max(len(line) for line in said(stream)) <= 80 and len(said(stream)) >= 3
    assert kept[-1] == LONG


def test_a_line_in_pieces_and_the_bars_own_line_stay():
    stream = Folded(Terminal())
    stream.write("begun ")
    assert stream.write(LONG) == len(LONG)
    assert stream.stream.getvalue() == f"begun {LONG}"
    stream.write("\r\x1b[2K" + "━" * 80 + "\n")
    assert said(stream.stream)[-1].endswith("━" * 80)


def test_pipes_are_left_alone(monkeypatch):
    pipe, terminal = io.StringIO(), Terminal()
    monkeypatch.setattr(sys, "stdout", pipe)
    monkeypatch.setattr(sys, "stderr", terminal)
    with folded_output():
        assert sys.stdout is pipe and sys.stderr.isatty()
        print(LONG)
        print(LONG, file=sys.stderr)
        Console(file=sys.stderr, soft_wrap=True).print(LONG, style="bold", highlight=False)
    assert pipe.getvalue() == f"{LONG}\n" and len(said(terminal)) == 6
    assert sys.stderr is terminal
