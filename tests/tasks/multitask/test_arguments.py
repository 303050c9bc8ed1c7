"""datasets=[…] on the command line."""

import pytest

from tasks.common.errors import UserError
from tasks.multitask.arguments import spelled_out


def test_a_list_becomes_a_choice_of_dataset_for_each():
    arguments = ["datasets=[coco, cityscapes]", "datasets.coco.root=there", "heads=[detect]"]
    assert spelled_out(arguments) == [
        "dataset=mixed",
        "+dataset@datasets.coco=coco",
        "+dataset@datasets.cityscapes=cityscapes",
        "++data.draw.coco=1.0",
        "++data.draw.cityscapes=1.0",
        "datasets.coco.root=there",
        "heads=[detect]",
    ]


def test_data_sets_may_have_names_of_their_own():
    assert spelled_out(["datasets={day:cityscapes,night:cityscapes}"]) == [
        "dataset=mixed",
        "+dataset@datasets.day=cityscapes",
        "+dataset@datasets.night=cityscapes",
        "++data.draw.day=1.0",
        "++data.draw.night=1.0",
    ]


@pytest.mark.parametrize("value", ["coco", "[]", "[coco,]", "{coco}", "{a:coco,b:}", "[a-b]", "[coco", "", "[1]"])
def test_anything_else_is_refused(value):
    with pytest.raises(UserError, match=r"datasets=\[coco,cityscapes\], or with names"):
        spelled_out([f"datasets={value}"])


def test_a_name_stands_for_one_data_set():
    with pytest.raises(UserError, match="names coco twice"):
        spelled_out(["datasets=[coco,coco]"])
