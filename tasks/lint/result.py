"""The operators with their verdicts, counted; as a table, as JSON, and in one line."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tasks.common.errors import visible
from tasks.common.table import print_table
from tasks.lint.cost import Cost
from tasks.lint.operators import Operator
from tasks.lint.proof import Proof
from tasks.lint.rules import FALLBACK, NATIVE, OperatorList, Verdict

ASKED = ("xnnpack", "openvino")  # delegates that the CPU of this machine has
CUT = Verdict(FALLBACK, "behind the first operator that stays on the CPU")


class Result(NamedTuple):
    """What a list says of a file.

    Attributes:
        rows: each operator with its verdict, in the file's order.
        cost: of the file; None if it was not measured.
    """

    target: str
    head: Mapping[str, str]
    rows: Sequence[tuple[Operator, Verdict]]
    cost: Cost | None
    proofs: Sequence[Proof]

    @property
    def native(self) -> int:
        """How many operators the delegate runs."""
        return sum(verdict.what == NATIVE for _, verdict in self.rows)

    @property
    def whole(self) -> bool:
        """Whether the delegate runs all."""
        return self.native == len(self.rows)

    @property
    def last_line(self) -> str:
        """How many operators are on the delegate, and the first that is not."""
        line = f"{self.native} of {len(self.rows)} operators on the delegate"
        first = next(((operator, verdict) for operator, verdict in self.rows if verdict.what != NATIVE), None)
        if first is None:
            return line
        operator, verdict = first
        name = f" ({operator.name})" if operator.name else ""
        return visible(f"{line}; the first that is not: {operator.kind}{name}, {verdict.what}: {verdict.why}")


def judged(operators: Sequence[Operator], list_: OperatorList) -> list[tuple[Operator, Verdict]]:
    """Each operator with its verdict; where a graph is cut once, all after the first that is not native stay behind."""
    rows, cut = [], False
    for operator in operators:
        verdict = list_.verdict(operator)
        rows.append((operator, CUT if cut and verdict.what == NATIVE else verdict))
        cut = cut or (list_.head.get("cut") == "once" and verdict.what != NATIVE)
    return rows


def print_result(result: Result) -> None:
    """Print the tables."""
    groups: dict[tuple[str, str, str, str], list[Operator]] = {}
    for operator, verdict in result.rows:
        told = here(operator) if result.target in ASKED else ""
        groups.setdefault((operator.kind, *verdict, told), []).append(operator)
    whole = total(result)
    costs = result.cost is not None
    asked = result.target in ASKED and any(operator.here is not None for operator, _ in result.rows)
    print(f"{result.head['target']}\nsource    {result.head['source']}; read on {result.head['read']}")
    if note := result.head.get("note"):
        print(f"note      {note}")
    print(f"others    run elsewhere: {result.head['elsewhere']}\n")
    print_table(
        ("operator", "count", *(["time here"] if costs else []), "verdict", *(["here"] if asked else []), "why"),
        (
            (
                visible(kind),
                str(len(group)),
                *([share(sum(each.cost or 0 for each in group), whole)] if costs else []),
                what,
                *([taken] if asked else []),
                why,
            )
            for (kind, what, why, taken), group in groups.items()
        ),
        align="lrrlll" if costs else "lrlll",
    )
    if result.cost is not None:
        own = ", ".join(f"{kind} {share(spent, whole)}" for kind, spent in sorted(result.cost.own.items()))
        print(
            f"time here  {whole * 1e3:.2f} ms on one thread of this CPU, not on the target"
            + (own and f"; added: {own}")
        )
    for proof in result.proofs:
        print(f"rewrite   {proof.line}")
    print(f"\nread from documentation, not run on a device\n{result.last_line}")


def here(operator: Operator) -> str:
    """Whether the delegate takes it on this machine, in words."""
    return "" if operator.here is None else "yes" if operator.here else "no"


def total(result: Result) -> float:
    """Seconds of all that was measured."""
    own = 0.0 if result.cost is None else sum(result.cost.own.values())
    return own + sum(operator.cost or 0.0 for operator, _ in result.rows)


def share(part: float, whole: float) -> str:
    """A share in percent; a dash for what was fused into another operator."""
    return f"{part / whole:.1%}" if whole and part else "–"


def as_json(result: Result) -> dict[str, Any]:
    """The same as plain values."""
    return {
        "target": result.target,
        "list": dict(result.head),
        "operators": [
            {
                "kind": operator.kind,
                "name": operator.name,
                "verdict": verdict.what,
                "why": verdict.why,
                "seconds": operator.cost,
                "here": operator.here if result.target in ASKED else None,
            }
            for operator, verdict in result.rows
        ],
        "added": None if result.cost is None else result.cost.own,
        "rewrites": [proof._asdict() for proof in result.proofs],
        "native": result.native,
        "count": len(result.rows),
        "line": result.last_line,
    }
