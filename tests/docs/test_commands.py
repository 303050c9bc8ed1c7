"""Every command of README and docs/ is understood; `make docs-test` runs each on small data, or composes it."""

import re
import runpy
import sys
from importlib.util import find_spec

import pytest

from tasks.app.cli import prepared
from tasks.app.print_keys import OPTION
from tasks.app.resolve import resolve
from tasks.common.plugins import FOLDER, VARIABLE, folders_of
from tasks.multitask.arguments import spelled_out
from tests.docs.shell import LINES, PAGES, ROOT, Line, lines_of
from tests.docs.small import COMPOSED, LEFT_OUT, TASKS, arguments_of, composed_only, left_out, made_small
from tests.test_config import configuration

NEEDS_FILES = (
    "checkpoint=",
    "resume=",
    "model=",
    "device=",
    "latency.device=",
    "backbone=table",
    "backbone.file=",
    "weights=found",
    "distill.teacher=",
    "plugins=",
    "--config-dir",
)
OTHERS = (
    *(
        "adb",
        "torchrun",
        "sbatch",
        "make",
        "pip",
        "npm",
        "tensorboard",
        "wandb",
        "mlflow",
        "source",
        "export",
        "docker",
    ),
    "pre-commit",
)


def ids(lines: list[Line]) -> list[str]:
    return [line.place for line in lines]


def of_task(line: Line) -> str:
    """The task of a command whose configuration is composed; '' for others."""
    name = line.module.removeprefix("tasks.")
    if name == "search":
        typed = next((word for word in arguments_of(line) if word.startswith("task=")), "task=segment")
        return typed.removeprefix("task=")
    return name if name in TASKS else ""


def composes(line: Line) -> None:
    """Compose a task's command and check every value, without the files that it names and what needs them, or CUDA."""
    task = of_task(line)
    words = [word for word in arguments_of(line) if not word.startswith((*NEEDS_FILES, "-m", "task=", "minutes="))]
    words = [word for word in words if not word.endswith((".frozen=true", "quantise.aware=true", "decode=cuda"))]
    sweep = line.text.count(" -m ") > 1
    words = [word.partition(",")[0] if sweep and "[" not in word else word for word in words if "auto" not in word]
    if OPTION in words or not all("=" in word for word in words):
        return
    words = prepared(task, words, spelled_out if task == "multitask" else list)
    mode = [word for word in words if word.startswith("mode=")]
    config = configuration(*(word for word in words if word not in mode), task=task)
    if config.get("search") is None and "auto" not in line.text:
        resolve(task, config)


@pytest.mark.parametrize("page", PAGES)
def test_every_command_is_one_of_ours(page):
    """Modules, targets of make and extras are there; placeholders have something to stand for them."""
    for line in lines_of(page):
        name = line.text.split()[0]
        if line.module:
            assert find_spec(line.module), line
            assert not re.search(r"[<>…]", " ".join(arguments_of(line))), line
        elif name == "make":
            assert re.search(rf"^{line.text.split()[1]}:", (ROOT / "Makefile").read_text(), re.MULTILINE), line
        elif name == "pip":
            named = re.search(r"\[([\w,]+)\]", line.text)
            extras = named[1].split(",") if named else []
            project = (ROOT / "pyproject.toml").read_text()
            assert all(re.search(rf"^{extra} = \[", project, re.MULTILINE) for extra in extras), line
        else:
            assert name in OTHERS or "=" in name, line


@pytest.mark.parametrize("line", lines_of("README.md"), ids=ids(lines_of("README.md")))
def test_commands_of_the_readme_compose(line):
    if of_task(line):
        composes(line)


def test_every_reason_is_needed():
    for pattern, _ in (*COMPOSED, *LEFT_OUT):
        assert any(re.search(pattern, line.text) for line in LINES), pattern


ALONE = [line for line in LINES if "/tutorials/" not in line.place]  # test_tutorials.py runs the others in their order
RUN = [line for line in ALONE if line.module and not composed_only(line) and not left_out(line)]
CHECKED = [line for line in LINES if of_task(line) and composed_only(line)]


@pytest.mark.docs
@pytest.mark.parametrize("line", CHECKED, ids=ids(CHECKED))
def test_a_command_composes(line, workspace, monkeypatch):
    monkeypatch.chdir(workspace)
    composes(line)


@pytest.mark.docs
@pytest.mark.parametrize("line", RUN, ids=ids(RUN))
def test_a_command_runs(line, workspace, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(workspace)
    for name in (VARIABLE, FOLDER):  # what a command sets is forgotten
        monkeypatch.setenv(name, "")
    folders_of.cache_clear()
    monkeypatch.setattr("tasks.engine.prepare.keep_freed_memory", lambda: False)
    monkeypatch.setattr(sys, "argv", [line.module, *made_small(line, tmp_path / "run")])
    monkeypatch.syspath_prepend(str(ROOT))
    status = 0
    try:
        runpy.run_module(line.module, run_name="__main__", alter_sys=False)
    except SystemExit as leave:
        status = leave.code or 0
    said = capfd.readouterr()
    found = line.module in ("tasks.doctor", "tasks.lint") and status == 1  # what it found
    assert status == 0 or found, said.err
    assert said.out, "a command says something"
