"""The files of the root: CITATION.cff, the Dockerfile, and the hooks before a commit."""

import re
import shlex
import subprocess
import sys
import tomllib

import pytest
import yaml

import mobilevision
from tests.docs.shell import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_citation_is_of_this_project():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= set(cited)
    assert (cited["version"], cited["license"]) == (mobilevision.__version__, PROJECT["license"])
    assert all({"title", "authors", "type"} <= set(entry) for entry in cited["references"])


def test_the_hooks_are_the_checks_of_make():
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    makefile = (ROOT / "Makefile").read_text().replace("$(BIN)", ".venv/bin")
    for hook in hooks:
        tool = re.match(r"\.venv/bin/\w+( check| format)?", hook["entry"])[0]
        assert f"\t{tool}" in makefile, hook


def test_the_image_copies_what_the_package_needs():
    copied = {
        word.strip("/") for line in DOCKERFILE.splitlines() if line.startswith("COPY") for word in line.split()[1:-1]
    }
    setuptools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
    names = [name.strip("*") for name in setuptools["packages"]["find"]["include"]]
    names += [f"{name}.py" for name in setuptools["py-modules"]] + [PROJECT["readme"], *PROJECT["license-files"]]
    assert all(copied & {name, name.split("/")[0]} for name in names), names
    assert all((ROOT / name).exists() for name in copied)
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert kept == copied
    extras = re.search(r"/source\[([\w,]+)\]", DOCKERFILE)[1].split(",")
    assert set(extras) <= set(PROJECT["optional-dependencies"])


def test_the_entry_of_the_image_runs_a_task(tmp_path):
    """Its words are those after `mobilevision`."""
    (name,) = yaml.safe_load(re.search(r"^ENTRYPOINT (.+)$", DOCKERFILE, re.MULTILINE)[1])
    module, _, function = PROJECT["scripts"][name].partition(":")
    command = [sys.executable, "-c", f"from {module} import {function}; {function}()", "segment", "--keys", "saving"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0 and done.stdout.startswith("saving.minutes=10\n"), done.stderr


@pytest.mark.docs
def test_the_image_builds_and_trains():
    try:
        answers = subprocess.run(["docker", "info"], capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        answers = False
    if not answers:
        pytest.skip("no Docker engine")
    subprocess.run(["docker", "build", "-t", "mobilevision-test", str(ROOT)], check=True, timeout=1800)
    scenes = "dataset.train=8 dataset.val=4 dataset.height=64 dataset.width=128"
    small = f"segment trainer.max_epochs=1 image_size=[64,128] {scenes}"
    command = ["docker", "run", "--rm", "--network=none", "--shm-size=1g", "mobilevision-test", *shlex.split(small)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0 and "mIoU" in done.stdout, done.stderr
