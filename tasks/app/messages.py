"""One line for a user error; an empty message for a bug of ours, which keeps its traceback."""

import errno
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import InstantiationException, MissingConfigException, OverrideParseException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from backbones.errors import ImageSizeError
from tasks.common.errors import LAST, UserError, is_out_of_memory, located, suggestion
from tasks.common.origin import needs_traceback
from tasks.common.writing import FULL
from tasks.config.heads_file import CONF

MISTAKES = (  # errors that may be the user's to fix
    UserError,
    ImageSizeError,
    OmegaConfBaseException,
    InstantiationException,
    OSError,
    RuntimeError,
    MemoryError,
)
FAILS = (*FULL, errno.EROFS, errno.EIO)  # of a disk, with files that were open already
MEMORY_KEYS = {  # keys that determine memory use, by mode
    "train": ("data.batch_size", "data.eval_batch_size", "image_size", "data.workers"),
    "evaluate": ("data.eval_batch_size", "image_size", "data.workers"),
    "predict": ("image_size",),
    "export": ("export.batch", "export.size", "image_size"),
    "benchmark": ("benchmark.size", "benchmark.photo", "image_size"),
    "search": ("data.batch_size", "data.eval_batch_size", "search.workers", "image_size"),
}


def explain(error: Exception, arguments: Sequence[str] = ()) -> str:
    """One line for a mistake found by Hydra or OmegaConf, with the closest names; '' if it is not a user error.

    Args:
        arguments: of the command line.
    """
    if isinstance(error, InstantiationException):
        return explained(error)
    if isinstance(error, OverrideParseException):
        key, _, value = str(error.override).partition("=")
        quoted = f"'{key}=\"{value}\"'"
        return f"{error.override}: brackets, braces, commas, spaces and = must stand in quotes of their own: {quoted}"
    cause = error.__cause__
    if isinstance(error, MissingConfigException):
        group, choice, options = sought(error)
        return (
            f"{group}={choice}: no such option{suggestion(choice, options)}; there are {', '.join(options) or 'none'}"
        )
    merged = re.search(r"Error merging override ([^=]+)=(.*)", str(error))
    if merged and isinstance(cause, TypeError):
        key = merged[1].lstrip("+")
        return f"{key}={merged[2]} is a list in the place of a section; its keys are set by {key}.<name>=…"
    match = re.search(r"Could not override '([^']+)'", str(error))
    if match and isinstance(cause, OmegaConfBaseException):
        key = match[1].rpartition(".")[2] if cause.key is None else str(cause.key)
        parent = cause.parent_node if isinstance(cause.parent_node, DictConfig) else {}
        names = [str(name) for name in parent if name not in ("hydra", "_target_")]
        if match[1].startswith("datasets."):
            return f"{match[1]}: no data set of datasets=[…]; one of a checkpoint is changed with +{match[1]}=…"
        near = suggestion(key, names)
        if match[1].startswith("dataset.") and arguments and not any("dataset=" in word for word in arguments):
            value = next((word for word in arguments if word.lstrip("+").startswith(match[1])), match[1])
            near = f" of the default data set; name yours: dataset=<option> dataset.root=… {value}"
        return f"{match[1]}: no such key{near}; there are {', '.join(names) or 'none'}"
    if match:  # a group that does not exist: `bakbone=…`
        groups = sorted(path.name for path in CONF.iterdir() if path.is_dir() and not path.name.startswith("_"))
        if match[1] in groups:
            key = {"loss": "detect.task.loss", "match": "detect.task.loss.match"}.get(match[1], f"segment.{match[1]}")
            return f"{match[1]}: not a group of this command; tasks.multitask has it by head, {match[1]}@{key}=…"
        return f"{match[1]}: no such group{suggestion(match[1], groups)}; there are {', '.join(groups)}"
    return unwritten(error) or " ".join(str(error).split())


def unwritten(error: Exception) -> str:
    """The message for a full disk or a limit, with the run's folder if the system's does not name a file; else ''."""
    if not isinstance(error, OSError) or error.errno not in FAILS or error.filename is not None:
        return ""
    if not HydraConfig.initialized():
        return ""
    hydra: Any = HydraConfig.get()
    folder = hydra.sweep.dir if hydra.mode is RunMode.MULTIRUN else hydra.run.dir
    return f"cannot write into {folder}: {(error.strerror or str(error)).lower()}"


def sought(error: MissingConfigException) -> tuple[str, str, list[str]]:
    """Group, option and all options of a choice that is not there; those in folders of the group have their path."""
    group, _, choice = str(error.missing_cfg_file).partition("/")
    if not (CONF / group).is_dir():
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        return group, choice, list(error.options or ())
    nested = sorted(path.relative_to(CONF / group).with_suffix("") for path in (CONF / group).glob("*/*.yaml"))
    options = list(dict.fromkeys([*(error.options or ()), *(path.as_posix() for path in nested)]))
    return group, choice, options


def explain_run(error: Exception, config: DictConfig) -> str:
    """One line for what ended a run; '' for a bug of ours."""
    if isinstance(error, UserError):
        return last_message(error)
    if isinstance(error, ImageSizeError):
        return " ".join(str(error).split())
    if is_out_of_memory(error):
        return without_memory(error, config)
    if isinstance(error, RuntimeError):
        text = " ".join(str(error).split())
        if "can't start new thread" in text:
            return f"{text}: the limit of processes and threads is reached (ulimit -u); fewer data.workers need less"
        if type(error).__name__ == "DistNetworkError":  # PyTorch's, which is not imported for it
            return f"the processes cannot meet: {text}; MASTER_PORT or torchrun --master-port names another port"
        if "DataLoader worker" not in text:
            return ""
        from tasks.data.loading.sharing import lost_worker

        return lost_worker(error)
    return explain(error)


def without_memory(error: Exception, config: DictConfig) -> str:
    """The message when memory ran out: where, and which keys of this mode reduce memory use when lowered."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    what = lines[-1] if lines[0].startswith("Caught ") else lines[0]  # from a worker: its traceback comes first
    keys = [key for key in MEMORY_KEYS[config.mode] if OmegaConf.select(config, key, default=key) != key]
    accumulated = "; data.batch_size=auto takes as many images at once as fit, and accumulates the rest of a step"
    return f"out of memory ({what[:160]}): lower {' or '.join(keys)}{accumulated if config.mode == 'train' else ''}"


def how_to_resume(config: DictConfig, folder: Path, error: Exception, since: float) -> str:
    """How to resume an interrupted training once the cause is fixed, or ''.

    Args:
        since: seconds of the system's clock at the start of the run; older checkpoints are another run's.
    """
    last = folder / "checkpoints" / LAST
    ran_away = isinstance(error, UserError) and error.status == 3
    done = (folder / "training.json").is_file()
    if config.mode != "train" or ran_away or done or not last.is_file() or last.stat().st_mtime < since:
        return ""
    return "" if "resume=" in str(error) else f"; go on with resume={last}"


def explained(error: InstantiationException) -> str:
    """Message and place of an error that one of our constructors raised for the user; '' for other errors."""
    cause = error.__cause__
    if not isinstance(cause, UserError | ValueError | TypeError) or needs_traceback(error):
        return ""
    return located(str(cause), error)


def last_message(error: UserError) -> str:
    """The message itself, even if a worker process has wrapped it in its traceback."""
    text = str(error)
    if text.startswith("Caught UserError in DataLoader worker"):
        text = text.strip().splitlines()[-1].split("UserError: ", 1)[-1]
    return text
