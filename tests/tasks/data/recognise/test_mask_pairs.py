"""Images and label maps in folders of any names, as well-known public sets have them, are found with their paths."""

import shlex

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from PIL import Image

from tasks.app.auto import recognised
from tasks.common.errors import UserError
from tasks.data.datasets.masks import MaskFolders
from tasks.data.recognise.split_texts import inside
from tests.layouts import label_maps

TRAIN_VAL = "train_split=train val_split=val"
DRAWN = "val.share=0.2 val.seed=0"
LAYOUTS = {  # written to; what the command has for images, masks and splits
    "annotations/trimaps": ("images/Cat_{stem}.jpg", "annotations/trimaps/Cat_{stem}.png",
                            "images/{stem}.jpg", "annotations/trimaps/{stem}.png", DRAWN),
    "input and truth": ("Task1-2_Input/I_{stem}.jpg", "Task1_GroundTruth/I_{stem}_segmentation.png",
                        "Task1-2_Input/{stem}.jpg", "Task1_GroundTruth/{stem}_segmentation.png", DRAWN),
    "nothing named": ("x/{stem}.jpg", "y/{stem}.png", "x/{stem}.jpg", "y/{stem}.png", DRAWN),
    "areas": ("{split}/Rural/images_png/{stem}.png", "{split}/Rural/masks_png/{stem}.png",
              "{split}/Rural/images_png/{stem}.png", "{split}/Rural/masks_png/{stem}.png", TRAIN_VAL),
    "deep": ("images/10k/{split}/{stem}.jpg", "labels/sem/masks/{split}/{stem}.png",
             "images/10k/{split}/{stem}.jpg", "labels/sem/masks/{split}/{stem}.png", TRAIN_VAL),
    "split in names": ("{split}/{split}-org-img/{stem}.jpg", "{split}/{split}-label-img/{stem}_lab.png",
                       "{split}/{split}-org-img/{stem}.jpg", "{split}/{split}-label-img/{stem}_lab.png", TRAIN_VAL),
    "four folders": ("{split}_images/{stem}.jpg", "{split}_masks/{stem}.png",
                     "{split}_images/{stem}.jpg", "{split}_masks/{stem}.png", TRAIN_VAL),
    "traincrop": ("{split}crop/{stem}.jpg", "{split}crop/{stem}.png",
                  "{split}crop/{stem}.jpg", "{split}crop/{stem}.png", TRAIN_VAL),
    "both with an end": ("{split}/{stem}_sat.jpg", "{split}/{stem}_mask.png",
                         "{split}/{stem}_sat.jpg", "{split}/{stem}_mask.png", TRAIN_VAL),
    "both with a beginning": ("images/image_{stem}.jpg", "labels/label_{stem}.png",
                              "images/image_{stem}.jpg", "labels/label_{stem}.png", DRAWN),
    "beginnings in one folder": ("img_{stem}.jpg", "mask_{stem}.png", "img_{stem}.jpg", "mask_{stem}.png", DRAWN),
    "a folder for each": ("{stem}/{stem}_image.jpg", "{stem}/{stem}_label.png",
                          "{folder_a}/{stem}_image.jpg", "{folder_a}/{stem}_label.png", DRAWN),
    "sequences": ("seq {stem}/images/{stem}.jpg", "seq {stem}/masks/{stem}.png",
                  "{folder_a}/images/{stem}.jpg", "{folder_a}/masks/{stem}.png", DRAWN),
    "folders below": ("images/a/{stem}.jpg", "masks/a/{stem}.png", "images/{stem}.jpg", "masks/{stem}.png", DRAWN),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_the_paths_of_pairs_are_found(name, tmp_path, capsys):
    *written, images, masks, splits = LAYOUTS[name]
    root = tmp_path / "set"
    truth = label_maps.write_folders(root, *written)
    words = recognised("segment", ["dataset=auto", f"dataset.root={tmp_path}"])
    keys = {one.key_or_group: one.value() for one in OverridesParser.create().parse_overrides(words)}
    typed = {"dataset": "masks", "root": keys["dataset.root"], "images": images, "masks": masks, "classes": "found"}
    typed |= dict(word.split("=") for word in splits.split())
    assert {key.removeprefix("dataset."): str(value) for key, value in keys.items()} == typed
    assert "label maps of mode L with 3 values (0, 1, 2) in " in capsys.readouterr().out
    share = {"share": keys.get("dataset.val.share"), "seed": 0}
    options = {key: keys.get(f"dataset.{key}") for key in ("images", "masks", "train_split", "val_split", "classes")}
    found = MaskFolders(keys["dataset.root"], val=share, **options)
    sides = [found.train(), found.val()]
    read = {side.path(index): side.read(index)["mask"] for side in sides for index in range(len(side))}
    stems = {stem: [path for path in read if stem in path.name] for stem in truth}
    assert len(read) == len(truth)
    assert all(np.array_equal(read[path], truth[stem]) for stem, (path,) in stems.items())


def test_two_kinds_of_label_maps_are_both_named(tmp_path):
    label_maps.write_folders(tmp_path, "{split}/images/{stem}_x.png", "{split}/1st_manual/{stem}_manual1.png")
    label_maps.write_folders(tmp_path, "{split}/images/{stem}_x.png", "{split}/mask/{stem}_x_mask.png")
    with pytest.raises(UserError, match="fits 2 layouts; type the command that is meant") as error:
        recognised("segment", ["dataset=auto", f"dataset.root={tmp_path}"])
    commands = [shlex.split(line) for line in str(error.value).splitlines() if "python -m" in line]
    assert ["dataset.masks='{split}/mask'" in words for words in commands] == [True, False]
    assert ["dataset.masks='{split}/1st_manual/{stem}_manual1.png'" in words for words in commands] == [False, True]


def test_other_maps_beside_the_labels_are_passed_over(tmp_path):
    label_maps.write_folders(tmp_path, "rgb/{stem}.png", "semantic/{stem}.png")
    label_maps.write_folders(tmp_path, "rgb/{stem}.png", "instances/{stem}.png")
    words = recognised("segment", ["dataset=auto", f"dataset.root={tmp_path}"])
    assert "dataset.masks='semantic/{stem}.png'" in words


def test_photos_of_equal_names_are_classes(tmp_path):
    for name in ("cat", "dog"):
        label_maps.write_folders(tmp_path, name + "/{stem}.png", "gone/{stem}.png")
    for file in (tmp_path / "gone").iterdir():
        file.unlink()
    assert recognised("classify", ["dataset=auto", f"dataset.root={tmp_path}"])[0] == "dataset=folders"


def test_a_map_of_another_size_is_no_label_map(tmp_path):
    label_maps.write_folders(tmp_path, "a/{stem}.png", "b/{stem}.png")
    for file in (tmp_path / "b").iterdir():
        Image.open(file).resize((20, 20)).save(file)
    with pytest.raises(UserError, match="has no label maps"):
        recognised("segment", ["dataset=auto", f"dataset.root={tmp_path}"])


def test_a_split_within_a_name_needs_another_beside():
    assert inside("ISIC_Training_Input", ["ISIC_Training_Input", "ISIC_Validation_Input"]) == "Training"
    assert inside("traincrop", ["traincrop", "valcrop"]) == "train"
    assert inside("traincrop", ["traincrop", "testes"]) == ""
    assert inside("trainers", ["trainers", "shoes"]) == ""


def test_label_maps_of_grey_and_alpha_are_described(tmp_path, capsys):
    label_maps.write_folders(tmp_path, "images/{stem}.jpg", "masks/{stem}.png")
    for file in (tmp_path / "masks").iterdir():
        Image.open(file).convert("LA").save(file)
    recognised("segment", ["dataset=auto", f"dataset.root={tmp_path}"])
    assert "label maps of mode LA with 3 values ((0, 255), (1, 255), (2, 255))" in capsys.readouterr().out


def test_the_folders_of_ade20k_alone_do_not_make_its_classes(tmp_path):
    label_maps.write_folders(tmp_path, "images/training/{stem}.jpg", "annotations/training/{stem}.png")
    assert recognised("segment", ["dataset=auto", f"dataset.root={tmp_path}"])[0] == "dataset=masks"
    label_maps.write_folders(tmp_path, "images/training/ADE_{stem}.jpg", "annotations/training/ADE_{stem}.png")
    assert recognised("segment", ["dataset=auto", f"dataset.root={tmp_path}"])[0] == "dataset=ade20k"
