"""Structure of the code in comparable numbers: python -m benchmarks.house [<another checkout>]

Rooms are the direct children of tasks/, backbones and heads (and the rooms of tasks/data, if it has any). A knot is a
set of rooms that each import themselves through the others.
"""

import ast
import statistics
import sys
from collections.abc import Mapping
from pathlib import Path

PACKAGES = ("backbones", "heads", "tasks")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def code_of(root: Path) -> dict[str, Path]:
    """Every module of our packages by its dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room_of(module: str, packages: set[str]) -> str:
    parts = module.split(".")
    depth = 3 if parts[:2] == ["tasks", "data"] and ".".join(parts[:3]) in packages else 2
    return ".".join(parts[:depth]) if parts[0] == "tasks" else parts[0]


def arrows_of(code: Mapping[str, Path]) -> dict[str, set[str]]:
    """The rooms that each room imports, without commands (`__main__`)."""
    packages = {module for module, path in code.items() if path.name == "__init__.py"}
    arrows: dict[str, set[str]] = {}
    for module, path in code.items():
        room = room_of(module, packages)
        arrows.setdefault(room, set())
        if module.endswith("__main__"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            known = [name if name in code else name.rpartition(".")[0] for name in names]
            arrows[room] |= {room_of(name, packages) for name in known if name in code} - {room}
    return arrows


def knots_of(arrows: Mapping[str, set[str]]) -> list[set[str]]:
    """Sets of rooms that reach each other."""

    def reached(room: str) -> set[str]:
        found: set[str] = set()
        left = [room]
        while left:
            new = arrows.get(left.pop(), set()) - found
            found |= new
            left += new
        return found

    reach = {room: reached(room) for room in arrows}
    knots = {frozenset({other for other in reach[room] if room in reach[other]}) for room in arrows}
    return [set(knot) for knot in knots if len(knot) > 1]


def main(root: Path) -> None:
    code = code_of(root)
    trees = {module: ast.parse(path.read_text()) for module, path in code.items()}
    nodes = [node for tree in trees.values() for node in ast.walk(tree)]
    names = [node.id for node in nodes if isinstance(node, ast.Name)]
    lengths = {
        f"{module}.{node.name}": (node.end_lineno or 0) - node.lineno + 1
        for module, tree in trees.items()
        for node in ast.walk(tree)
        if isinstance(node, FUNCTIONS)
    }
    longest = max(lengths, key=lambda name: lengths[name])
    lines = {module: len(path.read_text().splitlines()) for module, path in code.items()}
    arrows = arrows_of(code)
    knots = knots_of(arrows)
    inside = sum(len(arrows[room] & knot) for knot in knots for room in knot)
    called = [node.func.id for node in nodes if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)]
    rows = {
        "files at the root of tasks/": sum(path.parent == root / "tasks" for path in code.values()),
        "rooms, arrows between them": f"{len(arrows)}, {sum(map(len, arrows.values()))}",
        "knots: rooms in them, arrows inside": f"{len(knots)}: {sum(map(len, knots))}, {inside}",
        "Any": names.count("Any"),
        "isinstance": called.count("isinstance"),
        "getattr, hasattr": called.count("getattr") + called.count("hasattr"),
        "DictConfig": names.count("DictConfig"),
        "files that import omegaconf": sum(
            any(isinstance(node, ast.ImportFrom) and node.module == "omegaconf" for node in ast.walk(tree))
            for tree in trees.values()
        ),
        "longest function": f"{lengths[longest]} lines, {longest}",
        "median file, longest file": f"{statistics.median(lines.values()):.0f}, {max(lines.values())} lines",
        "files, lines": f"{len(lines)}, {sum(lines.values())}",
    }
    for name, value in rows.items():
        print(f"{name:38} {value}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
