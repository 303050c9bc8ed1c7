"""What the docstring of one of our classes says of its arguments, read without importing it."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("backbones", "heads", "tasks")
ARGUMENT = re.compile(r" {4}(\*{0,2}\w+(?:, \w+)*): (.+)")
SEE = re.compile(r"(?:as in|see) `?(\w+)`?\.?")


@cache
def arguments_of(target: str) -> dict[str, str]:
    """The text of each argument, by name; empty for a class that is not ours, or says nothing.

    Args:
        target: dotted name of a class or function, as in `_target_`.
    """
    module, _, name = target.rpartition(".")
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    if module.split(".")[0] not in ROOMS or not path.is_file():
        return {}
    nodes = ast.parse(path.read_text(encoding="utf-8")).body
    made = next((n for n in nodes if isinstance(n, ast.ClassDef | ast.FunctionDef) and n.name == name), None)
    if made is None:
        return {}
    texts: dict[str, str] = {}
    for base in made.bases if isinstance(made, ast.ClassDef) else []:
        texts |= arguments_of(place_of(base.id, nodes, module)) if isinstance(base, ast.Name) else {}
    starts = [n for n in made.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
    for node in (*starts, made):
        for argument, text in section(ast.get_docstring(node) or "").items():
            texts[argument] = text
            if see := SEE.fullmatch(text):
                texts[argument] = arguments_of(place_of(see[1], nodes, module)).get(argument, text)
    return texts


def place_of(name: str, nodes: list[ast.stmt], module: str) -> str:
    """The dotted name of what a file calls `name`: its own, or imported."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and node.module and name in [alias.name for alias in node.names]:
            return f"{node.module}.{name}"
    return f"{module}.{name}"


def section(docstring: str) -> dict[str, str]:
    """The entries of a docstring's `Args:`."""
    _, found, rest = docstring.partition("Args:\n")
    texts: dict[str, str] = {}
    names: list[str] = []
    for line in rest.splitlines() if found else []:
        if line and not line.startswith("    "):
            break
        if match := ARGUMENT.fullmatch(line):
            names = [name.strip(" *") for name in match[1].split(",")]
            texts |= dict.fromkeys(names, match[2].strip())
        elif line.startswith(" " * 8):
            texts |= {name: f"{texts[name]} {line.strip()}" for name in names}
    return texts
