"""The module and the console script mobilevision: from any folder, whatever packages the folder has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import mobilevision

ROOT = Path(__file__).parent.parent
SCRIPT = [sys.executable, "-P", str(ROOT / "mobilevision.py")]


def run(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*SCRIPT, *arguments], capture_output=True, text=True, cwd=cwd, env={**os.environ, **environment}, check=False
    )


def test_every_command_is_listed():
    found = {path.parent.name for path in (ROOT / "tasks").glob("*/__main__.py")}
    assert set(mobilevision.COMMANDS) == found | {"backbones", "heads"}
    assert all((ROOT / module.replace(".", "/")).is_dir() for module, _ in mobilevision.COMMANDS.values())
    assert all(name in mobilevision.usage() for name in mobilevision.COMMANDS)
    assert max(map(len, mobilevision.usage().splitlines())) < 80


def test_functions_are_there_when_they_are_asked_for():
    assert set(mobilevision.FUNCTIONS) | {"__version__"} == set(mobilevision.__all__) == set(dir(mobilevision))
    assert all(callable(getattr(mobilevision, name)) for name in mobilevision.FUNCTIONS)
    with pytest.raises(AttributeError, match="no attribute 'laod'; there are UserError, __version__"):
        _ = mobilevision.laod


def test_words_without_a_command():
    assert run("--version").stdout == f"mobilevision {mobilevision.__version__}\n"
    assert run().stdout == run("--help").stdout == mobilevision.usage() + "\n"
    wrong = run("segmnt", "seed=1")
    assert wrong.returncode == 2 and wrong.stdout == ""
    assert wrong.stderr.startswith("error: segmnt is no command (did you mean segment?); there are segment, detect,")
    for word, said in (
        ("SEGMENT", "(did you mean segment?)"),
        ("--verison", "(did you mean --version?)"),
        ("train", "train is no command: mobilevision <task> mode=train …, and the task is segment, detect, …"),
        ("tasks.segment.foo", "tasks.segment.foo is no command"),
        ("tasks.common", "tasks.common is no command"),
        ("heads.nothing.here", "heads.nothing.here is no command"),
    ):
        assert mobilevision.module_of(word, [word]) == ""
        assert said in mobilevision.unknown(word)
    assert mobilevision.module_of("tasks.segment", []) == "tasks.segment"
    plugin = run("mine", "plugins=[no_such_package]")
    assert plugin.returncode == 2 and plugin.stderr.startswith("error: plugins: there is no package no_such_package")


@pytest.fixture
def folder(tmp_path):
    """A folder with packages and options of the user's, named like ours."""
    for name in ("tasks", "conf", "heads"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").touch()
    (tmp_path / "conf" / "segment.yaml").write_text("mine: true\n")
    return tmp_path


def test_packages_of_the_folder_hide_none_of_ours(folder):
    same = run("segment", "backbone=mine")
    assert same.returncode == 2 and same.stderr.startswith("error: backbone=mine: no such option (did you mean")
    for environment in ({}, {"PYTHONPATH": str(folder)}):
        assert run("segment", "backbone=mine", cwd=folder, **environment).stderr == same.stderr
    code = "import mobilevision; print(mobilevision.load.__module__)"
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.append({str(ROOT)!r}); {code}"],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "tasks.app.load\n", done.stderr


def test_a_package_that_was_imported_first_is_named(folder):
    code = "import sys, tasks; sys.path.append(sys.argv[1]); import mobilevision; mobilevision.load"
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(ROOT)],
        cwd=folder, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    last = done.stderr.splitlines()[-1]
    assert last.endswith(
        f"{folder}/tasks/__init__.py hides the package tasks of mobilevision: rename it, or import it later"
    )


def test_processes_of_lightning_know_their_command():
    """They are started with the options of the command, without its name."""
    again = run("backbone=mine", MOBILEVISION_COMMAND="segment", LOCAL_RANK="1", WORLD_SIZE="2")
    assert again.stderr.startswith("error: backbone=mine: no such option")
    assert run("backbone=mine", MOBILEVISION_COMMAND="segment").stderr.startswith("error: backbone=mine is no command")


def test_a_library_that_is_missing_is_named(tmp_path):
    hidden = "import sys; sys.modules.update(dict.fromkeys(('torch', 'hydra', 'omegaconf')))"
    code = f"{hidden}; sys.path.insert(0, {str(ROOT)!r}); import mobilevision\n"
    for call, said in (
        ("sys.argv[1:] = ['segment', 'seed=1']; mobilevision.main()", "error: hydra is not installed: `pip install "),
        ("mobilevision.train", "ImportError: mobilevision.train: hydra is not installed: `pip install mobilevision`"),
    ):
        done = subprocess.run(
            [sys.executable, "-P", "-c", code + call], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode and done.stderr.splitlines()[-1].startswith(said), done.stderr
    assert mobilevision.absent(ModuleNotFoundError(name="mine")) == ""
