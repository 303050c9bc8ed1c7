"""Multi-task vision with small networks: the commands as `mobilevision <command>`, and the functions for programs.

    import mobilevision as mv

    run = mv.train("segment", dataset="cityscapes", backbone="mobilenet_v3_small")    # a folder, and its scores
    model = mv.load(run.checkpoint)                                                   # or an exported file
    model.predict("street.jpg").plot()

`mobilevision segment …` is `python -m tasks.segment …`. It also works in a folder that has a tasks/ or conf/ of its
own, and finds modules of that folder after ours: plug-ins, for example.
"""

import importlib
import os
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tasks.app.load import load
    from tasks.app.network import build
    from tasks.app.program import evaluate, train
    from tasks.common.errors import UserError

__all__ = ["UserError", "__version__", "build", "evaluate", "load", "train"]
__version__ = "0.1.0.dev0"

HERE = Path(__file__).resolve().parent
PACKAGES = ("tasks", "heads", "backbones")
FUNCTIONS = {
    "UserError": "tasks.common.errors",
    "build": "tasks.app.network",
    "evaluate": "tasks.app.program",
    "load": "tasks.app.load",
    "train": "tasks.app.program",
}
COMMANDS = {
    "segment": ("tasks.segment", "label maps: train, evaluate, predict, export, benchmark"),
    "detect": ("tasks.detect", "boxes"),
    "classify": ("tasks.classify", "one class for each image"),
    "multilabel": ("tasks.multilabel", "any number of classes for each image"),
    "multitask": ("tasks.multitask", "several heads on one backbone"),
    "predict": ("tasks.predict", "photos by an exported file, without PyTorch"),
    "page": ("tasks.page", "serves the page of an export with export.page=true"),
    "doctor": ("tasks.doctor", "examines a data set"),
    "pack": ("tasks.pack", "a data set as shards, in a folder or at an address"),
    "compare": ("tasks.compare", "a page of several runs; what more training images would bring"),
    "report": ("tasks.report", "writes a run's report.html again"),
    "search": ("tasks.search", "a recipe, narrower layers or blocks for your data"),
    "publish": ("tasks.publish", "a checkpoint as a folder with its model card"),
    "deploy": ("tasks.deploy", "exports every network with random weights, compares outputs"),
    "lint": ("tasks.lint", "which operators of a network a device's delegate runs"),
    "papers": ("tasks.papers", "the papers' tables, re-run"),
    "backbones": ("backbones", "networks with params and multiply-adds; --weights"),
    "heads": ("heads", "published networks with their heads"),
}
MODES = ("train", "evaluate", "export", "benchmark")  # that are no command
AGAIN = "MOBILEVISION_COMMAND"  # Lightning starts further processes of a command with its options alone


LIBRARIES = (  # what `pip install --no-deps mobilevision` leaves out
    *("torch", "torchvision", "lightning", "hydra", "omegaconf", "torchmetrics", "pycocotools", "albumentations"),
    *("cv2", "scipy", "numpy", "PIL", "yaml", "rich", "safetensors"),
)


class HiddenError(ImportError):
    """Another package hides one of ours."""


def ours() -> None:
    """Import our packages from beside this file, whatever the current folder has.

    Raises:
        HiddenError: if another package of that name was imported before.
    """
    sys.path.insert(0, str(HERE))
    try:
        for name in PACKAGES:
            package = importlib.import_module(name)
            found = Path(package.__file__ or next(iter(package.__path__))).resolve()
            if HERE not in found.parents or found.parent.parent != HERE:
                raise HiddenError(f"{found} hides the package {name} of mobilevision: rename it, or import it later")
    finally:
        sys.path.remove(str(HERE))


def __getattr__(name: str) -> Any:
    if name in FUNCTIONS:
        ours()
        try:
            return getattr(importlib.import_module(FUNCTIONS[name]), name)
        except ModuleNotFoundError as error:
            if message := absent(error):
                raise ImportError(f"mobilevision.{name}: {message}") from None
            raise
    raise AttributeError(f"module 'mobilevision' has no attribute {name!r}; there are {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)


def usage() -> str:
    """The commands, a line each."""
    lines = [f"  {name:<11}{told}" for name, (_, told) in COMMANDS.items()]
    return "\n".join(["usage: mobilevision <command> [key=value …] | --version", "", *lines])


def main() -> None:
    """The console script `mobilevision`."""
    arguments = sys.argv[1:]
    if arguments[:1] in (["-V"], ["--version"]):
        print(f"mobilevision {__version__}")
        return
    if arguments[:1] in ([], ["-h"], ["--help"], ["help"]):
        print(usage())
        return
    if (again := os.environ.get(AGAIN)) and arguments[0] not in COMMANDS and "LOCAL_RANK" in os.environ:
        arguments = [again, *arguments]
    prepare_path()
    try:
        ours()
        module = module_of(arguments[0], arguments)
    except HiddenError as error:
        sys.exit(complain(str(error)))
    if not module:
        sys.exit(complain(unknown(arguments[0])))
    os.environ[AGAIN] = arguments[0]
    sys.argv[1:] = arguments[1:]
    try:
        runpy.run_module(module, run_name="__main__")
    except ModuleNotFoundError as error:
        if not (message := absent(error)):
            raise
        sys.exit(complain(message))


def prepare_path() -> None:
    """Let modules be found in this order: Python's, libraries and ours, at last those of the current folder."""
    if sys.path[0] in ("", str(HERE), str(Path.cwd())):
        sys.path.pop(0)  # `python mobilevision.py`: site-packages before Python's own; `-m`: the current folder
    if str(HERE) not in map(str, sys.path):
        sys.path.insert(0, str(HERE))
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))


def module_of(name: str, arguments: Sequence[str]) -> str:
    """The module of a command, of a task of a plug-in or, by its full name, of ours; '' if there is none."""
    if name in COMMANDS:
        return COMMANDS[name][0]
    if name.partition(".")[0] in PACKAGES and name.replace(".", "").replace("_", "").isalnum():
        return name if is_command(name) else ""
    plugins = importlib.import_module("tasks.common.plugins")
    try:
        plugins.take_from(arguments)
        found: str = importlib.import_module("tasks.common.task_info").module_of(name)
    except importlib.import_module("tasks.common.errors").UserError as error:  # a plug-in that does not exist
        sys.exit(complain(str(error)))
    return found if not found.startswith("tasks.") else ""


def is_command(module: str) -> bool:
    """Whether `python -m` runs a module of ours."""
    find = importlib.import_module("importlib.util").find_spec
    try:
        found = find(module)
        return found is not None and (
            found.submodule_search_locations is None or find(f"{module}.__main__") is not None
        )
    except ImportError:  # there is no such parent
        return False


def unknown(word: str) -> str:
    """The message for a word that is no command: what may be meant, and what there is."""
    if word in MODES:
        return f"{word} is no command: mobilevision <task> mode={word} …, and the task is segment, detect, …"
    names = [*COMMANDS, "--version", "--help"]
    near = importlib.import_module("difflib").get_close_matches(word.lower(), names, 1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    return f"{word} is no command{meant}; there are {', '.join(COMMANDS)}"


def absent(error: ModuleNotFoundError) -> str:
    """The message for a library that this installation lacks; '' for other modules."""
    library = (error.name or "").partition(".")[0]
    if library not in LIBRARIES:
        return ""
    return f"{library} is not installed: `pip install mobilevision` brings it; without, exported files predict photos"


def complain(message: str) -> int:
    """Print an error; returns the exit status of user errors."""
    print(f"error: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    main()
