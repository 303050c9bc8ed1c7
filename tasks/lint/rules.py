"""The lists of operators: read, and asked about an operator."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tasks.lint.operators import Fact, Operator

LISTS = Path(__file__).parent / "lists"
NATIVE, FALLBACK, REFUSED, UNKNOWN = "native", "fallback", "refused", "unknown"
VERDICTS = (NATIVE, FALLBACK, REFUSED, UNKNOWN)
COLUMNS = "operator\twhen\tverdict\treason"
HEADS = ("target", "source", "read", "complete", "elsewhere")  # every list has these lines
CLAUSE = re.compile(r"(\w+)(!=|=|>|<)(.+)")


class Verdict(NamedTuple):
    """What a list says of an operator: one of VERDICTS, and why."""

    what: str
    why: str


class Rule(NamedTuple):
    """A line of a list: for an operator whose facts fulfil all clauses (name, sign, values)."""

    clauses: tuple[tuple[str, str, tuple[str, ...]], ...]
    verdict: Verdict


class OperatorList(NamedTuple):
    """A list of operators.

    Attributes:
        head: `target`, `source`, `read` (a date), `complete` (yes: what is not listed is not supported), `elsewhere`
            (what runs the others), and what else stands at the top.
        rules: by operator in lower case; "*" holds for all. Of an operator's rules the first that holds decides.
    """

    head: Mapping[str, str]
    rules: Mapping[str, tuple[Rule, ...]]

    def verdict(self, operator: Operator) -> Verdict:
        """What the list says; UNKNOWN, never native, for an operator that it does not have."""
        own = self.rules.get(operator.kind.lower())
        for rule in (*self.rules.get("*", ()), *(own or ())):
            if all(holds(operator.facts, *clause) for clause in rule.clauses):
                return rule.verdict
        if own is None and self.head["complete"] == "yes":
            return Verdict(self.head["unlisted"], "not in the list, which is complete")
        return Verdict(UNKNOWN, "not in the list" if own is None else "in the list for other versions or types")


def read_list(target: str) -> OperatorList:
    """The list of a target.

    Raises:
        ValueError: for a line that is no rule.
    """
    head: dict[str, str] = {}
    rules: dict[str, list[Rule]] = {}
    path = LISTS / f"{target}.tsv"
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.startswith("# "):
            key, _, value = line[2:].partition(": ")
            head[key] = value
        elif line != COLUMNS:
            kind, when, what, why = line.split("\t")
            if what not in VERDICTS:
                raise ValueError(f"{path.name}, line {number}: {what} is none of {', '.join(VERDICTS)}")
            rules.setdefault(kind.lower(), []).append(Rule(clauses_of(when), Verdict(what, why)))
    return OperatorList(head, {kind: tuple(lines) for kind, lines in rules.items()})


def clauses_of(when: str) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """A condition such as `type=int8|uint8, rank>4`; "-" always holds.

    Raises:
        ValueError: if it is not one.
    """
    found = []
    for clause in [] if when == "-" else when.split(", "):
        if (match := CLAUSE.fullmatch(clause)) is None:
            raise ValueError(f"{clause} is no condition")
        found.append((match[1], match[2], tuple(match[3].split("|"))))
    return tuple(found)


def holds(facts: Mapping[str, Fact], name: str, sign: str, values: tuple[str, ...]) -> bool:
    """Whether a clause holds: `=` one of the values or ranges (`7..`, `7..12`), `!=` none; not for a missing fact."""
    if (fact := facts.get(name)) is None:
        return False
    if sign in "<>":
        return int(fact) > int(values[0]) if sign == ">" else int(fact) < int(values[0])
    return any(equals(fact, value) for value in values) == (sign == "=")


def equals(fact: Fact, value: str) -> bool:
    """Whether a fact has a value, or lies in a range."""
    low, dots, high = value.partition("..")
    return int(low) <= int(fact) <= int(high or fact) if dots else str(fact) == value
