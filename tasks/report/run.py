"""What was run: command, changed keys, seed, versions, data, network, cost and how far it is."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.common.plugins import OPTIONS
from tasks.report.process import has_ended
from tasks.report.reading import Parts, part, read_yaml
from tasks.report.records import NO_HEADS, read_costs, read_run, read_training

LOG_LINES = 400


def about(folder: Path, parts: Parts) -> dict[str, Any]:
    """The page's head, from run.json and what every run's folder has.

    Raises:
        UserError: for files that cannot be read.
    """
    record = parts.read(lambda: read_run(folder)) or {}
    hydra, config = read_yaml(folder / ".hydra" / "hydra.yaml"), read_yaml(folder / "config.yaml")
    overrides = read_yaml(folder / ".hydra" / "overrides.yaml")
    sweep = [] if (folder / ".hydra").is_dir() else ["-m"]
    if sweep:
        hydra = read_yaml(folder / "multirun.yaml")
        overrides = part(hydra or {}, "hydra", "overrides", "task")
    words = [str(word) for word in overrides] if isinstance(overrides, list) else None
    task = part(hydra or {}, "hydra", "job", "name")
    config = config if isinstance(config, Mapping) else {}
    costs = parts.read(lambda: read_costs(folder)) or part(record, "costs") or {}
    task = task or (head if (head := only_head(costs)) else None)
    choices = part(hydra or {}, "hydra", "runtime", "choices")
    choices = choices if isinstance(choices, Mapping) else {}
    return {
        "folder": folder.name,
        "task": task,
        "mode": part(config, "mode"),
        "command": None if words is None else command(task, [*options(hydra), *sweep, *words]),
        "typed_folder": typed_folder(hydra),
        "place": place(hydra),
        "changed": [list(word.partition("=")[::2]) for word in words or ()],
        "chosen": {
            str(key): str(value)
            for key, value in choices.items()
            if value is not None and "/" not in str(key) and not str(key).startswith("hydra")
        },
        "seed": part(config, "seed"),
        "epochs": part(config, "trainer", "max_epochs"),
        "costs": costs,
        "heads": heads_of(costs),
        "training": parts.read(lambda: read_training(folder)) or {},
        "record": {key: value for key, value in record.items() if key != "process"},  # names the machine
        "state": state_of(record, folder),
        "log": parts.read(lambda: log_of(folder)) or [],
    }


def command(task: Any, words: Sequence[str]) -> str:
    """The command of a run as it can be typed again: the new run writes into a folder of its own."""
    return " ".join([f"python -m tasks.{task}", *(quoted(word) for word in words if not word.startswith("overwrite="))])


def options(hydra: Any) -> list[str]:
    """`--config-dir` and its folder, as seen from where the command was typed; [] without it."""
    sources = part(hydra or {}, "hydra", "runtime", "config_sources")
    known = sources if isinstance(sources, list) else []
    paths = [part(source, "path") for source in known if part(source, "provider") == OPTIONS[0]]
    if not paths:
        return []
    return [OPTIONS[0], seen_from_there(hydra, paths[-1]) or str(paths[-1])]


def typed_folder(hydra: Any) -> str | None:
    """`hydra.run.dir=…` as it was typed, which the command leaves out; None if it was not."""
    words = part(hydra or {}, "hydra", "overrides", "hydra")
    typed = [str(word) for word in words if str(word).startswith("hydra.run.dir=")] if isinstance(words, list) else []
    return typed[-1] if typed else None


def place(hydra: Any) -> str | None:
    """The run's folder as seen from where the command was typed; None if that is not known."""
    if typed := typed_folder(hydra):
        return typed.partition("=")[2]
    return seen_from_there(hydra, part(hydra or {}, "hydra", "runtime", "output_dir"))


def seen_from_there(hydra: Any, path: Any) -> str | None:
    """A path relative to the folder where the command was typed; None if it is not below it."""
    here = part(hydra or {}, "hydra", "runtime", "cwd")
    known = isinstance(path, str) and isinstance(here, str) and Path(path).is_relative_to(here)
    return Path(path).relative_to(here).as_posix() if known else None


def heads_of(costs: Mapping[str, Any]) -> list[str]:
    """Names of the heads in network.json."""
    return [name for name in costs if name not in NO_HEADS]


def only_head(costs: Mapping[str, Any]) -> str | None:
    """The task of a run that does not say it."""
    heads = heads_of(costs)
    return heads[0] if len(heads) == 1 else "multitask" if heads else None


def state_of(record: Mapping[str, Any], folder: Path) -> str:
    """How far a run is: as it has noted, unless its process is gone; guessed if it has noted nothing.

    training, scoring, finished, stopped_early (as by stop_after), interrupted (by a signal; "stopped" in older
    records), failed, broken_off (nobody noted an end), unfinished.
    """
    state: str | None = record.get("state")
    if state in ("training", "scoring") and has_ended(record.get("process")):
        return "broken_off"
    return state or ("finished" if (folder / "metrics.json").is_file() else "unfinished")


def quoted(word: str) -> str:
    """A word as a shell takes it."""
    plain = all(letter.isalnum() or letter in "_-./=,:+@%~" for letter in word)
    return word if plain and word else "'" + word.replace("'", "'\\''") + "'"


def log_of(folder: Path) -> list[str]:
    """The last lines of run.log."""
    path = folder / "run.log"
    if not path.is_file():
        return []
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES:]
