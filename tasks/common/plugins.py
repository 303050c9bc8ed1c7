"""The user's own packages: their classes may be built, their tasks are found, their conf/ folder is searched.

Only the user can name them, on every command: `plugins=[mypackage]` on the command line, or the environment variable
MOBILEVISION_PLUGINS=mypackage,other. A checkpoint or card.json cannot: what it says about plug-ins is not read. A
stored `_target_` inside such a package is built only while the package is named.

    mypackage/
      info.py            INFO = TaskInfo(…), if it adds a task (tasks/common/task_info.py); or <folder>/info.py
      conf/              optional; Hydra's groups and commands: conf/backbone/mine.yaml makes backbone=mine a choice
      …                  classes for `_target_: mypackage.module.Class`

examples/ has one of each kind: a task, a data set, a backbone, a head and a loss.

Options without a package stand in a folder of Hydra's groups, <folder>/dataset/mine.yaml, that `--config-dir <folder>`
or MOBILEVISION_CONFIG_DIR names. docs/own_data.md has an example of both.
"""

import os
import sys
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tasks.common.errors import UserError

VARIABLE, KEY = "MOBILEVISION_PLUGINS", "plugins="
FOLDER, OPTIONS = "MOBILEVISION_CONFIG_DIR", ("--config-dir", "-cd")
TAKEN = {"tasks", "heads", "backbones", "conf", "torch", "torchvision", "lightning", "albumentations", "hydra",
         "omegaconf", "numpy", "PIL", "cv2", "scipy", "yaml", "timm", "pip", "setuptools"}  # fmt: skip


def plugins() -> tuple[str, ...]:
    """The packages that the user has named.

    Raises:
        UserError: for anything that is not a package name, belongs to Python or a library, or is not installed.
    """
    names = tuple(name.strip() for name in os.environ.get(VARIABLE, "").split(",") if name.strip())
    for name in names:
        if not all(word.isidentifier() for word in name.split(".")):
            raise UserError(f"plugins: {name} is no name of a package")
        if name.split(".")[0] in TAKEN or name.split(".")[0] in sys.stdlib_module_names:
            raise UserError(f"plugins: {name} is no package of your own")
        folders_of(name)
    return names


def take_from(arguments: Sequence[str]) -> None:
    """Add `plugins=[…]` and `--config-dir` of the command line to the environment, where child processes find them.

    Raises:
        UserError: for `--config-dir` without a folder.
    """
    typed = [argument.removeprefix(KEY).strip("[]'\" ") for argument in arguments if argument.startswith(KEY)]
    names = [name for text in (os.environ.get(VARIABLE, ""), *typed) for name in text.split(",")]
    names = [name.strip(" '\"") for name in names]
    if typed:
        os.environ[VARIABLE] = ",".join(dict.fromkeys(filter(None, names)))
    for index, argument in enumerate(arguments):
        option, sign, value = argument.partition("=")
        if option in OPTIONS:
            value = value if sign else next(iter(arguments[index + 1 :]), "")
            if not value or not Path(value).is_dir():
                raise UserError(f"{option} {value}: there is no such folder")
            os.environ[FOLDER] = str(Path(value).resolve())


def without_folder(arguments: Sequence[str]) -> list[str]:
    """The arguments without `--config-dir`, which Hydra's parser takes only before or after all others."""
    return [
        argument
        for before, argument in zip(["", *arguments], arguments, strict=False)
        if before not in OPTIONS and argument.partition("=")[0] not in OPTIONS
    ]


def is_plugged(target: str) -> bool:
    """Whether a class, given by its dotted name, is in a package that the user has named."""
    return target.startswith(tuple(f"{name}." for name in plugins()))


@cache
def folders_of(package: str) -> list[Path]:
    """The folders of a package.

    Raises:
        UserError: if the package does not exist.
    """
    try:
        spec = find_spec(package)
    except ModuleNotFoundError:  # the parent package is missing
        spec = None
    if spec is None or spec.submodule_search_locations is None:
        raise UserError(f"plugins: there is no package {package} beside this command or in PYTHONPATH")
    return [Path(folder) for folder in spec.submodule_search_locations]


def conf_folders() -> Sequence[Path]:
    """The conf/ folders of those plug-ins that have one, and the folder of `--config-dir`."""
    found = [folder / "conf" for name in plugins() for folder in folders_of(name) if (folder / "conf").is_dir()]
    return [*found, Path(own)] if (own := os.environ.get(FOLDER)) else found
