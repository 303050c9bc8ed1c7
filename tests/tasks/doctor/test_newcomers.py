"""What the doctor says of a stray value, turned photos, boxes without label maps, and options of one's own folder."""

import base64
import io
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.common.plugins import FOLDER, without_folder
from tasks.data.datasets.annotated_files import AnnotatedFiles
from tasks.data.files.boxes import PackedBoxes
from tasks.doctor.arguments import task_of
from tasks.doctor.pictures import one_way
from tests.tasks.data.inspect.test_fingerprint import photo
from tests.tasks.doctor.test_doctor import examined  # noqa: F401 - a fixture


@pytest.fixture
def masked(tmp_path: Path) -> Path:
    """Nine photos to train and three to score with label maps of 0 and 1; one has 77 in 24 of its 19,200 pixels."""
    root = tmp_path / "masked"
    for split, count in (("train", 9), ("val", 3)):
        for kind in ("images", "masks"):
            (root / kind / split).mkdir(parents=True)
        for number in range(count):
            photo(number + (20 if split == "val" else 0)).save(root / "images" / split / f"{number}.png")
            ids = np.zeros((120, 160), np.uint8)
            ids[30:90, 40:120] = 1
            if (split, number) == ("train", 3):
                ids[0, :24] = 77
            Image.fromarray(ids).save(root / "masks" / split / f"{number}.png")
    return root


def test_a_stray_value_with_an_own_folder_of_options(examined, masked, tmp_path):  # noqa: F811
    options = tmp_path / "options"
    (options / "dataset").mkdir(parents=True)
    (options / "dataset" / "mine.yaml").write_text(f"defaults: [masks]\nroot: {masked}\n")
    try:
        result, found, _ = examined("--config-dir", str(options), "dataset=mine")
    finally:
        os.environ.pop(FOLDER, None)
    assert result.status == 0, result.err
    stray = found["stray_classes", ""]
    assert (stray["level"], stray["count"]) == ("look", 1)
    assert stray["text"] == "value 77: one file of 12, 0.01% of the pixels: a mistake?"
    assert stray["examples"] == ["3.png (77)"]
    assert stray["advice"] == 'list the classes to have it refused: "dataset.classes={0: 0, 1: 1}"'


def test_a_value_of_no_class_is_refused_with_a_way_out(examined, masked):  # noqa: F811
    result, found, _ = examined("dataset=masks", f"dataset.root={masked}", "dataset.classes={0: 0, 1: 1}")
    assert result.status == 1 and ("stray_classes", "") not in found
    refused = found["values_no_class", "train"]
    assert refused["text"] == "1 label file of 9 has values or colours that belong to no class"
    assert "3.png has the value 77" in refused["examples"][0]
    assert "dataset.classes" in refused["advice"] and "message" not in refused["advice"]


def test_a_task_accepts_its_folder_of_options_between_other_words(command, masked, tmp_path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "mine.yaml").write_text(f"defaults: [masks]\nroot: {masked}\n")
    try:
        shown = command("segment", "dataset=mine", "--config-dir", str(tmp_path), "recipe=none", "--cfg", "job").out
    finally:
        os.environ.pop(FOLDER, None)
    assert f"root: {masked}" in shown
    assert without_folder(["-cd", "a", "b=c", "--config-dir=d", "-m"]) == ["b=c", "-m"]


def voc(root: Path, turn: int = 1) -> Path:
    """Six photos with XML and without label maps; the first may be stored turned."""
    for kind in ("images", "annotations"):
        (root / kind).mkdir(parents=True)
    exif = Image.Exif()
    exif[0x0112] = turn
    for number in range(6):
        photo(number).save(root / f"images/{number}.jpg", **({"exif": exif} if number == 0 else {}))
        (root / f"annotations/{number}.xml").write_text(
            f"<annotation><filename>{number}.jpg</filename><size><width>160</width><height>120</height></size><object>"
            "<name>bolt</name><bndbox><xmin>11</xmin><ymin>11</ymin><xmax>50</xmax><ymax>40</ymax></bndbox></object>"
            "</annotation>"
        )
    return root


def test_boxes_without_label_maps_are_for_detection(tmp_path, capsys):
    root = voc(tmp_path / "voc")
    assert task_of(["dataset=voc", f"dataset.root={root}", "dataset.val.share=0.4"]) == "detect"
    assert "task=segment: not here: " in capsys.readouterr().out


def test_other_tasks_are_named_if_none_opens(tmp_path, capsys):
    task_of(["dataset=voc", f"dataset.root={voc(tmp_path / 'voc')}"])  # without splits
    assert capsys.readouterr().out.endswith("read as for task=segment; task=detect might do as well\n")


def test_turned_photos_are_shown_both_ways(examined, tmp_path):  # noqa: F811
    root = voc(tmp_path / "voc", turn=3)
    result, found, folder = examined("task=detect", "dataset=voc", f"dataset.root={root}", "dataset.val.share=0.4")
    (turns,) = (each for key, each in found.items() if key[0] == "exif_turns")
    assert "both ways" in turns["advice"] and "dataset.upright=true" in turns["advice"]
    page = (folder / "doctor.html").read_text()
    side = turns["split"]
    tile = rf'src="data:image/jpeg;base64,([^"]+)" alt=""><figcaption>{side}/0\.jpg, ([a-z ]+)<'
    both = dict(re.findall(tile, page))
    assert sorted(both.values()) == ["as stored", "upright"]
    stored, upright = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("L"), int)
        for data, _ in sorted(both.items(), key=lambda item: item[1])
    )
    assert json.loads((folder / "doctor.json").read_text())["wrong"] == result.status
    inside = slice(60, 100), slice(70, 140)  # without a box
    assert abs(upright[::-1, ::-1][inside] - stored[inside]).mean() < 12 < abs(upright[inside] - stored[inside]).mean()


@pytest.mark.parametrize("relative", [False, True])
def test_labels_stay_where_their_files_say(tmp_path, relative):
    """A photo that is stored on its side: boxes in pixels stay, shares of the picture go with its size."""
    exif = Image.Exif()
    exif[0x0112] = 6
    photo(1).save(tmp_path / "a.jpg", exif=exif)
    one = np.ones(1, np.int64)
    xywh = np.array([[16.0, 12, 80, 60]])
    boxes = PackedBoxes(one, np.array([[120, 160]]), one * 0, xywh, one * 0, np.ones(1), one == 0, one)
    samples = AnnotatedFiles(tmp_path, ["a.jpg"], source=tmp_path, boxes=boxes, upright=False)
    samples.relative = relative
    for upright, size, box in (
        (False, (120, 160), [16, 12, 96, 72, 0]),
        (True, (160, 120), [12, 16, 72, 96, 0] if relative else [16, 12, 96, 72, 0]),
    ):
        sample = one_way(samples, 0, upright)
        assert sample["image"].shape[:2] == size
        assert sample["bboxes"].tolist() == [box]
