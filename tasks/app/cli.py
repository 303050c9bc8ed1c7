"""The command line: Hydra composes the configuration, user errors become one clear line, imports stay light."""

import os
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException, InstantiationException, MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from backbones.errors import ImageSizeError
from tasks.app.added_keys import check_added
from tasks.app.folders import writes
from tasks.app.foreign_keys import check_words
from tasks.app.jobs import Jobs, in_sweep
from tasks.app.resolve import resolve
from tasks.app.runlog import NAME as RUN_LOG
from tasks.app.runlog import run_log
from tasks.app.search_path import search_plugins, store_heads
from tasks.app.validate import check_recipe, check_typed
from tasks.common.console import end_children, run_command
from tasks.common.errors import Stopped, UserError, is_out_of_memory, located, visible
from tasks.common.origin import needs_traceback
from tasks.common.plugins import conf_folders, take_from
from tasks.common.task_info import infos
from tasks.config.heads_file import CONF, command_file
from tasks.config.overrides import typed_keys
from tasks.config.rules.values import suggestion
from tasks.config.stored import command_line

MISTAKES = (  # errors that may be the user's to fix
    UserError,
    ImageSizeError,
    OmegaConfBaseException,
    InstantiationException,
    OSError,
    RuntimeError,
    MemoryError,
)
MEMORY_KEYS = {  # keys that determine memory use, by mode
    "train": ("data.batch_size", "data.eval_batch_size", "image_size", "data.workers"),
    "evaluate": ("data.eval_batch_size", "image_size", "data.workers"),
    "predict": ("image_size",),
    "export": ("export.batch", "export.size", "image_size"),
    "benchmark": ("benchmark.size", "benchmark.photo", "image_size"),
    "search": ("data.batch_size", "data.eval_batch_size", "search.workers", "image_size"),
}


def main(name: str, spelled_out: Callable[[Sequence[str]], list[str]] = list) -> None:
    """Run `python -m tasks.<name>`: exit status 0; or one line and 2 for a user error, 3 for a diverged loss.

    Args:
        spelled_out: rewrites arguments that Hydra does not know into Hydra's syntax.
    """
    run_command(partial(run_task, name, spelled_out))


def run_task(name: str, spelled_out: Callable[[Sequence[str]], list[str]]) -> None:
    """main() inside run_command()."""
    full_error = os.environ.get("HYDRA_FULL_ERROR") == "1" or "traceback=true" in sys.argv
    os.environ["HYDRA_FULL_ERROR"] = "1"  # exceptions reach us instead of being printed by Hydra

    mistakes: list[str] = []
    statuses: set[int] = set()
    composed = False
    jobs = Jobs()

    @hydra.main(version_base="1.3", config_path="pkg://conf", config_name=name)
    def job(config: DictConfig) -> None:
        nonlocal composed
        composed = True
        if in_sweep():
            jobs.run(partial(work, config))
        elif mistake := work(config):
            mistakes.append(mistake)

    def work(config: DictConfig) -> str:
        """Run the job; returns the user error instead of raising it, because Hydra would add its own headline."""
        folder = Path(HydraConfig.get().runtime.output_dir)
        with run_log(folder, keep=writes(config)) as log:
            try:
                hydra_config = HydraConfig.get()
                typed = list(hydra_config.overrides.task)
                with command_line(typed):
                    folders = (CONF, *conf_folders())
                    check_recipe(typed, folders)
                    check_added(hydra_config, config, folders)
                    settings = resolve(name, config, folder)
                    check_typed(settings.run.stored, typed_keys(typed))
                    from tasks.app.runner import run

                    run(settings, typed, folder)
            except BrokenPipeError:
                raise
            except MISTAKES as error:
                message = explain_run(error, config)
                if full_error or not message:
                    raise
                message = visible(message + how_to_resume(config, folder, error))
                log(f"error: {message}")
                statuses.add(error.status if isinstance(error, UserError) else 2)
                drop_unused(folder)
                return message
            except Stopped as stopped:
                if writes(config):
                    print(stopped, file=sys.stderr)
                raise SystemExit(128 + stopped.number) from None
            finally:
                end_children()
        return ""

    try:
        take_from(sys.argv[1:])
        search_plugins()
        store_heads()
        check_words(sys.argv[1:], keys_of(name))
        sys.argv[1:] = spelled_out(sys.argv[1:])
        jobs.typed = sys.argv[1:]
        job()
    except UserError as error:
        mistakes.append(str(error))
    except BrokenPipeError:
        raise
    except (HydraException, OmegaConfBaseException, OSError) as error:
        if full_error or isinstance(error, InstantiationException):
            raise
        mistakes.append(explain(error))
    except ValueError as error:
        if composed or full_error:
            raise
        mistakes.append(str(error))  # how Hydra refuses `optimizer=null`
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    if jobs.failed:
        mistakes.append(jobs.summary())
    for mistake in mistakes:
        print(f"error: {visible(mistake)}", file=sys.stderr)
    if mistakes:
        sys.exit(1 if jobs.faults else 3 if statuses == {3} else 2)


