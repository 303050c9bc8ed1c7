"""The commands of README and docs/: every line of every ```bash or ```sh block."""

import re
from pathlib import Path
from typing import NamedTuple

from mobilevision import COMMANDS

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{path.relative_to(ROOT / 'docs')}" for path in ROOT.glob("docs/**/*.md")),
)
BLOCK = re.compile(r"^```(?:bash|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)


class Line(NamedTuple):
    """A command.

    Attributes:
        place: its page and its number there.
        text: without its comment; of several lines that end with a backslash, one.
    """

    place: str
    text: str

    @property
    def module(self) -> str:
        """The module that `python -m` or `mobilevision` runs; '' for other commands."""
        if (name := re.match(r"mobilevision (\w+)", self.text)) and name[1] in COMMANDS:
            return COMMANDS[name[1]][0]
        found = re.match(r"python -m ([\w.<>]+)", self.text)
        return found[1].replace("<task>", "segment") if found else ""


def lines_of(page: str) -> list[Line]:
    """The commands of a page."""
    blocks = BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    texts = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    stripped = [re.sub(r"(^|\s+)# .*", "", text).strip() for text in texts]
    return [Line(f"{page}:{number}", text) for number, text in enumerate(filter(None, stripped), 1)]


LINES = [line for page in PAGES for line in lines_of(page)]
