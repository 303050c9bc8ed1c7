"""Lines longer than a terminal is wide are broken between words, which a terminal by itself does not do."""

import re
import shutil
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

CONTROL = re.compile(r"(\n|\r|\x1b\[[0-9;?]*[A-Za-z])")
LABEL = re.compile(r"\w{1,10} {2,}(?=\S)|\w{9} (?=\S)|")  # "metrics   …": the rest stands below what follows it


@contextmanager
def folded_output() -> Iterator[None]:
    """Fold what is printed on a terminal inside the block; files and pipes get lines as they are."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (Folded(stream) if stream.isatty() else stream for stream in before)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


class Folded:
    """A terminal's stream that breaks long lines between words. A word that is longer, such as a path, stays whole."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.at_start = True  # of a line: the rest of one that was begun is left as it is

    def __getattr__(self, name: str) -> Any:
        if name == "stream":  # not set yet: the object is being copied
            raise AttributeError(name)
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write a text, which may contain the control sequences of a progress bar; returns its length."""
        width, parts = shutil.get_terminal_size().columns, []
        for part in CONTROL.split(text):
            if part in ("\n", "\r"):
                self.at_start = True
            elif part and not part.startswith("\x1b"):
                part = folded(part, width) if self.at_start else part
                self.at_start = False
            parts.append(part)
        self.stream.write("".join(parts))
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)


def folded(line: str, width: int) -> str:
    """A line as several of at most `width` characters, broken between words, the further ones indented."""
    if len(line) <= width:
        return line
    label = LABEL.match(line)
    indent = " " * (len(label[0]) if label and label[0] else 2)
    return textwrap.fill(
        line,
        width,
        subsequent_indent=indent,
        expand_tabs=False,
        replace_whitespace=False,
        break_long_words=False,
        break_on_hyphens=False,
    )
