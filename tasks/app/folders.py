"""The output folder of a run: exclusive to it, created by one of its processes before anything is written."""

import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, read_write
from omegaconf.errors import OmegaConfBaseException

from tasks.app.early import SHARED, telling
from tasks.checkpoint.peek import config_of
from tasks.common.console import refusing
from tasks.common.errors import LAST, UserError
from tasks.common.processes import quoted
from tasks.common.ranks import is_first
from tasks.common.records import FOLDER as RECORDS
from tasks.common.writing import cannot_write

MARKS = (
    *(".hydra", "multirun.yaml", "config.yaml", "run.log", "checkpoints", "pictures", "labels", "boxes", "overlays"),
    *("metrics.json", "metrics.csv", "network.json", "training.json", "benchmark.json", "model.json", "card.json"),
    *("index.csv", "errors.csv", "predictions.json", "comparison.csv", "study.log", "trials.log"),
    *("report.html", RECORDS),
)
DATA = ("root", "train.images", "val.images")
RESULTS = (
    *("metrics.json", "network.json", "training.json", "benchmark.json", "metrics.csv", "study.log", "trials.log"),
    *("logger.json", "events.out.tfevents.*"),
    *("report.html", "gate.json", "classes.csv", "errors.csv", "predictions.json"),
)
INPUTS = ("resume", "search.study")  # files that a command continues from, in the folder that contains them
ROOM = 1 << 16  # bytes of the first files of a run: its configuration and its log


class OwnFolder(Callback):
    """Gives every run and every sweep its own folder; Hydra calls this before it writes there.

    A folder named after the time becomes `…_2` if another run has already taken it. A typed folder is refused if it
    holds another run, unless `overwrite=true` is set or the command continues from a file in it (`resume=`). In a run
    of several processes only rank 0 uses the folder; the others get a temporary one and write no results.

    Attributes:
        lock: held during the run, so that no other process writes to the folder.
        spare: the temporary folder, removed with this object.
        used: folders of the jobs of a sweep.
    """

    def __init__(self) -> None:
        self.lock: IO[str] | None = None
        self.spare: tempfile.TemporaryDirectory[str] | None = None
        self.used: set[str] = set()

    # Hydra only warns about errors in its callbacks: refusing() ends the process instead.
    def on_run_start(self, config: DictConfig, **_: Any) -> None:
        """Called before a single run."""
        with refusing(OSError), telling(sys.argv[1:], OSError):
            folder = self.choose(config, "run")
            if writes(config):
                self.lock = locked(folder)

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        """Called before a sweep. Its jobs are composed again, so they get the folder as if it had been typed."""
        with refusing(OSError):
            folder = self.choose(config, "sweep")
            with read_write(config.hydra):
                config.hydra.overrides.hydra.append(f"hydra.sweep.dir={quoted(folder)}")
                if not writes(config):
                    config.hydra.overrides.hydra.append("hydra.output_subdir=null")

    def on_job_start(self, config: DictConfig, **_: Any) -> None:
        """Called before each job of a sweep, and before a single run."""
        folder = str(config.hydra.runtime.output_dir)
        with refusing(OSError):
            if folder in self.used:
                raise UserError(
                    f"hydra.sweep.subdir={Path(folder).name}: two jobs of the sweep would share this folder"
                )
        self.used.add(folder)

    def choose(self, config: DictConfig, kind: str) -> Path:
        """Choose the folder of a run or sweep, and write it into the configuration."""
        key = f"hydra.{kind}.dir"
        if writes(config):
            folder = own_folder(Path(str(OmegaConf.select(config, key))), config, key)
            check_room(folder, key)
        else:
            self.spare = tempfile.TemporaryDirectory(prefix="mobilevision_", ignore_cleanup_errors=True)
            folder = Path(self.spare.name)
        with read_write(config.hydra):
            config.hydra[kind].dir = str(folder)
            if not writes(config):
                config.hydra.output_subdir = None
        return folder


def check_room(folder: Path, key: str) -> None:
    """Check that a run's first files can be written: Hydra's own error would not say where.

    Raises:
        UserError: for a full disk, a quota or a limit; a folder that was claimed for the run alone is removed.
    """
    probe = folder / ".room"
    try:
        probe.write_bytes(bytes(ROOM))
    except OSError as error:
        why = cannot_write(folder, error).removeprefix("cannot write ")
        with suppress(OSError):
            probe.unlink()
        for mark in (folder / ".hydra", folder / "multirun.yaml"):
            with suppress(OSError):  # it is another run's, or not there
                if mark.is_dir():
                    mark.rmdir()
                elif mark.stat().st_size == 0:
                    mark.unlink()
        drop_empty(folder)
        raise UserError(f"{key}={why}") from None
    probe.unlink()


def drop_empty(folder: Path) -> None:
    """Remove a folder named after the time if it is empty or gone, and those of its task that are empty then."""
    named = folder.resolve().parents
    for each in (folder, *named[:2]) if named[1].name == "outputs" else (folder,):
        with suppress(OSError):  # it has other runs, or is gone
            each.rmdir()


