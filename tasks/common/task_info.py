"""What is known of a task without PyTorch, and which tasks there are: each folder with an info.py describes one.

Configurations are checked, checkpoints' cards read and exported files run by these descriptions alone. `infos()` finds
those of our own rooms (tasks/segment/info.py, …) and of the user's plug-ins (tasks/common/plugins.py).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from tasks.common.class_forms import ClassForm
from tasks.common.errors import UserError
from tasks.common.plugins import folders_of, plugins

Shape = tuple[int | str | None, ...]  # None: any number; a letter: any, but the same wherever it stands


class Form(NamedTuple):
    """What an exported file gives for a task in one form ("raw", "decoded" or "final").

    Attributes:
        outputs: names of the tensors.
        meaning: of their numbers, as model.json says it under `pixels`.
        exact: whether they are compared number by number with the checkpoint's. Kept boxes may change places, and
            single labels may change, where two values are nearly equal: there the results count.
    """

    outputs: tuple[str, ...]
    meaning: str
    exact: bool


def no_problem(_entry: Mapping[str, Any], _form: str) -> str:
    return ""


@dataclass(frozen=True)
class TaskInfo:
    """A task in words.

    Attributes:
        name: of the command, of the head in tasks.multitask, and before the task's scores there.
        target: the kind of label that it learns from; the key of its labels in a batch.
        scores: what a comparison shows; the first says which checkpoint is best, larger is better.
        classes: how they are written down.
        forms: of an exported file's outputs.
        output: dotted name of the class that writes and draws its results (tasks/common/output.py).
        parity: dotted name of its rule in the parity check (tasks/common/parity.py).
        builds: classes that may be built for it, by the key within its `task` node; "" for the node itself.
        shapes: `shapes(entry, form, size)`: each output's shape for one image, from the task's entry in model.json;
            size is the (height, width) that the file takes, None for any.
        problem: `problem(entry, form)`: what is wrong with the entry beyond outputs and classes, or nothing.
        placed: whether its labels lie at places in the image, which transforms of the image alone would make wrong.
        one_size: whether its outputs depend on the images' size, which must then be one in training and scoring.
        least_label: the least value of an output called `labels`.
        order: its place among the heads of tasks.multitask.
    """

    name: str
    target: str
    scores: tuple[str, ...]
    classes: ClassForm
    forms: Mapping[str, Form]
    output: str
    parity: str
    builds: Mapping[str, tuple[str, ...]]
    shapes: Callable[[Mapping[str, Any], str, tuple[int | None, int | None]], Mapping[str, Shape]]
    problem: Callable[[Mapping[str, Any], str], str] = field(default=no_problem)
    placed: bool = False
    one_size: bool = False
    least_label: int = 0
    order: int = 100

    @property
    def score(self) -> str:
        """The main one."""
        return self.scores[0]


def infos() -> Mapping[str, TaskInfo]:
    """The tasks that there are, by name.

    Raises:
        UserError: for a plug-in that is not there, and for two tasks of one name.
    """
    return described(("tasks", *plugins()))


@cache
def described(packages: tuple[str, ...]) -> Mapping[str, TaskInfo]:
    """The tasks of these packages, in their order."""
    found: dict[str, TaskInfo] = {}
    every = [info for package in packages for _, info in of_package(package)]
    for info in sorted(every, key=lambda info: info.order):
        if info.name in (*found, "multitask"):
            raise UserError(f"plugins: there are two tasks called {info.name}")
        found[info.name] = info
    return found


def named(dotted: str) -> Any:
    """What a description names, imported now."""
    module, _, name = dotted.rpartition(".")
    return getattr(import_module(module), name)


def nameless(count: int) -> dict[str, list[Any]]:
    """So many classes for each kind of label, for networks whose data sets are not there."""
    return {info.target: info.classes.nameless(count) for info in infos().values()}


def module_of(task: str) -> str:
    """What `python -m` runs for a task: tasks.segment, tasks.multitask, or the folder of a plug-in's info.py."""
    described = {info.name: name for package in plugins() for name, info in of_package(package)}
    return described.get(task, f"tasks.{task}")


def of_package(package: str) -> Iterator[tuple[str, TaskInfo]]:
    """The tasks that a package describes, with where: in its own info.py, or in those of its folders."""
    for folder in folders_of(package):
        for path in sorted((*folder.glob("info.py"), *folder.glob("*/info.py"))):
            inner = package if path.parent == folder else f"{package}.{path.parent.name}"
            info = getattr(import_module(f"{inner}.info"), "INFO", None)
            if isinstance(info, TaskInfo):
                yield inner, info
