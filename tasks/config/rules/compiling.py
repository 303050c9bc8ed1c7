"""compile=…: where PyTorch's compiler can work. Without torch."""

import os
import shutil
import sys
import sysconfig
from collections.abc import Mapping
from pathlib import Path

from tasks.common.errors import UserError
from tasks.config.tree import Tree, select


def check_compile(tree: Tree) -> None:
    """Check that a training that is to be compiled can be.

    Raises:
        UserError: if something in the step changes too often, the device has no compiler of PyTorch's, or this machine
            has none of its own.
    """
    asked = tree.get("compile", False)
    if not asked:
        return
    name = f"compile={str(asked).lower()}"
    thaw = select(tree, "finetune.thaw")
    if tree.get("batchnorm") == "separate":
        raise UserError(f"{name} and batchnorm=separate exclude each other: its layers ask which images are whose")
    if select(tree, "finetune.norms") == "adapt":
        raise UserError(f"{name} and finetune.norms=adapt exclude each other: statistics move before each layer")
    if select(tree, "quantise.aware"):
        raise UserError(f"{name} and quantise.aware=true exclude each other: rounding happens around the calls")
    if isinstance(thaw, list | tuple):
        raise UserError(f"{name}: finetune.thaw={thaw} makes another network of each block that thaws; take one share")
    accelerator = select(tree, "trainer.accelerator")
    if accelerator == "mps" or (asked == "graphs" and accelerator == "cpu"):
        choices = "false" if accelerator == "mps" else "true or false"
        raise UserError(f"{name} is not for trainer.accelerator={accelerator}: compile={choices}")
    if lacking := lacking_here(os.environ):
        raise UserError(f"{name} needs {lacking}; or take compile=false")


def lacking_here(environment: Mapping[str, str]) -> str:
    """What PyTorch's compiler misses on this machine; '' for nothing."""
    named = environment.get("CXX")
    default = {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    if shutil.which(named or default) is None:
        where = f"CXX={named}" if named else f"{default}, or another that CXX names"
        return f"a C++ compiler ({where}), which is not here"
    header = Path(sysconfig.get_paths()["include"]) / "Python.h"
    return "" if header.is_file() else f"Python's headers ({header}), which are not here"