def writes(config: DictConfig) -> bool:
    """Whether this process writes the results of its run."""
    return is_writer(config.mode)


def is_writer(mode: str) -> bool:
    """Whether this process writes the results of a run."""
    return is_first() or mode not in SHARED


def own_folder(folder: Path, config: DictConfig, key: str) -> Path:
    """Claim a folder, or one of the same name with a number appended.

    Args:
        folder: the value of `key`.
        config: composed.
        key: `hydra.run.dir` or `hydra.sweep.dir`.

    Raises:
        UserError: if the folder was typed and holds another run, cannot be created, or is part of a data set.
    """
    mark = ".hydra" if key == "hydra.run.dir" else "multirun.yaml"
    words: Any = OmegaConf.to_container(config.hydra.overrides.hydra, resolve=False)
    typed = [word for word in words if word.lstrip("+").startswith(f"{key}=")]
    if not typed or "${now:" in typed[-1]:
        number, name = 1, folder.name
        while not claimed(folder, mark):
            number += 1
            folder = folder.with_name(f"{name}_{number}")
        return folder
    for place in [*data_folders(config), *trained_on(config)]:
        if folder.resolve().is_relative_to(place):
            raise UserError(f"{key}={folder} lies in the data set at {place}, which is only read: name another folder")
    try:
        if claimed(folder, mark) or goes_on(folder, config):
            return folder
    except OSError as error:
        raise UserError(f"{key}={folder}: {(error.strerror or str(error)).lower()}") from None
    if not config.overwrite:
        last = folder / "checkpoints" / LAST
        more = f", resume={last} goes on with it" if last.is_file() else ""
        found = next(name for name in MARKS if (folder / name).exists())
        raise UserError(
            f"{key}={folder} holds another run ({found}): name a new folder; overwrite=true writes over it{more}"
        )
    if key == "hydra.run.dir":
        locked(folder)  # raises if another process is writing there
    jobs = [path.parent for path in folder.glob("*/.hydra")]
    for name in RESULTS:  # results of the old run must not be mistaken for the new one's
        for run in (folder, *jobs):
            for path in run.glob(name):
                path.unlink()
    for run in (folder, *jobs):
        for path in [*(run / RECORDS).glob("*.json"), *(run / RECORDS).glob("*/*.json")]:
            path.unlink()
    return folder


def data_folders(config: DictConfig) -> list[Path]:
    """Folders with the images of this command."""
    sets = config.get("datasets")
    names = [f"datasets.{name}" for name in map(str, sets)] if isinstance(sets, DictConfig) else []
    keys = [f"{group}.{key}" for group in ("dataset", *names) for key in DATA]
    found = []
    for key in keys:
        with suppress(OmegaConfBaseException):  # check_values() reports the error
            path = OmegaConf.select(config, key)
            found += [Path(path).resolve()] if isinstance(path, str) and path else []
    return found


def trained_on(config: DictConfig) -> list[Path]:
    """Folders with the images of the command's checkpoint or file, which it uses if it names no others."""
    files = [config.get("resume"), *(config.get(key) for key in ("checkpoint", "model") if config.mode != "train")]
    words = config.hydra.overrides.get("task") or []
    if any(word.lstrip("+").startswith(("dataset.root=", "datasets")) for word in words):
        return []
    found = []
    for stored in [config_of(file) for file in files if isinstance(file, str) and file]:
        sets = stored.get("datasets")
        for part in (stored.get("dataset"), *(sets.values() if isinstance(sets, dict) else ())):
            paths = [nested(part, key.split(".")) for key in DATA]
            found += [Path(path).resolve() for path in paths if isinstance(path, str) and path and "${" not in path]
    return found


def nested(value: Any, keys: list[str]) -> Any:
    """What stands in tables of tables; None if it does not."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def claimed(folder: Path, mark: str) -> bool:
    """Claim a folder if it holds no run; returns whether this process now owns it, exclusively."""
    folder.mkdir(parents=True, exist_ok=True)
    if any((folder / name).exists() for name in MARKS):
        return False
    try:
        (folder / mark).mkdir() if mark == ".hydra" else (folder / mark).touch(exist_ok=False)
    except FileExistsError:  # another process was faster
        return False
    return True


def goes_on(folder: Path, config: DictConfig) -> bool:
    """Whether the command continues from a file in the folder; search=recipe does whenever there is its journal."""
    if OmegaConf.select(config, "search.kind") == "recipe" and (folder / "trials.log").is_file():
        return not config.overwrite
    paths = [OmegaConf.select(config, key) for key in INPUTS]
    return any(path is not None and Path(str(path)).resolve().is_relative_to(folder.resolve()) for path in paths)


def locked(folder: Path) -> IO[str] | None:
    """Lock a file in the folder until the process ends; returns None if the system has no locks.

    Raises:
        UserError: if another process holds the lock.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return None
    (folder / ".hydra").mkdir(exist_ok=True)
    file = (folder / ".hydra" / "lock").open("w", encoding="utf-8")
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        raise UserError(f"hydra.run.dir={folder}: another process is writing there") from None
    except OSError:  # a file system without locks
        return None
    return file
