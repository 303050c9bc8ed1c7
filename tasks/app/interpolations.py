"""The interpolations of conf/, `${image_size:…}` and `${recipe_of:…}`, for OmegaConf, and conf/ itself for Hydra."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from hydra import initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from tasks.app.search_path import store_heads
from tasks.config.heads_file import CONF
from tasks.config.image_size import RULES
from tasks.config.recipes import recipe_of


def resolver(rule: Callable[..., Any]) -> Callable[..., Any]:
    """A rule of tasks/config/image_size.py for OmegaConf, as `--cfg job --resolve` shows it."""

    def resolve(*numbers: float, _root_: DictConfig) -> Any:
        found = rule(_root_.get("image_size"), *numbers)
        return OmegaConf.create(found) if isinstance(found, dict | list) else found

    return resolve


def register() -> None:
    """Let OmegaConf resolve what conf/ has, and Hydra find the generated file of the heads."""
    for name, rule in RULES.items():
        OmegaConf.register_new_resolver(name, resolver(rule), replace=True)
    OmegaConf.register_new_resolver("recipe_of", recipe_of, replace=True)
    store_heads()


@contextmanager
def conf_folder() -> Iterator[None]:
    """Hydra composes from conf/ in this block: by its path, as another package `conf` may be found first."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield
