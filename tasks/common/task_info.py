"""Descriptions of tasks that need no PyTorch, and the list of tasks: each folder with an info.py describes one.

These descriptions are sufficient to check configurations, read checkpoints' metadata and run exported files. `infos()`
finds those of our own packages (tasks/segment/info.py, …) and of the user's plug-ins (tasks/common/plugins.py).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from typing import Any, NamedTuple

from tasks.common.class_forms import ClassForm
from tasks.common.errors import UserError
from tasks.common.plugins import folders_of, plugins

Shape = tuple[int | str | None, ...]  # None: any size; a letter: any size, the same at each occurrence


class Form(NamedTuple):
    """The outputs of an exported file for a task in one form ("raw", "decoded" or "final").

    Attributes:
        outputs: names of the tensors.
        meaning: of their numbers, as given in model.json under `pixels`.
        exact: whether they are compared number by number with the checkpoint's. If False, only results are compared:
            kept boxes may swap places and single labels may change when two values are almost equal.
    """

    outputs: tuple[str, ...]
    meaning: str
    exact: bool


def no_problem(_entry: Mapping[str, Any], _form: str) -> str:
    return ""


@dataclass(frozen=True)
class TaskInfo:
    """Description of a task.

    Attributes:
        name: of the command and of the head in tasks.multitask; also the prefix of the task's scores there.
        target: kind of label that it learns from; key of its labels in a batch.
        scores: shown in comparisons; the first selects the best checkpoint, larger is better.
        classes: how they are stored.
        forms: of an exported file's outputs.
        output: dotted name of the class that writes and draws its results (tasks/common/output.py).
        parity: dotted name of its rule in the parity check (tasks/common/parity.py).
        builds: classes that may be built for it, by the key within its `task` node; "" for the node itself.
        shapes: `shapes(entry, form, size)`: each output's shape for one image, from the task's entry in model.json;
            size is the file's input (height, width), None for any.
        problem: `problem(entry, form)`: what is wrong with the entry apart from outputs and classes, or ''.
        placed: whether its labels have positions in the image, so that transforms of only the image would break them.
        one_size: whether its outputs depend on the image size, which must then be the same in training and scoring.
        least_label: smallest value of an output called `labels`.
        order: its position among the heads of tasks.multitask.
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
        """The main score."""
        return self.scores[0]


def infos() -> Mapping[str, TaskInfo]:
    """All tasks by name.

    Raises:
        UserError: if a plug-in does not exist, or two tasks have the same name.
    """
    return described(("tasks", *plugins()))


@cache
def described(packages: tuple[str, ...]) -> Mapping[str, TaskInfo]:
    """The tasks of these packages, sorted by `order`."""
    found: dict[str, TaskInfo] = {}
    every = [info for package in packages for _, info in of_package(package)]
    for info in sorted(every, key=lambda info: info.order):
        if info.name in (*found, "multitask"):
            raise UserError(f"plugins: there are two tasks called {info.name}, in {' and '.join(packages)}")
        found[info.name] = info
    return found


def named(dotted: str) -> Any:
    """Import the object with this dotted name."""
    module, _, name = dotted.rpartition(".")
    return getattr(import_module(module), name)


def nameless(count: int) -> dict[str, list[Any]]:
    """`count` classes for each kind of label, for networks whose data sets are not available."""
    return {info.target: info.classes.nameless(count) for info in infos().values()}


def module_of(task: str) -> str:
    """The module that `python -m` runs for a task: tasks.segment, tasks.multitask, or that of a plug-in's info.py."""
    described = {info.name: name for package in plugins() for name, info in of_package(package)}
    return described.get(task, f"tasks.{task}")


def of_package(package: str) -> Iterator[tuple[str, TaskInfo]]:
    """Yield module and description of each task of a package: from its own info.py and from those of its folders."""
    for folder in folders_of(package):
        for path in sorted((*folder.glob("info.py"), *folder.glob("*/info.py"))):
            inner = package if path.parent == folder else f"{package}.{path.parent.name}"
            info = getattr(import_module(f"{inner}.info"), "INFO", None)
            if isinstance(info, TaskInfo):
                yield inner, info
