"""Finds the task whose command line a search uses: `task=…`, or the task of its checkpoint."""

from collections.abc import Sequence

from tasks.common.errors import UserError, check_file
from tasks.common.task_info import infos
from tasks.search.rules import KINDS

OWN = ("search", "task", "minutes", "target", "latency")  # keys of this command besides those of the task


def task_of(arguments: Sequence[str]) -> str:
    """The task; classify by default.

    Raises:
        UserError: for an unknown task, or a checkpoint that cannot be read or has several heads.
    """
    given = dict(argument.partition("=")[::2] for argument in arguments)
    task = given.get("task")
    if task is None and "checkpoint" in given:
        from tasks.checkpoint.checkpoint import read_ours  # imports torch, which takes a second

        path = given["checkpoint"].strip("'\"")
        check_file("checkpoint", path)
        task = read_ours(path)["mobilevision"]["task"]
    task = task or "classify"
    if task not in infos():
        raise UserError(f"task={task}: a search is for one task: task={', '.join(infos())}")
    return task


def spelled_out(arguments: Sequence[str]) -> list[str]:
    """Add the arguments that make the command a search.

    Raises:
        UserError: if the kind of search is missing, or a mode is given.
    """
    keys = [argument.partition("=")[0] for argument in arguments]
    if "mode" in keys:
        raise UserError(f"{arguments[keys.index('mode')]}: not here; this command searches")
    if "search" not in keys and not any(argument.startswith("-") for argument in arguments):
        raise UserError(f"search=… is missing: one of {', '.join(KINDS)}")
    return ["mode=search", "hydra.job.name=search", *arguments]


def with_minutes(arguments: Sequence[str]) -> list[str]:
    """The arguments with `minutes=…` spelled out as `search.minutes=…`."""
    return [f"search.{argument}" if argument.startswith("minutes=") else argument for argument in arguments]
