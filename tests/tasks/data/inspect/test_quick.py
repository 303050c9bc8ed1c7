"""What is said before training without decoding an image."""

from pathlib import Path

import numpy as np

from tasks.data.datasets.annotated_files import AnnotatedFiles
from tasks.data.files.boxes import PackedBoxes
from tasks.data.inspect.of_boxes import doubled
from tasks.data.inspect.quick import quick_lines

CLASSES = {"boxes": [["cat", 1], ["dog", 2]]}


def packed(images: int, rows: list[tuple[int, int, list[float]]], crowd: tuple[int, ...] = ()) -> PackedBoxes:
    """Boxes (image, class, xywh) of 160×120 images."""
    return PackedBoxes(
        np.arange(images),
        np.tile([120, 160], (images, 1)),
        np.array([row[0] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64).reshape(-1, 4),
        np.array([row[1] for row in rows], np.int64),
        np.ones(len(rows)),
        np.isin(np.arange(len(rows)), crowd),
        np.arange(len(rows)),
    )


def split(folder: Path, names: list[str], boxes: PackedBoxes) -> AnnotatedFiles:
    return AnnotatedFiles(folder, names, source=folder, boxes=boxes)


def test_a_line_for_each(tmp_path):
    train = packed(3, [(0, 0, [10, 10, 50, 50]), (0, 0, [10, 10, 50, 50]), (1, 1, [5, 5, 9, 9])])
    learned = split(tmp_path, ["0.png", "1.png", "2.png"], train)
    scored = split(tmp_path, ["3.png", "4.png"], packed(2, [(0, 0, [10, 10, 50, 50])]))
    assert quick_lines(learned, scored, CLASSES) == [
        "1 training box on another of the same class; python -m tasks.doctor shows them",
        "no box of dog in val: not scored; python -m tasks.doctor shows them",
    ]
    assert quick_lines(scored, learned, CLASSES) == []


def test_doubled_by_hand():
    rows = [
        (0, 0, [10, 10, 100, 100]),
        (0, 1, [10, 10, 100, 100]),  # another class
        (1, 0, [10, 10, 100, 100]),  # another image
        (0, 0, [50, 50, 20, 20]),
        (0, 0, [10, 10, 100, 96]),  # IoU 0.96
        (0, 0, [10, 10, 100, 90]),  # IoU 0.9 with the first, 0.9375 with the fifth
        (0, 0, [10, 10, 100, 100]),  # a crowd
    ]
    boxes = packed(2, rows, crowd=(6,))
    assert boxes.boxes[doubled(boxes)].tolist() == [[10, 10, 100, 96]]
    assert doubled(packed(1, [])).tolist() == []
