"""Cityscapes' polygons: the same boxes as of its instanceIds, groups told from objects."""

import json

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import UserError
from tasks.data.datasets.cityscapes import Cityscapes
from tasks.data.datasets.cityscapes_classes import THINGS
from tasks.data.files.instances import pack_instances

LABELS = {label.name: label.label_id for label in THINGS}


def square(label: str, left: int, top: int, right: int, bottom: int) -> dict:
    """A polygon around whole pixels, both ends included."""
    return {"label": label, "polygon": [[left, top], [right, top], [right, bottom], [left, bottom]]}


SCENE = {
    "imgHeight": 40,
    "imgWidth": 60,
    "objects": [
        square("road", 0, 20, 59, 39),
        square("car", 5, 22, 24, 35),
        square("car", 15, 25, 34, 38),  # in front of the first
        square("pole", 30, 0, 32, 39),  # cuts the second's end off
        square("persongroup", 40, 10, 55, 20),
        square("license plate", 10, 24, 12, 30),
        square("caravan", 50, 30, 58, 36),
    ],
}


def write(path, scene):
    path.write_text(json.dumps(scene))
    return path


def test_boxes_hold_what_can_be_seen(tmp_path):
    truth = pack_instances([write(tmp_path / "a.json", SCENE)], LABELS).annotations(0)
    assert (truth.height, truth.width) == (40, 60)
    assert [list(LABELS)[label] for label in truth.labels] == ["person", "car", "car"]
    assert truth.crowd.tolist() == [True, False, False]
    assert truth.boxes.tolist() == [[40, 10, 16, 11], [5, 22, 20, 14], [15, 25, 20, 14]]
    assert truth.areas.tolist() == [16 * 11, 20 * 14 - 10 * 11, 20 * 14 - 3 * 14], "a plate covers nothing, a pole does"


def test_polygons_give_the_boxes_of_the_instance_files_drawn_from_them(cityscapes):
    """An object that something covers wholly has none; its number is not given to another."""
    from tasks.data.files.polygons import draw_ids

    for path in sorted(cityscapes.glob("gtFine/*/*/*_labelIds.png")):
        scene = {**SCENE, "imgHeight": 48, "imgWidth": 64}
        write(path.with_name(path.name.replace("labelIds.png", "polygons.json")), scene)
    of_polygons = Cityscapes(cityscapes, targets=["boxes"]).val()
    for path in sorted(cityscapes.glob("gtFine/*/*/*_polygons.json")):
        ids = draw_ids(path, LABELS, 1000).astype(np.uint16)
        Image.fromarray(ids).save(path.with_name(path.name.replace("polygons.json", "instanceIds.png")))
        path.unlink()
    of_ids = Cityscapes(cityscapes, targets=["boxes"]).val()
    for index in range(len(of_ids)):
        for one, other in zip(of_polygons.annotations(index), of_ids.annotations(index), strict=True):
            assert np.array_equal(one, other)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not JSON"),
        ("[]", "cannot read polygons"),
        ('{"imgHeight": 4, "imgWidth": 4}', "no 'objects'"),
        ('{"imgHeight": 4, "imgWidth": 4, "objects": [{"label": "car", "polygon": [[0, "x"]]}]}', "'x'"),
        ('{"imgHeight": 4, "imgWidth": 4, "objects": [{"label": "car", "polygon": [[0, 1]]}]}', "cannot read polygons"),
    ],
)
def test_a_damaged_file_is_named(tmp_path, text, message):
    path = tmp_path / "b.json"
    path.write_text(text)
    with pytest.raises(UserError, match=r"b\.json") as raised:
        pack_instances([path], LABELS)
    assert message in str(raised.value)
