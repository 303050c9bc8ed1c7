"""What is looked at when a data set is opened: boxes at all, images that are trained on and scored, what is white."""

import json
import os

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import UserError
from tasks.data.datasets.cityscapes import Cityscapes
from tasks.data.datasets.coco import Coco
from tasks.data.datasets.folders import Folders
from tasks.data.files.instances import pack_instances
from tasks.data.loading.split_checks import check_boxes, report_overlap, set_white


def test_a_split_without_boxes_is_refused(coco):
    path = coco / "annotations" / "instances_val2017.json"
    check_boxes(Coco(coco).val(), "score against")
    content = json.loads(path.read_text())
    content["annotations"] = [row for row in content["annotations"] if row["iscrowd"]]
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"instances_val2017\.json has no box to score against: add images with obj"):
        check_boxes(Coco(coco).val(), "score against")


def test_images_that_are_trained_on_and_scored_are_counted(folders, cityscapes, coco, capsys):
    for dataset in (Folders(folders), Cityscapes(cityscapes), Coco(coco)):
        report_overlap(dataset.train(), dataset.val())
    assert capsys.readouterr().out == ""
    for dataset, count in (
        (Folders(folders, train_split="val"), 9),
        (Cityscapes(cityscapes, train_split="val"), 5),
        (Coco(coco, train_split="val2017"), 4),
    ):
        report_overlap(dataset.train(), dataset.val())
        assert capsys.readouterr().out == (
            f"{count} of {count} validation images are also trained on: their scores say little\n"
        )
    same = Folders(folders, train_split="val")
    report_overlap(same.train(), same.val(), drawable=True)
    assert capsys.readouterr().out == (
        "9 of 9 validation images are also trained on: their scores say little; dataset.val.share=0.2 draws others, "
        "and dataset.val.group=<regex> keeps frames of a video together\n"
    )
    report_overlap(same.train().of([0, 1, 2, 3]), same.val(), drawable=True)
    assert capsys.readouterr().out == "4 of 9 validation images are also trained on: their scores say little\n"
    (folders / "link").symlink_to("val")
    twice = Folders(folders, train_split="link")
    report_overlap(twice.train(), twice.val())
    assert "9 of 9" in capsys.readouterr().out


def test_white_holds_for_checking_and_reading(folders):
    values = np.arange(64, dtype=np.uint16).reshape(8, 8) * 64  # up to 4,032
    Image.fromarray(values).save(folders / "val" / "red" / "red_1.png")
    samples = Folders(folders).val()
    place = next(index for index in range(len(samples)) if samples.name(index) == "red__red_1.png")
    problems = list(samples.check())
    assert "set white=4095" in str(problems[place]) and problems.count(None) == len(problems) - 1
    set_white(samples, 4095)
    assert list(samples.check()) == [None] * len(samples)
    seen: list[np.ndarray] = []
    image = samples.read(place, lambda source: seen.append(source) or source)["image"]
    assert (image[..., 0] == values >> 4).all() and seen[0] is image, "views are given pixels"


def test_the_command_knows_what_is_white(command, folders, tmp_path):
    for path in (folders / "val").rglob("*.png"):
        Image.fromarray(np.full((8, 8), 900, np.uint16)).save(path)
    where = (f"dataset.root={folders}", f"hydra.run.dir={tmp_path / 'run'}", "dataset=folders", "recipe=none")
    result = command("classify", *where)
    assert result.status == 2
    assert "its 16-bit values end at 900 of 65,535, and nothing says which is white: set white=1023" in result.err
    result = command("classify", *where, "white=-1")
    assert result.status == 2 and "white=-1 is not a number above 0" in result.err
    os.mkfifo(folders / "val" / "blue" / "pipe.png")
    result = command("classify", *where, "white=1023")
    assert result.status == 2 and result.err.endswith("blue/pipe.png: it is a pipe (FIFO)\n")


@pytest.mark.parametrize(
    "change",
    [
        {"imgWidth": 65_535, "imgHeight": 65_535},
        {"imgWidth": 1e999},
        {"imgHeight": -3},
        {"objects": [{"label": "car", "polygon": [[float("inf"), 1], [2, 3], [4, 4]]}]},
        {"objects": [3]},
        {"objects": {"label": 3}},
    ],
)
def test_polygons_that_are_none_are_named(tmp_path, change):
    path = tmp_path / "town.json"
    path.write_text(json.dumps({"imgWidth": 9, "imgHeight": 8, "objects": []} | change))
    with pytest.raises(UserError, match=r"cannot read polygons .*town\.json"):
        pack_instances([path], {"car": 26})
    path.write_text("[" * 100_000)
    with pytest.raises(UserError, match=r"town\.json is nested too deeply"):
        pack_instances([path], {"car": 26})
