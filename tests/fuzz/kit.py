"""Runs one odd input through the real command and judges the end: refused in one line, accepted, or a fault of ours."""

import contextlib
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

SECONDS = 60  # longer is a hang; the slowest sound input takes a few seconds on a loaded machine
ENDS = {0: "accepted", 2: "refused", 3: "refused"}
FAULTS = ("traceback", "hang", "silent", "wordy", "status")


class Case(NamedTuple):
    """One input.

    Attributes:
        task: whose command runs.
        arguments: of the command line.
        what: the input in a few words, for the report.
        bad: whether it cannot be meant, so that accepting it is a fault too.
    """

    task: str
    arguments: tuple[str, ...]
    what: str
    bad: bool = False


@dataclass
class World:
    """What cases are made of: sound data sets and files, to be copied and damaged.

    Attributes:
        folder: an empty one for the case at hand.
        tiny: the arguments of a sound training by task.
        checkpoints: a sound one by task.
        model: a sound exported file of the classification network.
    """

    folder: Path
    tiny: dict[str, tuple[str, ...]]
    data: dict[str, Path]
    checkpoints: dict[str, Path]
    model: Path | None = None
    photos: list[bytes] = field(default_factory=list)


Kind = Callable[[Random, World], Case]


class TooLong(BaseException):
    """The time is up; nothing that handles errors may keep it."""


class TrainingBegins(BaseException):
    """All checks are passed; what follows is not what is tested."""


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TooLong inside the block when the time is up."""

    def stop(_number: int, _frame: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def judged(case: Case, run: Callable[..., Any]) -> str:
    """How a case ends: accepted, refused, or one of FAULTS with the last words.

    Args:
        run: the command; returns status, out and err, lets everything but SystemExit pass.
    """
    try:
        with limited(SECONDS):
            result = run(case.task, *case.arguments)
    except TrainingBegins:
        return f"silent: {case.what}" if case.bad else "accepted"
    except TooLong:
        return "hang"
    except BaseException as error:  # whatever it is, a user would see its traceback
        return f"traceback: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
    if "Traceback (most recent call last)" in result.err:
        return f"traceback: {result.err.strip().splitlines()[-1][:200]}"
    errors = [line for line in result.err.splitlines() if line.startswith("error: ")]
    if result.status not in ENDS:
        return f"status {result.status}: {result.err[-200:]}"
    if ENDS[result.status] == "accepted":
        return f"silent: {case.what}" if case.bad else "accepted"
    if len(errors) != 1 or len(errors[0]) < 12:
        return f"wordy: {len(errors)} error lines: {result.err[-200:]}"
    return "refused"


def counted(ends: dict[str, Counter[str]]) -> str:
    """A table of the ends by kind."""
    columns = ["accepted", "refused", *FAULTS]
    rows = [["kind", *columns], *([kind, *(str(count[name]) for name in columns)] for kind, count in ends.items())]
    rows.append(["all", *(str(sum(count[name] for count in ends.values())) for name in columns)])
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join("  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def odd_value(random: Random, old: Any) -> Any:
    """Something else in the place of a value of JSON, YAML or a checkpoint."""
    choices: list[Any] = [
        None, True, -1, 0, 1.5, 2**40, float("nan"), float("inf"), "", "é\n\0x", "../../x", "1", [], {}, [[]], {"a": 1},
        [old], {"x": old}, str(old)[:40], "A" * 3000, [old] * 3, -2.5,
    ]  # fmt: skip
    return random.choice(choices)


def places(node: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of everything inside nested dicts and lists."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield (*place, key)
        yield from places(value, (*place, key))


def damage(random: Random, node: Any, times: int = 1) -> str:
    """Change, remove or add something anywhere inside nested dicts and lists; returns where and how."""
    words = []
    for _ in range(times):
        options = list(places(node))
        if not options:
            break
        *path, key = random.choice(options)
        parent = node
        for step in path:
            parent = parent[step]
        how = random.choice(("change", "change", "change", "remove", "add"))
        words.append(f"{how} {'.'.join(map(str, [*path, key]))}")
        if how == "remove":
            del parent[key]
        elif how == "add" and isinstance(parent, list):
            parent.append(odd_value(random, parent[key]))
        else:
            parent[key] = odd_value(random, parent[key])
            words[-1] += f" to {parent[key]!r:.40}"
    return "; ".join(words)


def damaged_bytes(random: Random, content: bytes) -> tuple[bytes, str]:
    """A file's bytes cut off, changed, lengthened or replaced."""
    how = random.choice(("cut", "flip", "flip", "empty", "longer", "zeros", "noise", "head"))
    where = random.randrange(max(1, len(content)))
    if how == "cut":
        return content[:where], f"cut at {where}"
    if how == "flip":
        changed = bytearray(content)
        for _ in range(random.choice((1, 8, 64))):
            changed[random.randrange(len(changed))] ^= 1 << random.randrange(8)
        return bytes(changed), "bits flipped"
    if how == "zeros":
        return content[:where] + bytes(min(512, len(content) - where)) + content[where + 512 :], f"zeros at {where}"
    if how == "head":
        return random.randbytes(16) + content[16:], "another head"
    return {"empty": b"", "longer": content + random.randbytes(99), "noise": random.randbytes(999)}[how], how
