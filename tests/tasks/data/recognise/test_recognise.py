"""Every layout is recognised with the exact command, which composes; what is not clear is listed."""

import json
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest
from hydra import compose
from hydra.core.override_parser.overrides_parser import OverridesParser

from tasks.app.auto import recognised
from tasks.app.interpolations import conf_folder
from tasks.app.resolve import resolve
from tasks.common.errors import UserError
from tasks.data.recognise.spelling import command, override
from tasks.engine.instantiate import make
from tests.conftest import write_coco
from tests.layouts import boxes, foreign, label_maps, labels
from tests.test_config import configuration

WRITERS = {
    "yolo": boxes.write_yolo,
    "yolo without val": lambda root: boxes.write_yolo(root, val=None),
    "yolo outlines": lambda root: boxes.write_yolo(root, outlines=True),
    "voc": boxes.write_voc,
    "voc without lists": lambda root: boxes.write_voc(root, lists=False),
    "voc in splits": boxes.write_voc_splits,
    "voc masks": label_maps.write_voc,
    "labelme": boxes.write_labelme,
    "labelme outlines": boxes.write_labelme,
    "coco": boxes.write_coco,
    "coco outlines": boxes.write_coco,
    "coco in splits": boxes.write_coco_splits,
    "masks": lambda root: label_maps.write_folders(root, "images/{split}/{stem}.jpg", "masks/{split}/{stem}.png"),
    "masks in splits": lambda root: label_maps.write_folders(
        root, "{split}/images/{stem}.jpg", "{split}/masks/{stem}.png"
    ),
    "masks with a suffix": lambda root: label_maps.write_folders(root, "images/{stem}.jpg", "masks/{stem}_mask.png"),
    "masks beside": lambda root: label_maps.write_folders(root, "{split}/{stem}.jpg", "{split}/{stem}_mask.png"),
    "masks in one folder": lambda root: label_maps.write_folders(root, "{stem}.jpg", "{stem}_L.png"),
    "masks of colours": lambda root: label_maps.write_folders(
        root, "{split}/{stem}.png", "{split}_labels/{stem}_L.png", coloured=True
    ),
    "camvid": lambda root: label_maps.write_folders(root, "{split}/{stem}.png", "{split}annot/{stem}.png"),
    "masks of 0 and 255": label_maps.write_binary,
    "a mask for each class": label_maps.write_by_class,
    "ade20k": label_maps.write_ade20k,
    "folders": lambda root: labels.write_folders(root, "{split}/{name}/{file}"),
    "folders with valid": lambda root: labels.write_folders(root, "{split}/{name}/{file}", val="valid"),
    "folders with test alone": lambda root: labels.write_folders(root, "{split}/{name}/{file}", "Train", "Test"),
    "folders without a split": lambda root: labels.write_folders(root, "{name}/{file}"),
    "splits in class folders": lambda root: labels.write_folders(root, "{name}/{split}/{file}"),
    "a wrapped folder": lambda root: labels.write_folders(root / "export", "{name}/{file}"),
    "folders beside others": lambda root: (
        labels.write_folders(root / "images", "{name}/{file}"),
        (root / "meta").mkdir(),
    ),
    "folders of split words": lambda root: labels.write_folders(root, "seg_{split}/seg_{split}/{name}/{file}"),
    "a table": labels.write_table,
}


class Layout(NamedTuple):
    """An entry of layouts.txt: the task, what is typed after `dataset=`, and what is said."""

    task: str
    typed: str
    said: str


def entries() -> dict[str, Layout]:
    found = {}
    text = (Path(__file__).parent / "layouts.txt").read_text()
    for entry in re.split(r"\n(?=\S)", text)[1:]:
        head, *lines = entry.splitlines()
        name, task = head.split(" | ")
        said = next(line for line in lines if line.startswith("  = "))
        found[name] = Layout(task, " ".join(line.strip() for line in lines if line != said), said.removeprefix("  = "))
    return found


