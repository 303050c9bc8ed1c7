"""The best overlap with any anchor, against all anchors one by one."""

import numpy as np
import torch
from torchvision.ops import box_iou

from heads.anchors import paper
from tasks.detect.reach import best_overlap


def test_as_all_anchors_one_by_one():
    generator = np.random.default_rng(0)
    size, cells = (96, 160), [(6, 10), (3, 5), (2, 3), (1, 2)]
    anchors = paper(len(cells))
    corner = generator.uniform(-5, 100, (500, 2))
    boxes = np.concatenate((corner, corner + generator.uniform(1, 90, (500, 2))), 1)
    expected = box_iou(torch.tensor(boxes, dtype=torch.float32), anchors.make(cells, size)).max(1).values.numpy()
    assert np.abs(best_overlap(boxes, anchors.shapes, cells, size) - expected).max() < 1e-5


def test_by_hand():
    shapes, cells, size = [[(0.5, 0.5)]], [(1, 1)], (100, 200)  # one anchor: 50×50 around (100, 50)
    boxes = np.array([[75, 25, 125, 75], [100, 25, 125, 75], [0, 0, 10, 10]], np.float64)
    assert best_overlap(boxes, shapes, cells, size).tolist() == [1, 0.5, 0]
