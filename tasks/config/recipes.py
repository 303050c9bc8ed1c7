"""The recipe of a data set: its own, else the task's for data sets of the user's, else none. Never silently none.

conf/<task>.yaml chooses it with `recipe: ${recipe_of:<task>,${dataset}}`.
"""

from collections.abc import Iterable
from pathlib import Path

from tasks.common.plugins import conf_folders
from tasks.config.heads_file import CONF

OWN = "own"  # conf/recipe/<task>_own.yaml


def recipe_of(task: str, dataset: str) -> str:
    """Name of the recipe with which a task is trained on a data set, unless another one is typed."""
    names = recipes((CONF, *conf_folders()))
    return next((name for name in (f"{task}_{dataset}", f"{task}_{OWN}") if name in names), "none")


def recipes(folders: Iterable[Path]) -> set[str]:
    """Names of the recipes in these conf/ folders."""
    return {path.stem for folder in folders for path in (folder / "recipe").glob("*.yaml")}
