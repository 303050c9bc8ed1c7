"""Every library that the code imports is declared in pyproject.toml."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parent.parent
OWN = {"backbones", "heads", "tasks", "conf"}


def imported() -> dict[str, Path]:
    """Top-level packages that the code imports, wherever in a file, each with a file that does."""
    found: dict[str, Path] = {}
    for path in (path for room in ("backbones", "heads", "tasks") for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            found |= {name.split(".")[0]: path for name in names}
    return {name: path for name, path in found.items() if name not in OWN | sys.stdlib_module_names}


def declared() -> set[str]:
    """Names of the distributions in the dependencies and extras, normalised (PEP 503)."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    listed = [*project["dependencies"], *(line for name, lines in extras.items() if name != "test" for line in lines)]
    return {normalised(re.split(r"[^\w.-]", line)[0]) for line in listed}


def normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_every_import_is_declared():
    providers, known = {"mlflow": ["mlflow-skinny"]} | packages_distributions(), declared()
    assert "cv2" in imported(), "the search finds something"
    for name, path in imported().items():
        distributions = {normalised(distribution) for distribution in providers.get(name, [name])}
        assert distributions & known, f"{path.relative_to(ROOT)} imports {name}, which pyproject.toml does not declare"
