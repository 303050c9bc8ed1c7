"""`python -m tasks.search` after its checks: dispatches to each kind of search."""

from collections.abc import Sequence
from pathlib import Path
from typing import assert_never

from tasks.data.loading.splits import Splits
from tasks.engine.build import build_data
from tasks.engine.settings import Run
from tasks.search.networks import Networks
from tasks.search.settings import (
    BlockSettings,
    CandidateSettings,
    LatencyCheckSettings,
    NarrowSettings,
    NetworkSearch,
    RecipeSettings,
    SearchSettings,
    WidthSettings,
)


def search(run: Run, settings: SearchSettings, splits: Splits, folder: Path, typed: Sequence[str] = ()) -> None:
    """Run the search that the settings describe.

    Args:
        typed: the command's arguments.

    Raises:
        UserError: for a network that cannot be searched, or a target that cannot be reached.
    """
    if isinstance(settings, RecipeSettings):
        from tasks.search.recipe.command import search_recipe

        search_recipe(run, settings, splits, folder, typed)
        return
    if run.distillation is not None and run.distillation.teacher == "seed":
        run = run.changed(distill={**run.stored["distill"], "teacher": run.source.checkpoint})
    networks = Networks(run, splits.classes, build_data(run.data, run.seed, splits).input_size())
    of_kind(settings, splits, networks, folder)


def of_kind(settings: NetworkSearch, splits: Splits, networks: Networks, folder: Path) -> None:
    """Dispatch by kind of search; of these only block search imports Optuna."""
    match settings:
        case NarrowSettings():
            from tasks.search.narrow.command import narrow

            narrow(settings, splits, networks, folder)
        case BlockSettings():
            from tasks.search.block.command import search_blocks

            search_blocks(settings, splits, networks, folder)
        case WidthSettings():
            from tasks.search.width import search_width

            search_width(settings, networks, folder)
        case LatencyCheckSettings():
            from tasks.search.latency_check import report_latency

            report_latency(settings, networks, folder)
        case CandidateSettings():
            from tasks.search.candidates import export_candidates

            export_candidates(settings, splits, networks, folder)
        case _:
            assert_never(settings)
