"""Trainings and evaluations from a program or a notebook: each is a command in its own process, with its own folder."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from tasks.app.boundary import model_path, short_traceback
from tasks.app.folders import drop_empty
from tasks.checkpoint.manifest import NAME, read_manifest
from tasks.checkpoint.manifest_rules import SUFFIXES
from tasks.checkpoint.peek import trained_by
from tasks.common.entries import short
from tasks.common.errors import BEST, Diverged, UserError, suggestion
from tasks.common.nested import leaves
from tasks.common.plugins import OPTIONS, take_from
from tasks.common.processes import command_of, quoted, reason, signals_held
from tasks.common.task_info import infos

PLAIN = re.compile(r"[\w./+@-]+")  # a text that Hydra's grammar takes as it stands
FOLDER = "hydra.run.dir"
LAST_LINES = 50  # of a command, in which its error is looked for


class Run(dict[str, Any]):
    """The scores of a run, as in its metrics.json.

    Attributes:
        folder: of the run.
    """

    def __init__(self, scores: Mapping[str, Any], folder: Path) -> None:
        super().__init__(scores)
        self.folder = folder

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r}, {super().__repr__()})"

    @property
    def checkpoint(self) -> Path:
        """The best weights of a training.

        Raises:
            UserError: if the run was none.
        """
        path = self.folder / "checkpoints" / BEST
        if not path.is_file():
            raise UserError(f"{self.folder} has no checkpoints/best.ckpt: it is no training's, or no epoch was scored")
        return path


@short_traceback
def train(task: str, *overrides: str, **keys: Any) -> Run:
    """Train as `python -m tasks.<task>` does, and return the scores of the best weights.

        >>> run = train("segment", backbone="mobilenet_v3_small", trainer={"max_epochs": 2})  # doctest: +SKIP
        >>> run["mIoU"], run.folder, run.checkpoint  # doctest: +SKIP

    The lines of the command are printed as they come. An interrupt (Ctrl-C, a notebook's stop) ends the training as it
    ends the command: its last.ckpt can be resumed.

    Args:
        task: segment, detect, classify, multilabel, multitask, or one of a plug-in.
        overrides: as they are typed: "trainer.max_epochs=2".
        keys: the same as Python values; dictionaries hold the keys below: trainer={"max_epochs": 2}, None is null.

    Raises:
        UserError: what the command prints after "error:", in one line.
    """
    words = words_of(overrides, keys)
    take_from(words)
    names = [*infos(), "multitask"]
    if not isinstance(task, str) or task not in names:
        near = suggestion(task, names) if isinstance(task, str) else ""
        raise UserError(f"train({short(repr(task))}): no such task{near}; there are {', '.join(names)}")
    return run(task, "train", words)


@short_traceback
def evaluate(source: str | Path, *overrides: str, **keys: Any) -> Run:
    """Score a checkpoint or an exported file, on its own data set or `dataset=`.

        >>> evaluate("outputs/street/checkpoints/best.ckpt", dataset="cityscapes")["mIoU"]  # doctest: +SKIP

    Args:
        source: best.ckpt, or an exported file.
        overrides: see train().
        keys: see train().

    Raises:
        UserError: see train().
    """
    path = model_path(source, "evaluate")
    exported = path.suffix in SUFFIXES or path.name == NAME
    kind, task = ("model", read_manifest(path)["task"]) if exported else ("checkpoint", task_of(path))
    return run(task, "evaluate", [f"{kind}={quoted(path)}", *words_of(overrides, keys)])


def task_of(path: Path) -> str:
    """The command that trained a checkpoint; PyTorch is only imported to say what is wrong with a file.

    Raises:
        UserError: if it is none of ours.
    """
    if trained := trained_by(path):
        return trained.task
    from tasks.checkpoint.checkpoint import read_ours

    task: str = read_ours(path)["mobilevision"]["task"]
    return task


def run(task: str, mode: str, words: Sequence[str]) -> Run:
    """Run a command to its end in its own process; returns its scores.

    Raises:
        UserError: if it refuses something; Diverged for a diverged loss.
        RuntimeError: if it fails otherwise; its traceback has been printed.
    """
    if typed := next((word for word in words if word.lstrip("+").startswith("mode=")), ""):
        raise UserError(f"{typed}: this is mode={mode}; train(), evaluate() and predict() are functions of their own")
    folder = (typed_folder(words) or new_folder(task)).resolve()
    chosen = [] if typed_folder(words) else [f"{FOLDER}={quoted(folder)}"]
    status, last = follow([*command_of(task), f"mode={mode}", *words, *chosen])
    if status and chosen:
        drop_empty(folder)
    if status in (UserError.status, Diverged.status):
        raise (Diverged if status == Diverged.status else UserError)(reason(last, status))
    if status:
        raise RuntimeError(f"{task}: the command ended with status {status}")
    scores = folder / "metrics.json"  # a training with stop_after=… has none
    return Run(json.loads(scores.read_text(encoding="utf-8")) if scores.is_file() else {}, folder)


def follow(command: Sequence[str]) -> tuple[int, str]:
    """Run a command and print its lines as they come, but those that begin with `error:`.

    Returns:
        Its exit status, and its last lines.
    """
    last = deque[str](maxlen=LAST_LINES)
    with interruptible(command) as process:
        for line in process.stdout or ():
            last.append(line)
            if not line.startswith("error: "):  # run() raises it
                sys.stdout.write(line)
        return process.wait(), "".join(last)


@contextmanager
def interruptible(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command inside the block. Whatever interrupts the block interrupts the command, once, and waits for it.

    What the command prints after its interrupt is printed too: it says how its training can be resumed.
    """
    process: subprocess.Popen[str] | None = None
    try:
        with signals_held():
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                env={**os.environ, "PYTHONUNBUFFERED": "1"},
                start_new_session=True,  # else it gets Ctrl-C twice, and a second one ends it at once
            )
        yield process
    except BaseException:
        if process is not None:
            process.send_signal(signal.SIGINT)
            for line in process.stdout or ():
                sys.stdout.write(line)
        raise
    finally:
        if process is not None:
            with process:  # closes the pipe and waits
                pass


