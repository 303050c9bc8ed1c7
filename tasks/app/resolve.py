"""Converts the composed configuration to a command's settings, once: other packages do not know OmegaConf."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from hydra import compose
from omegaconf import DictConfig, OmegaConf

from backbones.table_file import read_table
from tasks.app.interpolations import conf_folder
from tasks.common.errors import UserError
from tasks.config.budget import budgets_of
from tasks.config.rules.run import COMMAND, DATA
from tasks.config.rules.values import check_values
from tasks.config.stored import Place, may_be_resolved
from tasks.config.targets import check_targets, renamed
from tasks.config.tree import Tree, put, resolved, select
from tasks.deploy.settings import BenchmarkSettings, ExportSettings, check_models
from tasks.engine.settings import Run
from tasks.predict.settings import PredictionSettings
from tasks.search.settings import SearchSettings, search_settings


@dataclass(frozen=True)
class CommandSettings:
    """Settings used by the command itself.

    Attributes:
        check: whether every file is checked once before training.
        bind_threads: whether OpenMP's threads are bound to cores.
        budget: upper limits of a network's cost, by `params`, `madds`, `latency_ms`.
    """

    check: bool
    bind_threads: bool
    budget: Mapping[str, float]

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Take the settings from a whole, resolved configuration.

        Raises:
            UserError: for a value outside its rule.
        """
        check_values(tree, COMMAND, {})
        return cls(check=tree["check"], bind_threads=tree["cpu"]["bind_threads"], budget=budgets_of(tree))


@dataclass(frozen=True)
class Settings:
    """All settings of a command, by the package that uses them."""

    command: CommandSettings
    run: Run
    prediction: PredictionSettings
    export: ExportSettings
    benchmark: BenchmarkSettings
    search: SearchSettings | None

    @classmethod
    def of(cls, run: Run) -> Self:
        """Derive the settings from a run.

        Raises:
            UserError: for a value outside its rule, an invalid combination, or a missing file.
        """
        tree = resolved(run.stored, run.output_dir)
        check_models(tree)
        searching = tree["mode"] == "search"
        search = search_settings(tree) if searching else None
        if not searching and "search" in tree:
            raise UserError(f"search={tree['search']['kind']} is for python -m tasks.search")
        check_targets(tree)
        return cls(
            command=CommandSettings.of(tree),
            run=run,
            prediction=PredictionSettings.of(tree),
            export=ExportSettings.of(tree),
            benchmark=BenchmarkSettings.of(tree),
            search=search,
        )


def resolve(task: str, config: DictConfig, output_dir: object = "") -> Settings:
    """The settings of a composed configuration; invalid ones are refused.

    Args:
        task: the command.
        config: composed by Hydra.
        output_dir: of the run.

    Raises:
        UserError: as Settings.of.
    """
    whole: dict[str, Any] = OmegaConf.to_container(config, resolve=False)  # type: ignore[assignment]
    check_values(whole, {"image_size": DATA["image_size"]}, {})  # the backbone's resolution is derived from it now
    return Settings.of(Run.of(task, with_table(renamed(storable(config))), output_dir))


def composed(task: str, *overrides: str) -> Settings:
    """The settings of a command given by overrides instead of a real command line.

    Raises:
        UserError: as Settings.of.
    """
    with conf_folder():
        return resolve(task, compose(task, list(overrides)))


def storable(config: DictConfig) -> dict[str, Any]:
    """A composed configuration as nested dicts; interpolations that checkpoints may not have are resolved."""

    def written(raw: Any, node: Any, place: Place) -> Any:
        if isinstance(raw, dict):
            return {key: below(value, node, key, (*place, str(key))) for key, value in raw.items()}
        return [below(value, node, number, (*place, str(number))) for number, value in enumerate(raw)]

    def below(raw: Any, node: Any, key: Any, place: Place) -> Any:
        if isinstance(raw, dict | list):
            return written(raw, node[key], place)
        if isinstance(raw, str) and "${" in raw and not may_be_resolved(place, raw):
            value = node[key]
            return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
        return raw

    found: dict[str, Any] = written(OmegaConf.to_container(config, resolve=False), config, ())
    return found


def with_table(tree: dict[str, Any]) -> dict[str, Any]:
    """Read the backbone's block table from its file into the configuration, so that checkpoints do not need the file.

    Raises:
        UserError: if the table is missing or invalid.
    """
    backbone = tree["backbone"]
    if select(tree, "backbone._target_") != "backbones.table.TableBackbone" or backbone["table"] is not None:
        return tree
    if backbone["file"] is None:
        raise UserError("backbone=table needs backbone.file=<block table: found.yaml of python -m tasks.search>")
    try:
        return put(tree, "backbone.table", read_table(str(backbone["file"])))
    except ValueError as error:
        raise UserError(f"backbone.file: {error}") from None
