"""The task whose command line the doctor reads: `task=…`, or the first whose labels the data set has."""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from tasks.app.resolve import composed
from tasks.app.search_path import search_plugins
from tasks.common.console import report
from tasks.common.errors import UserError, suggestion, visible
from tasks.common.task_info import infos
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
        return first_with_labels(arguments)
    task = given["task"]
    if task not in names:
        raise UserError(f"task={task}: no such task{suggestion(task, names)}; there are {', '.join(names)}")
    return task


def first_with_labels(arguments: Sequence[str]) -> str:
    """The first task whose labels the data set has.

    Some readers have any kind of labels that is asked for until they look for the files, so the training images are
    opened. If they open for no task, the first one's command says why.
    """
    errors: dict[str, str] = {}
    for task in infos():
        error = why_not(task, arguments)
        if error == "":
            for refused, why in errors.items():
                report(visible(f"task={refused}: not here: {why}"))
            return task
        if error is not None:
            errors[task] = error
    first, *others = [*errors] or [next(iter(infos()))]
    if others:
        report(f"no task is given: read as for task={first}; task={', task='.join(others)} might do as well")
    return first


def why_not(task: str, arguments: Sequence[str]) -> str | None:
    """The first line of why a task cannot open its training images; '' if it can.

    None if its command refuses the arguments, or the data set has other kinds of labels.
    """
    words = [argument for argument in arguments if not argument.startswith(("-", "hydra."))]
    with redirect_stdout(io.StringIO()):
        try:
            dataset = make(composed(task, *words).run.data.dataset, "dataset")
        except (UserError, HydraException, OmegaConfBaseException, ValueError):
            return None
        try:
            if infos()[task].target not in dataset.classes:
                return None
            dataset.train()
        except (UserError, OSError, ValueError) as error:
            return str(error).partition("\n")[0]
    return ""


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
