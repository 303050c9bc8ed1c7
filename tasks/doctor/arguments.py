"""The task whose command line the doctor reads: `task=…`, or the first whose labels the data set has."""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from tasks.app.resolve import composed
from tasks.app.search_path import search_plugins
from tasks.common.errors import UserError
from tasks.common.task_info import infos
from tasks.config.rules.values import suggestion
from tasks.engine.instantiate import make

REFUSED = ("mode", "checkpoint", "resume", "model", "weights", "input")  # without meaning here


def task_of(arguments: Sequence[str]) -> str:
    """The task's command.

    Raises:
        UserError: for an unknown task.
    """
    given = dict(argument.partition("=")[::2] for argument in arguments)
    names = [*infos(), "multitask"]
    if "task" not in given:
        search_plugins()
        return next((name for name in infos() if has_labels(name, arguments)), next(iter(infos())))
    task = given["task"]
    if task not in names:
        raise UserError(f"task={task}: no such task{suggestion(task, names)}; there are {', '.join(names)}")
    return task


def has_labels(task: str, arguments: Sequence[str]) -> bool:
    """Whether a task's command accepts these arguments and their data set has its kind of labels."""
    words = [argument for argument in arguments if not argument.startswith(("-", "hydra."))]
    try:
        with redirect_stdout(io.StringIO()):
            dataset = make(composed(task, *words).run.data.dataset, "dataset")
            return infos()[task].target in dataset.classes
    except (UserError, HydraException, OmegaConfBaseException, ValueError):
        return False  # if no task accepts them, the first one's command says why


def spelled_out(arguments: Sequence[str]) -> list[str]:
    """The arguments of the task's command.

    Raises:
        UserError: for one that has no meaning here.
    """
    for argument in arguments:
        key = argument.partition("=")[0]
        if key in REFUSED:
            raise UserError(f"{argument}: not here; the doctor looks at the data alone, as training would read it")
    return ["hydra.job.name=doctor", *(argument for argument in arguments if not argument.startswith("task="))]
