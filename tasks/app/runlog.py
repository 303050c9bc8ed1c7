"""`run.log`: a run's terminal output, kept in its folder."""

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
    """Copy what is printed inside the block to `run.log`; yields a function that adds a line only to the file.

    Args:
        folder: of the run.
        keep: false for processes of a run that write nothing.

    An existing log is continued. Tracebacks of bugs are included; output of C libraries and child processes is not.
    """
    if not keep:
        yield lambda _line: None
        return
    folder.mkdir(parents=True, exist_ok=True)
    before = sys.stdout, sys.stderr
    with (folder / NAME).open("ab", buffering=0) as file:  # a kill loses no complete line
        full = False

        def add(line: str) -> None:
            nonlocal full
            try:
                if not full:
                    file.write(f"{line}\n".encode(errors="backslashreplace"))
            except OSError as error:  # the run itself may still have space elsewhere
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
    """A stream that also passes its lines to `add`, as they appear on the terminal after progress bars are removed.

    A bar is redrawn in its line (`\\r`, erase) and finally removed from the line above (up, erase): on a terminal a
    line is passed on when the next one is complete.
    """

    def __init__(self, stream: Any, add: Callable[[str], None]) -> None:
        self.stream, self.add = stream, add
        self.line, self.returned = "", False
        self.held: str | None = None
        self.hold = bool(stream.isatty())

    def __getattr__(self, name: str) -> Any:
        if name == "stream":  # not set yet: the object is being copied
            raise AttributeError(name)
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        self.take(text)
        return int(self.stream.write(text))

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def take(self, text: str) -> None:
        """Apply a text, including its control sequences, to the current line."""
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
        """End the current line."""
        line, self.line, self.returned = self.line, "", False
        if self.hold:
            line, self.held = self.held, line  # type: ignore[assignment]
        if line is not None:
            self.add(line)

    def end(self) -> None:
        """Pass on the remaining lines; later output goes only to the stream."""
        for line in (self.held, self.line or None):
            if line is not None:
                self.add(line)
        self.line, self.held, self.add = "", None, lambda _line: None
