"""What a table or figure of a paper is: experiments, the figures printed, and what it is said to show."""

from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from hydra.core.override_parser.overrides_parser import OverridesParser

from tasks.config.heads_file import CONF

EXPERIMENTS = CONF / "experiment"


class Row(NamedTuple):
    """One network of a table.

    Attributes:
        name: the values that distinguish it: "relu6", "mobilenet_v2 segmentation".
        overrides: of its task's command, the experiment first.
        printed: the paper's figures, as printed, in the order of the table's columns; "-" if a figure is missing.
    """

    name: str
    overrides: tuple[str, ...]
    printed: tuple[str, ...]

    def cells(self) -> list[str]:
        """The paper's figures for a table; a dash for a missing one."""
        return ["–" if figure == "-" else figure for figure in self.printed]


class Part(NamedTuple):
    """An experiment of a table: a sweep, whose every combination is a row, or a single network.

    Attributes:
        experiment: its name in conf/experiment.
        printed: the paper's figures, one text per row: "72.0 3.4M 300M".
        overrides: beside the experiment.
        names: of the rows, instead of the swept values.
    """

    experiment: str
    printed: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def rows(self) -> list[Row]:
        """The rows, in the order of the sweep."""
        swept = swept_values(self.experiment)
        combinations = [tuple(pairs) for pairs in product(*([(key, value) for value in swept[key]] for key in swept))]
        rows = []
        for pairs, printed in zip(combinations, self.printed, strict=True):
            own = " ".join(value for _, value in pairs) or " ".join(self.overrides) or Path(self.experiment).name
            typed = (f"experiment={self.experiment}", *self.overrides, *(f"{key}={value}" for key, value in pairs))
            rows.append(Row(own, typed, tuple(printed.split())))
        return [row._replace(name=name) for row, name in zip(rows, self.names, strict=True)] if self.names else rows


class Claim(NamedTuple):
    """What a paper concludes from two rows, given by their names: that the first scores higher (">"), or about as high
    ("≈": papers call up to a point of difference that, if the first is much cheaper).
    """

    first: str
    relation: str
    second: str


class Data(NamedTuple):
    """What a network's size depends on beside the network.

    Attributes:
        classes: their number; label maps may have a background, boxes have none.
        size: image height and width if the recipe sets none.
    """

    classes: int
    size: tuple[int, int]


class Table(NamedTuple):
    """A table or figure of a paper.

    Attributes:
        key: paper and number: "v3.6", "v2.figure6a".
        title: what it shows.
        task: whose command runs it.
        columns: names of the printed figures.
        parts: its experiments; none if it is not a training.
        claims: its conclusions that a miniature may confirm or not.
        mini: overrides in miniature.
        counted: what the paper's sizes are counted with, if not the command's data set.
        command: what shows it instead, if it has no experiments.
        note: why it, or some of its rows, cannot be run, and what else must be known.
    """

    key: str
    title: str
    task: str = ""
    columns: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    claims: tuple[Claim, ...] = ()
    mini: tuple[str, ...] = ()
    counted: Data | None = None
    command: str = ""
    note: str = ""

    def rows(self) -> list[Row]:
        """The rows of all experiments."""
        return [row for part in self.parts for row in part.rows()]

    def commands(self) -> list[str]:
        """A command for each experiment, or the one that shows the table."""
        if not self.parts:
            return [self.command] if self.command else []
        found = []
        for part in self.parts:
            sweeps = " -m" if swept_values(part.experiment) else ""
            found.append(
                f"python -m tasks.{self.task}{sweeps} experiment={' '.join((part.experiment, *part.overrides))}"
            )
        return found


def swept_values(experiment: str) -> dict[str, list[str]]:
    """The values that an experiment's own sweep gives to each key, as typed; empty for a single network."""
    content: Any = yaml.safe_load((EXPERIMENTS / f"{experiment}.yaml").read_text(encoding="utf-8"))
    params = content.get("hydra", {}).get("sweeper", {}).get("params", {})
    overrides = OverridesParser.create().parse_overrides([f"{key}={value}" for key, value in params.items()])
    return {
        override.get_key_element(): [value.replace(" ", "") for value in map(str, override.sweep_string_iterator())]
        for override in overrides
    }
