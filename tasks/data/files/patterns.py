"""Paths with {names} in them, such as images/{split}/{stem}_photo.jpg."""

import os
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from unicodedata import normalize

from tasks.common.errors import UserError
from tasks.data.files.slashes import below
from tasks.data.files.walk import SUFFIXES, is_of_data

NAME = re.compile(r"\{([a-z_]+)\}")
OF_LABELS = (*SUFFIXES, ".gif")  # Carvana's masks
ANY = ".*"  # at the end: any suffix of an image


class Pattern:
    """A path below a folder: {stem} stands for any text, with folders; other names for text without `/`; `.*` at the
    end for any suffix of an image file.

    Args:
        key: of the configuration, for messages.
    """

    def __init__(self, text: str, key: str) -> None:
        if "{" in (rest := NAME.sub("", text)) or "}" in rest:
            raise UserError(
                f"{key}={text}: names in braces are small letters, such as {{stem}}, {{split}} and {{class}}"
            )
        self.text, self.key = text, key

    @property
    def names(self) -> list[str]:
        return NAME.findall(self.text)

    @cached_property
    def folder(self) -> str:
        """The folders before the first name; '' for none."""
        before = self.text[: self.text.index("{")] if self.names else self.text
        return before.rpartition("/")[0]

    def filled(self, groups: Mapping[str, str]) -> "Pattern":
        """The pattern with some names replaced."""
        return Pattern(NAME.sub(lambda match: groups.get(match[1], match[0]), self.text), self.key)

    @cached_property
    def regex(self) -> "re.Pattern[str]":
        """Finds the texts for the names in a path."""
        text = self.text.removesuffix(ANY)
        parts, seen, at = list[str](), set[str](), 0
        for match in NAME.finditer(text):
            name = match[1]
            own = f"(?P={name})" if name in seen else f"(?P<{name}>{'.+' if name == 'stem' else '[^/]+'})"
            parts += [re.escape(text[at : match.start()]), own]
            seen.add(name)
            at = match.end()
        parts.append(re.escape(text[at:]))
        return re.compile("".join(parts) + (r"\.[^./]+" if text != self.text else ""))

    def groups(self, path: str) -> dict[str, str] | None:
        """The texts for the names in a path below the data set's folder; None if the path is another's.

        Accents are composed, as on Linux and Windows: archives from macOS hold them as characters of their own.
        """
        match = self.regex.fullmatch(path)
        return None if match is None else {name: normalize("NFC", text) for name, text in match.groupdict().items()}


def listed_below(root: Path, folder: str) -> list[str]:
    """Paths of all files with an image suffix below root/folder, relative to root, sorted; [] if it is missing."""
    found: list[str] = []
    seen: set[tuple[int, int]] = set()
    for place, folders, names in os.walk(root / folder, followlinks=True):
        status = os.stat(place)  # noqa: PTH116 - for many folders
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if is_of_data(name))
        beneath = below(place, root)
        before = "" if beneath == "." else f"{beneath}/"
        found += [before + name for name in names if name.lower().endswith(OF_LABELS) and not name.startswith(".")]
    return sorted(found)
