"""Ranks what was measured: who is faster at an equal or better score, and whom nobody beats. Imports nothing heavy."""

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from tasks.common.errors import UserError, not_one_of
from tasks.common.task_info import infos

Row = dict[str, Any]
OF_RANKS = ("rank", "front", "beaten_by", "rank_by", "rank_time")
MEAN = "score"  # of several heads' main scores


class Entry(NamedTuple):
    """A network or file to rank: its name, milliseconds, and scores of which more is better."""

    name: str
    ms: float
    scores: tuple[float, ...]

    def beats(self, other: "Entry") -> bool:
        """Whether it is no slower and no score of it is lower, and it is better in something."""
        better = self.ms <= other.ms and all(a >= b for a, b in zip(self.scores, other.scores, strict=True))
        return better and (self.ms, self.scores) != (other.ms, other.scores)


class Rank(NamedTuple):
    """Where an entry stands.

    Attributes:
        place: 1 plus the number of those that beat it; 1 is on the front.
        beaten_by: the fastest of them; None on the front.
    """

    place: int
    beaten_by: str | None


def ranks(entries: Sequence[Entry]) -> list[Rank]:
    """Where each stands among all."""
    found = []
    for entry in entries:
        better = [other for other in entries if other.beats(entry)]
        best = min(better, key=lambda other: other.ms, default=None)
        found.append(Rank(1 + len(better), None if best is None else best.name))
    return found


def allowed(task: str) -> list[str]:
    """The scores that can rank files of a task; of several heads with the head's name before them."""
    if task != "multitask":
        return list(infos()[task].scores)
    return [MEAN, *(f"{name}/{score}" for name, info in infos().items() for score in info.scores)]


def check_rank(task: str, key: str | None) -> None:
    """Raises a UserError for a score that the task does not have."""
    if key is not None and key not in (choices := allowed(task)):
        raise UserError(f"benchmark.rank={key} {not_one_of(key, choices)}")


def deciding(rows: Iterable[Mapping[str, Any]], task: str, key: str | None) -> list[str]:
    """The scores that decide: the one that was asked for, or the main one of each head that some row has.

    Of several heads all decide: a file is beaten by one that is no worse in any of them.
    """
    if key is not None:
        return [key]
    if task != "multitask":
        return [infos()[task].score]
    main = [f"{name}/{info.score}" for name, info in infos().items()]
    known = [name for name in main if any(row.get(name) is not None for row in rows)]
    return known or [MEAN]


def time_of(rows: Sequence[Row], asked: str | None) -> str:
    """What ranks: network or whole; if it was not asked for, the whole unless all files give the same outputs."""
    return asked or ("network" if len({row.get("outputs") for row in rows}) == 1 else "whole")


def ranked(
    rows: Sequence[Row], keys: Sequence[str], time: str, prefix: str = "", without: Container[str] = ()
) -> list[Row]:
    """The rows with `rank`, `front` and `beaten_by`: null for those without a time or a score.

    Args:
        keys: of the scores that decide.
        time: key of the milliseconds.
        prefix: of the three names.
        without: names of rows whose scores do not count.
    """
    known = [
        row for row in rows if row["name"] not in without and all(row.get(key) is not None for key in (*keys, time))
    ]
    entries = [Entry(row["name"], row[time], tuple(row[key] for key in keys)) for row in known]
    found = {id(row): rank for row, rank in zip(known, ranks(entries), strict=True)}
    nowhere = {f"{prefix}rank": None, f"{prefix}front": None, f"{prefix}beaten_by": None}
    return [row | nowhere | of_rank(found.get(id(row)), prefix) for row in rows]


def unranked(row: Mapping[str, Any]) -> Row:
    """A row without its rank, which is one among the rows of its own run."""
    return {key: value for key, value in row.items() if key.removeprefix("device_") not in OF_RANKS}


def of_rank(rank: Rank | None, prefix: str) -> Row:
    """The three entries of a row; none for an unranked one."""
    if rank is None:
        return {}
    return {f"{prefix}rank": rank.place, f"{prefix}front": rank.place == 1, f"{prefix}beaten_by": rank.beaten_by}