LAYOUTS = entries()


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_recognised_with_its_command(name, tmp_path, capsys):
    task, typed, said = LAYOUTS[name]
    WRITERS[name](tmp_path)
    words = recognised(task, ["seed=1", "dataset=auto", f"dataset.root={tmp_path}", "ema=null"])
    expected = f"dataset={typed} seed=1 ema=null".replace("ROOT", str(tmp_path))
    found, printed = capsys.readouterr().out.splitlines()
    assert printed == f"command   python -m tasks.{task} {expected}"
    assert said in found and found.startswith(f"found     {tmp_path}")
    assert words == shlex.split(expected)


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_command_composes(name):
    task, typed, _ = LAYOUTS[name]
    dataset = configuration(*shlex.split(f"dataset={typed}".replace("ROOT", "here")), task=task).dataset
    assert dataset._target_.startswith("tasks.data.datasets.")


def unclear(task, root, *words):
    with pytest.raises(UserError) as caught:
        recognised(task, ["dataset=auto", f"dataset.root={root}", *words])
    return str(caught.value).replace(str(root), "ROOT").splitlines()


def test_two_layouts_are_listed_with_a_command_for_each(tmp_path):
    boxes.write_yolo(tmp_path)
    (tmp_path / "all.json").write_text(boxes.instances(boxes.truth(), outlines=False))
    first, *lines = unclear("detect", tmp_path, "seed=1")
    assert first == "dataset=auto: ROOT fits 2 layouts; type the command that is meant:"
    assert [line.strip().split(":")[0] for line in lines[::2]] == ["YOLO (data.yaml)", "COCO's JSON"]
    assert all(
        line.startswith("    python -m tasks.detect dataset=") and line.endswith(" seed=1") for line in lines[1::2]
    )


def test_two_tables_are_listed(tmp_path):
    labels.write_table(tmp_path)
    (tmp_path / "other.csv").write_text((tmp_path / "labels.csv").read_text())
    assert unclear("classify", tmp_path)[0] == "dataset=auto: ROOT fits 2 layouts; type the command that is meant:"


def test_labels_of_another_kind_name_the_task_that_learns_from_them(tmp_path):
    boxes.write_voc(tmp_path)
    lines = unclear("classify", tmp_path)
    assert (
        lines[0]
        == "dataset=auto: ROOT has no class of each image, which tasks.classify learns from; these commands fit:"
    )
    assert lines[2].startswith("    python -m tasks.detect dataset=voc dataset.root=ROOT")


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("KITTI", "datum convert -if kitti_detection"),
        ("Open Images", "datum convert -if open_images"),
        ("CVAT's XML", "export the task from CVAT as COCO 1.0"),
        ("VIA", "globox convert via.json"),
        ("Supervisely", ".to_coco("),
        ("Label Studio", "label-studio-converter export"),
    ],
)
def test_the_converter_of_another_layout_is_named(name, way, tmp_path):
    foreign.write(tmp_path, name)
    for task in ("detect", "segment", "classify"):
        first, line = unclear(task, tmp_path)
        assert first == "dataset=auto: ROOT has a layout that is not read here; to convert it:"
        assert line.startswith(f"  {name}: ") and way in line


@pytest.mark.parametrize("header", [True, False])
def test_a_table_of_boxes_leads_to_the_reader_of_the_documentation(header, tmp_path):
    boxes.write_box_table(tmp_path, header=header)
    assert unclear("detect", tmp_path)[1] == (
        "  a table of boxes: docs/own_data.md has a reader of such tables, to be adapted to its columns"
    )


