"""What is shipped: the wheel has every file that a command reads, and works beside folders with our names; the sdist
has what the tests need."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BUILD = "import sys, setuptools.build_meta as build; print(getattr(build, f'build_{sys.argv[1]}')(sys.argv[2]))"
ROOMS = ("backbones", "heads", "tasks", "conf", "tests", "docs", "benchmarks", "examples")


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The folder with the wheel and the sdist, built from a copy of the sources."""
    source, out = tmp_path_factory.mktemp("source") / "mobilevision", tmp_path_factory.mktemp("dist")
    left_out = shutil.ignore_patterns("__pycache__", "*.pyc")
    for room in ROOMS:
        shutil.copytree(ROOT / room, source / room, ignore=left_out)
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    for kind in ("sdist", "wheel"):
        subprocess.run([sys.executable, "-c", BUILD, kind, str(out)], cwd=source, check=True, capture_output=True)
    return out


def files_of(room: str, pattern: str) -> set[str]:
    return {str(path.relative_to(ROOT)) for path in (ROOT / room).rglob(pattern)}


def test_the_wheel_has_every_module_and_configuration(packages):
    (wheel,) = packages.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "mobilevision.py" in names
    for room in ("backbones", "heads", "tasks"):
        assert files_of(room, "*.py") <= names
    for pattern in ("*.tsv", "*.css", "*.js", "*.hpp", "*.html", "py.typed"):
        assert files_of("tasks", pattern) <= names
    assert files_of("conf", "*.yaml") <= names
    assert not any(name.startswith(("tests/", "benchmarks/", "docs/")) for name in names)
    scripts = next(name for name in names if name.endswith("entry_points.txt"))
    assert b"mobilevision = mobilevision:main" in zipfile.ZipFile(wheel).read(scripts)


def test_the_sdist_has_tests_and_changelog(packages):
    (sdist,) = packages.glob("*.tar.gz")
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    assert {"CHANGELOG.md", "README.md", "LICENSE", "SECURITY.md", "Makefile", "constraints.txt"} <= names
    assert files_of("tests", "*.py") <= names and files_of("tests", "*.ckpt") <= names
    assert files_of("benchmarks", "*.py") <= names and files_of("examples", "*.py") <= names


def test_the_installed_wheel_beside_folders_with_our_names(packages, tmp_path):
    (wheel,) = packages.glob("*.whl")
    folder, environment = tmp_path / "folder", tmp_path / "environment"
    venv.create(environment, symlinks=True)
    python, site = environment / "bin" / "python", next(environment.glob("lib/python*/site-packages"))
    zipfile.ZipFile(wheel).extractall(site)
    (site / "libraries.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    for name in ("tasks", "conf", "backbones"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text("raise SystemExit('another package was imported')\n")
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = "import mobilevision; print(mobilevision.train.__module__, mobilevision.__file__)"
    script = "import sys; sys.path.pop(0); from mobilevision import main; main()"  # as pip writes it
    for command, said in (
        (["-c", code], f"tasks.app.program {site / 'mobilevision.py'}\n"),
        (["-c", script, "segment", "backbone=mobilenet_v9"], "error: backbone=mobilenet_v9: no such option"),
        (["-c", script, "segment", "--cfg", "job"], "mode: train\n"),
        ([str(site / "mobilevision.py"), "segment", "--cfg", "job"], "mode: train\n"),
    ):
        done = subprocess.run(
            [python, *command], cwd=folder, env=variables, capture_output=True, text=True, check=False
        )
        assert said in done.stdout + done.stderr, done.stdout + done.stderr
