"""Boxes in packed arrays: order, repairs, and what a batch holds."""

from pathlib import Path

import numpy as np
import pytest

from tasks.common.errors import UserError
from tasks.data.files.boxes import PackedBoxes, pack

SIZES = [(20, 30), (10, 10), (40, 40)]  # height, width


def packed(*rows):
    """Each row: place of the image, x, y, width, height, label, crowd."""
    table = np.array(rows, np.float64).reshape(-1, 7)
    return PackedBoxes(
        np.array([7, 5, 9]),
        np.array(SIZES),
        table[:, 0].astype(np.int64),
        table[:, 1:5],
        table[:, 5].astype(np.int64),
        np.arange(len(table), dtype=np.float64),
        table[:, 6].astype(bool),
        np.arange(100, 100 + len(table)),
    )


def test_every_image_has_its_own_in_the_order_of_the_file():
    boxes = packed((2, 1, 2, 3, 4, 0, 0), (0, 5, 6, 7, 8, 1, 0), (2, 9, 10, 11, 12, 2, 1), (0, 0, 0, 2, 2, 3, 0))
    first, second, third = (boxes.annotations(index) for index in range(3))
    assert first.boxes.tolist() == [[5, 6, 7, 8], [0, 0, 2, 2]] and first.labels.tolist() == [1, 3]
    assert second.boxes.shape == (0, 4) and len(second.labels) == 0
    assert third.boxes.tolist() == [[1, 2, 3, 4], [9, 10, 11, 12]] and third.crowd.tolist() == [False, True]
    assert [one.areas.tolist() for one in (first, third)] == [[1, 3], [0, 2]]
    assert [(one.image_id, one.height, one.width) for one in (first, second, third)] == [
        (7, 20, 30), (5, 10, 10), (9, 40, 40)
    ]  # fmt: skip
    assert boxes.to_train(0).tolist() == [[5, 6, 12, 14, 1], [0, 0, 2, 2, 3]]
    assert boxes.to_train(1).shape == (0, 5)
    assert boxes.to_train(2).tolist() == [[1, 2, 4, 6, 0]], "crowds are not learned"


def test_no_boxes_at_all():
    boxes = packed()
    assert boxes.to_train(2).shape == (0, 5) and boxes.annotations(2).boxes.shape == (0, 4)


@pytest.mark.parametrize(
    ("box", "corners", "kind"),
    [
        ((-3, 2, 10, 5), [0, 2, 7, 7], "clipped"),
        ((25, 15, 10, 10), [25, 15, 30, 20], "clipped"),
        ((20, 15, 10.3, 5.3), [20, 15, 30, 20], None),  # rounding
        ((5, 5, 0, 4), None, "empty"),
        ((5, 5, 4, 0.9), None, "empty"),
        ((29.5, 5, 10, 10), None, "empty"),  # half a pixel within the image
        ((35, 5, 10, 10), None, "empty"),
        ((5, 5, np.nan, 4), None, "broken"),
        ((5, np.inf, 4, 4), None, "broken"),
    ],
)
def test_repairs(box, corners, kind):
    boxes = packed((0, 1, 1, 4, 4, 2, 0), (0, *box, 1, 0))
    found = boxes.to_train(0).tolist()
    assert found == [[1, 1, 5, 5, 2]] + ([[*corners, 1]] if corners else [])
    assert {name: ids.tolist() for name, ids in boxes.repairs._asdict().items()} == {
        name: [101] if name == kind else [] for name in ("clipped", "empty", "broken")
    }
    scored = boxes.annotations(0).boxes.tolist()
    assert scored == [[1, 1, 4, 4]] + ([list(box)] if kind != "broken" else []), "scoring takes them as they are"
    line = boxes.repairs.line(Path("folder/file.json"))
    assert line.startswith("file.json: boxes 1 ") and line.endswith("(annotation 101)") if kind else not line
    assert boxes.repairs.line(Path("list.txt"), lambda number: f"{number}.xml").endswith("(101.xml)") or not kind


def test_something_must_be_there_to_learn():
    packed((0, 1, 1, 4, 4, 2, 0)).must_teach(Path("file.json"))
    for boxes in (packed(), packed((0, 1, 1, 4, 4, 2, 1), (0, 1, 1, 0.5, 4, 2, 0))):
        with pytest.raises(UserError, match=r"^folder/file\.json has no box to learn from$"):
            boxes.must_teach(Path("folder/file.json"))


def test_what_training_changes_stays_out_of_the_set():
    boxes = packed((0, 1, 1, 4, 4, 2, 0))
    boxes.to_train(0)[:] = 0
    assert boxes.to_train(0).tolist() == [[1, 1, 5, 5, 2]]


def test_a_batch_is_filled_up_with_class_minus_one():
    one, none, two = np.ones((1, 5), np.float32), np.ones((0, 5), np.float32), np.full((2, 5), 3, np.float32)
    batch = pack([one, none, two])
    assert batch.shape == (3, 2, 5) and batch.dtype == np.float32
    assert batch[..., 4].tolist() == [[1, -1], [-1, -1], [3, 3]]
    assert (batch[1, :, :4] == 0).all() and (batch[0, 0] == 1).all() and (batch[2] == 3).all()
    assert pack([none]).tolist() == [[[0, 0, 0, 0, -1]]], "at least one row"
