"""Hydra configuration; tasks/config has its interpolations (image_size.py, recipes.py) and a file (heads_file.py)."""

from collections.abc import Callable
from typing import Any

from omegaconf import DictConfig, OmegaConf

from tasks.app.search_path import store_heads
from tasks.config.image_size import RULES
from tasks.config.recipes import recipe_of


def resolver(rule: Callable[..., Any]) -> Callable[..., Any]:
    """One of these interpolations for OmegaConf, as `--cfg job --resolve` shows it."""

    def resolve(*numbers: float, _root_: DictConfig) -> Any:
        found = rule(_root_.get("image_size"), *numbers)
        return OmegaConf.create(found) if isinstance(found, dict | list) else found

    return resolve


for name, rule in RULES.items():
    OmegaConf.register_new_resolver(name, resolver(rule), replace=True)
OmegaConf.register_new_resolver("recipe_of", recipe_of, replace=True)
store_heads()
