"""docs/own_data.md: its files are written, and its commands run."""

import json
import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from tasks.common.plugins import FOLDER, VARIABLE, folders_of
from tests.layouts.boxes import write_box_table

PAGE = (Path(__file__).parents[3] / "docs" / "own_data.md").read_text()
SMALL = ("trainer.max_epochs=1", "image_size=[64,64]", "data.batch_size=4", "data.workers=0", "pictures=0",
         "trainer.accelerator=cpu")  # fmt: skip


def blocks(*languages: str) -> list[str]:
    return re.findall(rf"^```(?:{'|'.join(languages)})\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def page(tmp_path, monkeypatch):
    """The folder of the page's files and data, as the current one; what its commands name is forgotten."""
    for text in blocks("python", "yaml"):
        path = tmp_path / text.partition("\n")[0].removeprefix("# ")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "bolts/__init__.py").touch()
    write_box_table(tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    before = {name: os.environ.pop(name, None) for name in (VARIABLE, FOLDER)}
    yield tmp_path
    for name in before:
        os.environ.pop(name, None)
    os.environ.update({name: value for name, value in before.items() if value is not None})
    folders_of.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "bolts"]:
        del sys.modules[name]


def commands() -> list[list[str]]:
    """The arguments of the page's commands, with the task first."""
    (text,) = blocks("bash")
    words = [shlex.split(line) for line in text.splitlines()]
    assert all(line[:2] == ["python", "-m"] and line[2].startswith("tasks.") for line in words)
    return [[line[2].removeprefix("tasks."), *line[3:]] for line in words]


def test_the_example_trains_and_is_evaluated(page, command):
    train, evaluate = commands()
    said = command(*train, *SMALL)
    assert said.status == 0, said.err
    assert "recipe=detect_own\n" in said.out and "10 training and 2 validation images" in said.out
    metrics = json.loads((page / "outputs/bolts/metrics.json").read_text())
    assert metrics["images"] == 2
    os.environ.pop(FOLDER)
    said = command(*evaluate, "hydra.run.dir=scored", "data.workers=0", "trainer.accelerator=cpu")
    assert said.status == 0, said.err
    assert json.loads((page / "scored/metrics.json").read_text())["mAP"] == metrics["mAP"]
    os.environ[VARIABLE] = ""
    refused = command(*(word for word in evaluate if "plugins" not in word), "hydra.run.dir=refused")
    assert refused.status == 2 and "plugins=[…] for a package of your own" in refused.err


def test_without_the_package_it_is_refused(page, command):
    train = [word for word in commands()[0] if "plugins" not in word and "backbone" not in word]
    refused = command(*train)
    assert refused.status == 2 and refused.err.endswith("plugins=[bolts] allows your own\n")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("dataset.root=nowhere", "nowhere/labels.csv: no such file; set dataset.root=… or dataset.table=…"),
        ("dataset.tables=a.csv", "dataset.tables: no such key (did you mean table?)"),
        ("dataset=bolt", "dataset=bolt: no such option (did you mean bolts"),
        ("dataset.val.share=null", "dataset.val.share=0.2 draws a fifth of the images to score"),
    ],
)
def test_mistakes_are_one_line(typed, said, page, command):
    refused = command(*commands()[0], *SMALL, typed)
    assert refused.status == 2 and said in refused.err and refused.err.count("\n") == 1