def typed_folder(words: Sequence[str]) -> Path | None:
    """The value of hydra.run.dir, if it was typed."""
    typed = [word.partition("=")[2] for word in words if word.lstrip("+").startswith(f"{FOLDER}=")]
    return Path(typed[-1].strip("'\"")) if typed else None


def new_folder(task: str) -> Path:
    """A new folder, outputs/<task>/<date>_<time>, or one of the same name with a number appended."""
    name = time.strftime("%Y-%m-%d_%H-%M-%S")
    for number in count(1):
        folder = Path("outputs", task, name if number == 1 else f"{name}_{number}")
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:
            continue
    raise AssertionError


def words_of(overrides: Sequence[str], keys: Mapping[str, Any]) -> list[str]:
    """Overrides as they are typed, and keys as Python values, as words of the command line.

    Raises:
        UserError: for an override that is no text or an option of the command line, and for a value that has no text.
    """
    for before, word in zip(("", *overrides), overrides, strict=False):
        if not isinstance(word, str):
            raise UserError(f'{short(word)}: an override is a text, "trainer.max_epochs=2", or a keyword argument')
        if word.startswith("-") and word.partition("=")[0] not in OPTIONS:
            raise UserError(f"{word} is for the command line; call a function once for each run")
        if "=" not in word and not word.startswith("~") and before not in OPTIONS and word not in OPTIONS:
            raise UserError(f"{short(word) or repr(word)}: an override is key=value")
    return [*overrides, *(f"{key}={spelled(value)}" for key, value in leaves(keys))]


def spelled(value: Any) -> str:
    """A Python value in Hydra's grammar.

    Raises:
        UserError: for anything but numbers, texts, paths, booleans, None, lists and dictionaries of them.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | Path):
        return str(value) if PLAIN.fullmatch(str(value)) else quoted(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{','.join(map(spelled, value))}]"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{spelled(each)}" for key, each in value.items()) + "}"
    raise UserError(f"{short(value)}: a value of a key is a number, text, path, boolean, None, list or dictionary")