def keys_of(name: str) -> frozenset[str]:
    """Names allowed as the first part of an argument: the configuration's top-level keys and groups."""
    text = "\n".join(command_file(file).read_text() for file in ("base", name))
    groups = {path.name for folder in (CONF, *conf_folders()) for path in folder.iterdir()}
    groups |= set(infos())  # heads of tasks.multitask
    return frozenset(re.findall(r"^([a-z]\w*):", text, re.MULTILINE)) | groups


def explain(error: Exception) -> str:
    """One line for a mistake found by Hydra or OmegaConf, with the closest names; '' if it is not a user error."""
    if isinstance(error, InstantiationException):
        return explained(error)
    if isinstance(error, OverrideParseException):
        key, _, value = str(error.override).partition("=")
        quoted = f"'{key}=\"{value}\"'"
        return f"{error.override}: brackets, braces, commas, spaces and = must stand in quotes of their own: {quoted}"
    cause = error.__cause__
    if isinstance(error, MissingConfigException):
        group, _, choice = str(error.missing_cfg_file).rpartition("/")
        options = list(error.options or ())
        return (
            f"{group}={choice}: no such option{suggestion(choice, options)}; there are {', '.join(options) or 'none'}"
        )
    match = re.search(r"Could not override '([^']+)'", str(error))
    if match and isinstance(cause, OmegaConfBaseException):
        key = match[1].rpartition(".")[2] if cause.key is None else str(cause.key)
        parent = cause.parent_node if isinstance(cause.parent_node, DictConfig) else {}
        names = [str(name) for name in parent if name not in ("hydra", "_target_")]
        if match[1].startswith("datasets."):
            return f"{match[1]}: no data set of datasets=[…]; one of a checkpoint is changed with +{match[1]}=…"
        return f"{match[1]}: no such key{suggestion(key, names)}; there are {', '.join(names) or 'none'}"
    if match:  # a group that does not exist: `bakbone=…`
        groups = sorted(path.name for path in CONF.iterdir() if path.is_dir() and not path.name.startswith("_"))
        if match[1] in groups:
            key = {"loss": "detect.task.loss"}.get(match[1], f"segment.{match[1]}")
            return f"{match[1]}: not a group of this command; tasks.multitask has it by head, {match[1]}@{key}=…"
        return f"{match[1]}: no such group{suggestion(match[1], groups)}; there are {', '.join(groups)}"
    return " ".join(str(error).split())


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
    return f"out of memory ({what[:160]}): lower {' or '.join(keys)}"


def how_to_resume(config: DictConfig, folder: Path, error: Exception) -> str:
    """How to resume an interrupted training once the cause is fixed, or ''."""
    last = folder / "checkpoints" / "last.ckpt"
    ran_away = isinstance(error, UserError) and error.status == 3
    if config.mode != "train" or ran_away or not last.is_file() or (folder / "training.json").is_file():
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


def drop_unused(folder: Path) -> None:
    """Remove the folder of a run that has written only its configuration and log."""
    if {path.name for path in folder.glob("*")} <= {".hydra", "config.yaml", RUN_LOG}:
        shutil.rmtree(folder, ignore_errors=True)
