"""`run.log`: what a run says on the terminal, kept in its folder."""

import re
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.common.errors import Stopped

NAME = "run.log"
CONTROL = re.compile(r"(\n|\r|\x1b\[[0-9;?]*[A-Za-z])")
UP, ERASE_LINE, ERASE_REST = (re.compile(rf"\x1b\[{code}") for code in (r"\d*A", "2K", "0?K"))


@contextmanager
def run_log(folder: Path, *, keep: bool = True) -> Iterator[Callable[[str], None]]:
    """Copy what is printed inside the block to `run.log`; yields what adds a line to the file alone.

    Args:
        folder: of the run.
        keep: false for the processes of a run that write nothing.

    A log that is there already is continued. The traceback of a fault of ours is kept, too. What C libraries and
    processes of their own print is not.
    """
    if not keep:
        yield lambda _line: None
        return
    folder.mkdir(parents=True, exist_ok=True)
    before = sys.stdout, sys.stderr
    with (folder / NAME).open("ab", buffering=0) as file:  # a kill loses no line that is complete
        full = False

        def add(line: str) -> None:
            nonlocal full
            try:
                if not full:
                    file.write(f"{line}\n".encode(errors="backslashreplace"))
            except OSError as error:  # the run itself may still have room elsewhere
                full = True
                before[1].write(f"{folder / NAME} ends here: {error.strerror}\n")

        copies = [Copied(stream, add) for stream in before]
        sys.stdout, sys.stderr = copies
        try:
            yield add
        except (SystemExit, KeyboardInterrupt, Stopped):
            raise
        except BaseException:
            add(traceback.format_exc().rstrip())
            raise
        finally:
            sys.stdout, sys.stderr = before
            for copy in copies:
                copy.end()


class Copied:
    """A stream whose lines are also given to `add`, as they stand on the terminal once progress bars are gone.

    A bar is redrawn in its line (`\\r`, erase) and in the end removed from the line above (up, erase): on a terminal
    a line is given when the next one is complete.
    """

    def __init__(self, stream: Any, add: Callable[[str], None]) -> None:
        self.stream, self.add = stream, add
        self.line, self.returned = "", False
        self.held: str | None = None
        self.hold = bool(stream.isatty())

    def __getattr__(self, name: str) -> Any:
        if name == "stream":  # not there yet: the stream is being copied
            raise AttributeError(name)
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        self.take(text)
        return int(self.stream.write(text))

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def take(self, text: str) -> None:
        """Follow what the text does to the line."""
        for part in CONTROL.split(text):
            if part == "\n":
                self.complete()
            elif part == "\r":
                self.returned = True
            elif UP.fullmatch(part):
                self.line, self.held = self.held or "", None
            elif ERASE_LINE.fullmatch(part) or (self.returned and ERASE_REST.fullmatch(part)):
                self.line, self.returned = "", False
            elif part and not part.startswith("\x1b["):
                self.line, self.returned = part if self.returned else self.line + part, False

    def complete(self) -> None:
        """The line is at its end."""
        line, self.line, self.returned = self.line, "", False
        if self.hold:
            line, self.held = self.held, line  # type: ignore[assignment]
        if line is not None:
            self.add(line)

    def end(self) -> None:
        """Give what is left; from now on the stream is alone."""
        for line in (self.held, self.line or None):
            if line is not None:
                self.add(line)
        self.line, self.held, self.add = "", None, lambda _line: None
