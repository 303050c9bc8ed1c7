"""Images in both splits are found by their bytes, under whatever name."""

import shutil

import pytest

from tasks.data.datasets.cityscapes import Cityscapes
from tasks.data.datasets.coco import Coco
from tasks.data.datasets.folders import Folders
from tasks.data.loading.mixture import MixedSamples, Part
from tasks.data.loading.same_files import PIECE, paths_of, same_files
from tasks.data.loading.split_checks import report_overlap
from tasks.data.loading.subset import Subset


def test_only_equal_bytes_are_the_same(tmp_path):
    content = bytes(range(256)) * 100
    for name, data in {
        "a": content,
        "b": content,
        "first_differs": b"x" + content[1:],
        "middle_differs": content[: len(content) // 2] + b"x" + content[len(content) // 2 + 1 :],
        "last_differs": content[:-1] + b"x",
        "longer": content + b"x",
        "empty": b"",
        "other_empty": b"",
        "small": b"ab",
        "same_small": b"ab",
    }.items():
        (tmp_path / name).write_bytes(data)
    assert len(content) > 2 * PIECE
    train = [tmp_path / name for name in ("first_differs", "a", "empty", "missing", "small")]
    val = [tmp_path / name for name in ("longer", "b", "middle_differs", "last_differs", "other_empty", "same_small")]
    assert same_files(train, val) == [(tmp_path / "b", tmp_path / "a"), (tmp_path / "same_small", tmp_path / "small")]


@pytest.mark.parametrize("kind", ["folders", "coco", "cityscapes"])
def test_a_copy_under_another_name_is_said(kind, folders, coco, cityscapes, capsys):
    make, copy, source = {
        "folders": (lambda: Folders(folders), folders / "val/red/new.jpg", folders / "train/red/red_0.jpg"),
        "coco": (lambda: Coco(coco), coco / "val2017/000000000201.jpg", coco / "train2017/000000000101.jpg"),
        "cityscapes": (
            lambda: Cityscapes(cityscapes),
            cityscapes / "leftImg8bit/val/ulm/ulm_000001_000019_leftImg8bit.png",
            cityscapes / "leftImg8bit/train/ulm/ulm_000003_000019_leftImg8bit.png",
        ),
    }[kind]
    shutil.copy(source, copy)
    train, val = make().train(), make().val()
    line = (
        f"1 of {len(val)} validation images are also trained on ({copy} is {source}, byte for byte): their scores say "
        "little\n"
    )
    for learned, scored in ((train, val), (Subset(train, range(len(train))), val)):
        report_overlap(learned, scored)
        assert capsys.readouterr().out == line
    report_overlap(MixedSamples([Part("y", train, [])]), MixedSamples([Part("z", val, [])]))
    assert capsys.readouterr().out == line
    assert paths_of(Subset(train, [2])) == [train.path(2)] and paths_of(object()) == []
