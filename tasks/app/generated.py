"""Keeps the generator of street scenes, some tasks' default data set, out of folders that are meant as own data."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from tasks.common.errors import UserError
from tasks.config.overrides import typed_keys

STREETS = "tasks.data.streets.dataset.Streets"
CHOOSE = ("experiment", "scale")  # groups whose options may choose the data set
OWN_KEYS = {f"dataset.{key}" for key in ("train", "val", "height", "width", "seed")}  # of the generator alone
OPENS = ("train", "evaluate", "search", "export")  # modes that open the data set


def check_generated(config: Any, typed: Iterable[str], implied: Iterable[str] = ()) -> None:
    """Check that scenes are drawn into a typed folder only if they were asked for.

    Folders that hold other files are refused by the data set itself, whoever asks for it.

    Args:
        config: as composed, without what a checkpoint brings.
        typed: overrides on the command line.
        implied: what follows from a checkpoint; without it, one that is evaluated may bring another data set.

    Raises:
        UserError: if dataset.root was typed, the data set was not, and there are no scenes in that folder.
    """
    keys = typed_keys(typed)
    asked = keys & {"dataset", *CHOOSE, *OWN_KEYS} or "dataset.root" not in keys
    brings = "resume" in keys or (config.mode != "train" and bool(keys & {"checkpoint", "model"}))
    if brings and not implied:
        return
    if asked or config.mode not in OPENS or OmegaConf.select(config, "dataset._target_") != STREETS:
        return
    if config.dataset.root is None:
        return  # refused when the data set is made
    root = Path(str(config.dataset.root))
    if (root / "streets.json").exists():
        return
    from tasks.data.streets.folder import is_free  # imports OpenCV

    if not is_free(root):
        what, draw = "has other files than scenes", ""
    else:
        what = "is empty" if root.exists() else "does not exist"
        draw = ", or for new scenes dataset=streets"
    raise UserError(
        f"dataset.root={root} {what}; dataset=streets, the default, generates scenes: for your own images add "
        f"dataset=auto dataset.root={root}{draw}"
    )
