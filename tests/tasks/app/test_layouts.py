"""The table of layouts in docs/data.md: each command opens its data set, and reads a sample of each split."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.app.auto import recognised
from tasks.app.resolve import resolve
from tasks.data.files.samples import key_of
from tasks.engine.instantiate import make
from tests.layouts import boxes, label_maps, labels
from tests.test_config import configuration

PAGE = (Path(__file__).parents[3] / "docs" / "data.md").read_text()
ROWS = re.findall(
    r"^\| (.+) \| `(tasks\..+)` \|$", PAGE.split("<!-- layouts -->")[1].split("<!-- /layouts -->")[0], re.MULTILINE
)
WRITERS: dict[str, Callable[[Path], Any]] = {  # by how a row begins
    "YOLO": boxes.write_yolo,
    "the same with polygons": lambda root: boxes.write_yolo(root, outlines=True),
    "VOC: ": boxes.write_voc,
    "VOC's XML without lists": lambda root: boxes.write_voc(root, lists=False),
    "VOC's XML by split": boxes.write_voc_splits,
    "VOC's label maps": label_maps.write_voc,
    "label maps by split": lambda root: label_maps.write_folders(
        root, "images/{split}/{stem}.jpg", "masks/{split}/{stem}.png"
    ),
    "label maps of 0 and 255": label_maps.write_binary,
    "label maps of colours": lambda root: label_maps.write_folders(
        root, "{split}/{stem}.png", "{split}_labels/{stem}_L.png", coloured=True
    ),
    "a label map for each class": label_maps.write_by_class,
    "COCO's JSON by split": boxes.write_coco_splits,
    "COCO's JSON, one file": boxes.write_coco,
    "its outlines": boxes.write_coco,
    "both heads": boxes.write_coco,
    "LabelMe": boxes.write_labelme,
    "a table of labels": labels.write_table,
    "a table of several": labels.write_tags,
    "a table with a column": lambda root: labels.write_tags(root, columns=True),
    "ADE20K": label_maps.write_ade20k,
    "class folders: ": lambda root: labels.write_folders(root, "{split}/{name}/{file}"),
    "class folders without": lambda root: labels.write_folders(root, "{name}/{file}"),
    "splits in class folders": lambda root: labels.write_folders(root, "{name}/{split}/{file}"),
    "any of these": lambda root: labels.write_folders(root, "{name}/{file}"),
}


@pytest.mark.parametrize(("layout", "command"), ROWS, ids=[layout for layout, _ in ROWS])
def test_the_command_of_a_layout_reads_it(layout, command, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (write,) = (writer for begin, writer in WRITERS.items() if layout.startswith(begin))
    write(tmp_path / "data")
    module, *words = shlex.split(command)
    task = module.removeprefix("tasks.")
    run = resolve(task, configuration(*recognised(task, words), task=task)).run
    if task == "multitask":
        run = run.changed(targets=["mask", "boxes"])
    dataset = make(run.data.dataset, "dataset")
    for kind in run.data.targets:
        assert len(dataset.classes[kind]) >= 2
    train, val = dataset.train(), dataset.val()
    assert len(train) >= 2 * len(val) > 0
    for split in (train, val):
        read = split.read(len(split) - 1)
        assert {key_of(kind) for kind in run.data.targets} <= set(read)
    assert not [problem for problem in (*train.check(), *val.check()) if problem]


def test_every_miniature_has_its_row():
    assert len(ROWS) == len(WRITERS)
