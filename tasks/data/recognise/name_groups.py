"""Files of a folder whose names share a beginning and an end: 100_sat.jpg, 101_sat.jpg, …"""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from unicodedata import normalize

from tasks.data.files.patterns import ANY

LAST_WORDS = re.compile(r"(?=([_\-. ]+[^_\-. ]*[A-Za-z][^_\-. ]*(?:[_\-. ]+[^_\-. ]+){0,2})$)")
FIRST_WORD = re.compile(r"[A-Za-z]+[_\-. ]+")
SHARE = 0.25  # of a folder's images, of those that are looked at


class Names(NamedTuple):
    """What file names share: what is before and after the part that differs, and the suffix, `.*` for any."""

    before: str
    after: str
    suffix: str

    def of(self, stem: str) -> str:
        return f"{self.before}{stem}{self.end}" if self.suffix != ANY else f"{self.before}{stem}{self.after}{ANY}"

    def of_split(self, split: str) -> "Names":
        """With the text of a split in the place of {split}."""
        return Names(*(part.replace("{split}", split) for part in self))

    @property
    def end(self) -> str:
        """What the names end with."""
        return "" if self.suffix == ANY else self.after + self.suffix


def grouped(files: Sequence[str]) -> Mapping[Names, set[str]]:
    """The differing parts of file names, for each way in which enough of them are alike."""
    found: dict[Names, set[str]] = defaultdict(set)
    suffixes = Counter(name.rpartition(".")[2] for name in files)
    for name in files:
        stem, _, suffix = normalize("NFC", name).rpartition(".")
        suffix = f".{suffix}"
        found[Names("", "", suffix)].add(stem)
        for match in LAST_WORDS.finditer(stem):
            if match.start():
                found[Names("", match[1], suffix)].add(stem[: match.start()])
        if (first := FIRST_WORD.match(stem)) and first.end() < len(stem):
            found[Names(first[0], "", suffix)].add(stem[first.end() :])
    if len(suffixes) > 1:
        found[Names("", "", ANY)] = stems_of(files, Names("", "", ANY))
    return {names: stems for names, stems in found.items() if len(stems) >= SHARE * len(files)}


def stems_of(files: Sequence[str], names: Names) -> set[str]:
    """The differing parts of those files that have such names."""
    files = [normalize("NFC", name) for name in files]
    if names.suffix == ANY:
        return {name.rpartition(".")[0] for name in files}
    start = len(names.before)
    fit = (name for name in files if name.startswith(names.before) and name.endswith(names.end))
    return {name[start : len(name) - len(names.end)] for name in fit}
