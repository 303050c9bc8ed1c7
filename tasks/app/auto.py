"""`dataset=auto dataset.root=<folder>`: puts the data set that a folder is in the place of these words."""

from collections.abc import Sequence
from pathlib import Path

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.task_info import infos, module_of
from tasks.data.recognise.reading import Reading
from tasks.data.recognise.recognise import Found, recognise
from tasks.data.recognise.spelling import command, override

WORD = "dataset=auto"
ROOT = "dataset.root="
WANTED = {"mask": "label maps", "boxes": "boxes", "label": "class of each image", "multilabel": "labels of images"}


def recognised(task: str, arguments: Sequence[str]) -> list[str]:
    """The arguments with every key of the data set that the folder is; it is said, and printed as a command.

    Args:
        task: the command.
        arguments: of the command line.

    Raises:
        UserError: if no layout fits, or several do, with what each would mean.
    """
    if WORD not in arguments:
        return list(arguments)
    root = next((word.removeprefix(ROOT) for word in arguments if word.startswith(ROOT)), "").strip("'\"")
    if not root:
        raise UserError(f"{WORD} needs {ROOT}<folder>")
    rest = [word for word in arguments if word != WORD and not word.startswith(ROOT)]
    found = recognise(Path(root).expanduser())
    task_kinds = kinds_of(task, arguments)
    readings = found.of(task_kinds)
    if len(readings) != 1:
        raise UserError(unclear(task, rest, found, readings, task_kinds))
    words = [*spelled(readings[0], rest), *rest]
    report(f"found     {found.root}: {readings[0].line()}")
    report(f"command   {command(module_of(task), words)}")
    return words


def kinds_of(task: str, arguments: Sequence[str]) -> set[str]:
    """Kinds of labels that a command learns from; those of `task=` for commands that are about another one."""
    typed = next((word.removeprefix("task=") for word in arguments if word.startswith("task=")), "")
    names = [name for name in (task, typed) if name in infos()]
    return {infos()[name].target for name in names or infos()}


def spelled(reading: Reading, rest: Sequence[str]) -> list[str]:
    """The overrides of a reading, without those keys that were typed."""
    typed = {word.partition("=")[0].lstrip("+") for word in rest}
    drawn = "dataset.val.share" in typed
    keys = {f"dataset.{key}": value for key, value in reading.keys.items() if not (drawn and key == "val_split")}
    return [f"dataset={reading.option}", *(override(key, value) for key, value in keys.items() if key not in typed)]


def unclear(task: str, rest: Sequence[str], found: Found, readings: Sequence[Reading], kinds: set[str]) -> str:
    """What to say if not exactly one layout fits."""

    def line(reading: Reading, name: str) -> str:
        return f"  {reading.line()}\n    {command(module_of(name), [*spelled(reading, rest), *rest])}"

    begin = f"{WORD}: {found.root}"
    if readings:
        lines = [line(reading, task) for reading in readings]
        return "\n".join([f"{begin} fits {len(readings)} layouts; type the command that is meant:", *lines])
    if found.readings:
        tasks = [(one, info.name) for one in found.readings for info in infos().values() if info.target in one.kinds]
        lines = [line(reading, name) for reading, name in tasks]
        wanted = " or ".join(WANTED.get(kind, f"labels of kind {kind}") for kind in sorted(kinds))
        return "\n".join([f"{begin} has no {wanted}, which tasks.{task} learns from; these commands fit:", *lines])
    if found.others:
        ways = [f"  {one.layout}: {one.way}" for one in found.others]
        return "\n".join([f"{begin} has a layout that is not read here; to convert it:", *ways])
    if not any(found.root.iterdir()):
        return f"{begin} is an empty folder"
    return f"{begin} has no layout that is known (there: {found.there}); docs/data.md has a table of those that are"
