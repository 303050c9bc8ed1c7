"""Each tutorial from its first command to its last, on a few pictures; its files are written as they stand there."""

import re
import shlex
import subprocess
import sys

import pytest

from tests.docs.shell import PAGES, ROOT, Line, lines_of
from tests.docs.small import SMALL, STREETS, TASKS, composed_only, left_out
from tests.layouts import boxes, label_maps, labels

TUTORIALS = [page for page in PAGES if page.startswith("docs/tutorials/") and lines_of(page)]
FILE = re.compile(r"^```(?:python|yaml)\n# (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)
SEARCH = ("search.step=0.1", "search.steps=1", "search.workers=1")


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with the tutorials' data."""
    boxes.write_coco_splits(tmp_path / "cells", outlines=True)
    label_maps.write_folders(tmp_path / "frames", "{split}/{stem}.png", "{split}_labels/{stem}_L.png", coloured=True)
    labels.write_folders(tmp_path / "leaves", "{split}/{name}/{file}")
    labels.write_table(tmp_path)
    (tmp_path / "images").rename(tmp_path / "named")
    (tmp_path / "photos").symlink_to(tmp_path / "named")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def small(line: Line) -> list[str]:
    """The words of a command, with what makes it take seconds."""
    words = shlex.split(line.text)
    task = line.module.removeprefix("tasks.")
    keys = {word.partition("=")[0] for word in words}
    if task not in (*TASKS, "search") or {"--keys", "--cfg"} & set(words):
        return words
    trains = "mode" not in keys and "checkpoint" not in keys
    more = list(SMALL)
    more += ["data.batch_size=2", "backbone.width=0.35"] if trains and "plugins" not in line.text else []
    more += ["image_size=[32,32]"] if trains and "dataset" in keys else list(STREETS) if trains else []
    more += ["export.images=2", "export.calibration=8", "export.budget=1.0"] if "mode=export" in words else []
    more += ["export.slower=true"] if "export.precision=int8" in words else []  # of a network of a few pixels
    more += ["benchmark.seconds=0.1", "benchmark.warmup=1"] if "mode=benchmark" in words else []
    more += SEARCH if "search=netadapt" in words else []
    return [*words, *(word for word in more if word.partition("=")[0] not in keys)]


def is_run(line: Line) -> bool:
    if not line.module:
        return False  # make, npm: not ours
    reason = composed_only(line) if line.module.removeprefix("tasks.") in TASKS else left_out(line)
    further = ("outputs/two", "scale=detect_streets")  # a later command of the page needs what they leave
    return not reason or any(word in line.text for word in further) or {"--keys", "--cfg"} & set(line.text.split())


@pytest.mark.docs
@pytest.mark.parametrize("page", TUTORIALS)
def test_a_tutorial_from_its_first_command_to_its_last(page, desk):
    for name, text in FILE.findall((ROOT / page).read_text()):
        path = desk / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if path.suffix == ".py":
            (path.parent / "__init__.py").touch()
    environment = {"PYTHONPATH": f"{ROOT}:{desk}", "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "HOME": str(desk)}
    ran = 0
    for line in filter(is_run, lines_of(page)):
        command = [sys.executable, *small(line)[1:]]
        done = subprocess.run(command, cwd=desk, capture_output=True, text=True, env=environment)
        found = line.module in ("tasks.doctor", "tasks.lint") and done.returncode == 1
        assert done.returncode == 0 or found, f"{line}: {done.stderr}"
        assert done.stdout, line
        ran += 1
    assert ran > 1 or page.endswith("index.md")