def test_what_is_not_known_is_said(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing")
    assert unclear("detect", tmp_path)[0].startswith(
        "dataset=auto: ROOT has no layout that is known (there: notes.txt)"
    )
    assert unclear("detect", tmp_path / "gone") == [
        "dataset.root=ROOT/gone: no such folder".replace("ROOT/gone", "ROOT")
    ]
    with pytest.raises(UserError, match=r"dataset=auto needs dataset.root=<folder>"):
        recognised("detect", ["dataset=auto"])


def test_typed_keys_stay_as_they_are(tmp_path, capsys):
    labels.write_folders(tmp_path, "{split}/{name}/{file}")
    words = recognised("classify", ["dataset=auto", f"dataset.root={tmp_path}", "dataset.val.share=0.5"])
    assert words[2:] == ["dataset.layout=split_first", "dataset.train_split=train", "dataset.val.share=0.5"]
    assert recognised("classify", ["dataset=folders", "seed=1"]) == ["dataset=folders", "seed=1"]


@pytest.mark.parametrize(
    "value",
    ["{stem}_mask.png", "it's here", "a b,c=d", "", "null", "3", None, True, 0.2, [1, "a b"], "back\\slash\\", "ünï",
     {"sky": 0, "two words": [3, 4], "a:b": [[1, 2, 3]]}],
)  # fmt: skip
def test_values_are_read_again_as_they_are(value):
    (word,) = shlex.split(command("m", [override("dataset.key", value)]))[3:]
    (read,) = OverridesParser.create().parse_overrides([word])
    assert read.value() == value


def test_auto_among_several_data_sets_is_refused(command, tmp_path):
    result = command("multitask", "datasets=[auto,streets]", f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 2 and "dataset=auto is typed by itself on the command line" in result.err


def test_a_table_with_a_split_and_images_in_several_folders(tmp_path):
    for number in range(6):
        labels.write_image(tmp_path / f"part_{number % 2}" / f"{number}.jpg", 20)
    rows = [f"{number}.jpg,a{number % 2},{'Train' if number < 4 else 'Valid'}" for number in range(6)]
    (tmp_path / "train.csv").write_text("\n".join(["Image Index,Finding Labels,split", *rows]))
    words = recognised("classify", ["dataset=auto", f"dataset.root={tmp_path}"])
    assert words[3:] == [
        "dataset.images=.", "dataset.file='Image Index'", "dataset.label='Finding Labels'", "dataset.split=split",
        "dataset.train_split=Train", "dataset.val_split=Valid",
    ]  # fmt: skip


def test_a_validation_folder_that_is_not_there_is_drawn(tmp_path):
    """Roboflow's data.yaml names ../valid/images even if only train was exported."""
    boxes.write_yolo(tmp_path)
    text = (tmp_path / "data.yaml").read_text()
    (tmp_path / "data.yaml").write_text(re.sub(r"(?m)^val(id)?:.*$", "val: ../nowhere/images", text))
    words = recognised("detect", ["dataset=auto", f"dataset.root={tmp_path}"])
    assert words[2:] == ["dataset.train_split=train", "dataset.val.share=0.2", "dataset.val.seed=0"]


def test_xml_in_a_folder_of_any_name_and_a_set_in_a_folder_of_a_repository(tmp_path):
    boxes.write_voc(tmp_path / "kangaroo", lists=False)
    (tmp_path / "kangaroo/annotations").rename(tmp_path / "kangaroo/annots")
    boxes.write_voc(tmp_path / "repository/BCCD")
    labels.write_image(tmp_path / "repository/example.jpg", 20)
    for folder, root in (("kangaroo", "kangaroo"), ("repository", "repository/BCCD")):
        words = recognised("detect", ["dataset=auto", f"dataset.root={tmp_path / folder}"])
        assert words[:2] == ["dataset=voc", f"dataset.root={tmp_path / root}"]
        dataset = make(resolve("detect", configuration(*words, task="detect")).run.data.dataset, "dataset")
        assert len(dataset.train()) > len(dataset.val()) > 0


@pytest.mark.parametrize("own", [False, True])
def test_cocos_folders_with_classes_of_ones_own_are_ones_own_data(tmp_path, own):
    """And so get the recipe that fits them: COCO's is for 80 classes and 300 epochs."""
    write_coco(tmp_path)
    names = ["cell"] if own else ["person", *(f"thing {number}" for number in range(78)), "toothbrush"]
    for path in (tmp_path / "annotations").glob("instances_*.json"):
        content = json.loads(path.read_text())
        if not own:
            content["categories"] = [{"id": number, "name": name} for number, name in enumerate(names, 1)]
        path.write_text(json.dumps(content))
    words = recognised("detect", ["dataset=auto", f"dataset.root={tmp_path}"])
    assert words[0] == ("dataset=coco_json" if own else "dataset=coco")
    with conf_folder():
        chosen = compose("detect", words, return_hydra_config=True).hydra.runtime.choices
    assert chosen.recipe == ("detect_own" if own else "detect_coco")
