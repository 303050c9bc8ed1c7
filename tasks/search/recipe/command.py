"""search=recipe: tries recipes on the user's data until the time is over, and writes the best one as YAML.

The first process asks Optuna and keeps the study, which other machines may share; the others train. A trial that
crashes, diverges or is killed is a failed trial; the time is a limit of the clock, which ends whatever still trains.
"""

import math
import time
from collections.abc import Sequence
from pathlib import Path

from tasks.common.console import report
from tasks.common.cpu import cores
from tasks.common.errors import Stopped
from tasks.config.overrides import typed_keys
from tasks.data.loading.handing import Handed
from tasks.data.loading.splits import Splits
from tasks.engine.prepare import build_all
from tasks.engine.settings import Run
from tasks.search.recipe.budget import within_budget
from tasks.search.recipe.held_out import scored_apart
from tasks.search.recipe.identity import identity
from tasks.search.recipe.outcome import write_results
from tasks.search.recipe.space import Space
from tasks.search.recipe.study import FILE, RecipeStudy
from tasks.search.recipe.trial import FIXED, changed
from tasks.search.recipe.trials import Search
from tasks.search.recipe.worker import Worker
from tasks.search.settings import RecipeSettings


def search_recipe(run: Run, settings: RecipeSettings, splits: Splits, folder: Path, typed: Sequence[str]) -> None:
    """Search, print a line for each trial, and write the results: see outcome.write_results.

    Raises:
        UserError: for data that cannot be held out, nothing to vary, a folder of another search, too little time, or a
            recipe that fails as it is.
    """
    deadline = math.inf if settings.minutes is None else time.monotonic() + 60 * settings.minutes
    splits, where = scored_apart(splits, settings)
    workers = settings.workers
    threads = None if workers == 1 else max(1, len(cores()) // workers)
    if run.data.workers is None:
        run = changed(run, {"data.workers": min(8, max(0, len(cores()) // workers - 1))})
    run = changed(run, FIXED)
    learner, data, _ = build_all(run, splits)
    size = data.input_size()
    space = Space(run.stored, settings, size, lambda other: within_budget(run, learner, other), typed_keys(typed))
    says = identity(run, splits, space.ranges()) | {f"{key}, typed": True for key in space.kept}
    place, again = kept(settings, folder)
    study = RecipeStudy(place, space, says, prune=settings.prune, seed=run.seed, typed=again)
    report(where)
    report(f"varied    {', '.join(space.ranges())}")
    for name, reason in space.left_out.items():
        report(f"          {name} stays: {reason}")
    if study.known:
        report(f"goes on   after {study.known} trials in {place if settings.study else folder}")
    logs = folder / "trials"
    logs.mkdir(exist_ok=True)
    search = Search(settings, run, splits, space, study, logs, deadline)
    handed = Handed(splits)
    pool = [Worker(run, handed, logs, threads) for _ in range(workers)]
    try:
        search.go(pool, lambda: Worker(run, handed, logs, threads))
    except Stopped:
        report(f"the search goes on with {again}")
        raise
    finally:
        for worker in pool:
            worker.ask_to_end()
        for worker in pool:
            worker.stop()
    write_results(study, space, run, folder, typed)


def kept(settings: RecipeSettings, folder: Path) -> tuple[Path | str, str]:
    """Where the study is kept, and the argument by which the search goes on."""
    if settings.study is None:
        return folder / FILE, f"hydra.run.dir={folder}"
    place = settings.study if "://" in settings.study else Path(settings.study).absolute()
    return place, f"search.study={place}"
