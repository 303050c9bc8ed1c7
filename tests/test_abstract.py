"""What is abstract is so for Python as well: a class that forgets a method fails when it is built."""

import ast
from pathlib import Path

import pytest

from heads.base import Head
from tasks.common.task import Task

ROOT = Path(__file__).parents[1]
CLASSES = [
    (path, node)
    for package in ("backbones", "heads", "tasks")
    for path in sorted((ROOT / package).rglob("*.py"))
    for node in ast.walk(ast.parse(path.read_text()))
    if isinstance(node, ast.ClassDef)
]


def abstract_methods(node: ast.ClassDef) -> list[str]:
    methods = [part for part in node.body if isinstance(part, ast.FunctionDef)]
    return [part.name for part in methods if any("abstractmethod" in ast.unparse(d) for d in part.decorator_list)]


def bases_of(node: ast.ClassDef) -> list[str]:
    """Names of the bases, without what stands in brackets after them."""
    return [ast.unparse(base).partition("[")[0] for base in node.bases]


def test_every_class_with_an_abstract_method_is_an_abc():
    bases = {node.name: bases_of(node) for _, node in CLASSES}
    known = {"ABC", "Protocol"}
    while more := {name for name, of in bases.items() if known & set(of)} - known:
        known |= more
    abstract = {node.name: bases_of(node) for _, node in CLASSES if abstract_methods(node)}
    assert abstract.keys() >= {"Task", "Head", "Balance", "MultiBox", "Gallery", "Runner"}
    assert [name for name, bases in abstract.items() if not known & set(bases)] == []


@pytest.mark.parametrize(("base", "method"), [(Head, "forward"), (Task, "loss")])
def test_what_forgets_a_method_fails_when_it_is_built(base, method):
    others = {name: lambda *_: None for name in base.__abstractmethods__ - {method}}
    with pytest.raises(TypeError, match=f"abstract.* '?{method}'?"):
        type("Forgetful", (base,), others)()
