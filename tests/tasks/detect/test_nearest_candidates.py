"""Which of the checkpoint's candidates each box of an exported file is."""

import numpy as np

from tasks.detect.selection import PIXELS, Candidates, matches_of


def test_each_box_has_the_nearest_candidate_that_no_earlier_one_has():
    random = np.random.default_rng(0)
    boxes, scores = random.random((200, 4)).astype(np.float32) * 90, random.random((200, 3)).astype(np.float32)
    picked = random.integers(0, 200, 120)  # some twice
    result = {
        "boxes": boxes[picked] + random.normal(0, 1, (120, 4)).astype(np.float32),
        "scores": scores[picked, 0],
        "labels": random.integers(0, 3, 120),
    }
    result["boxes"][7], result["labels"][8] = np.nan, 3
    found = matches_of(result, Candidates(boxes, boxes, scores, 0.5, 300, scale=(2.0, 0.5)))
    taken = set()
    for number, (box, score, label) in enumerate(zip(*(result[key].tolist() for key in result), strict=True)):
        if number in (7, 8):
            assert found.anchors[number] == -1 and not found.boxes[number].any() and found.scores[number] == 0
            continue
        more = [
            [(ours - theirs) / by for ours, theirs, by in zip(box, own, (2.0, 0.5, 2.0, 0.5), strict=True)]
            for own in boxes.tolist()
        ]
        above = [score - own for own in scores[:, label].tolist()]
        distances = [max(map(abs, side)) + PIXELS * abs(other) for side, other in zip(more, above, strict=True)]
        nearest = min((d, a) for a, d in enumerate(distances) if (a, label) not in taken)[1]
        taken.add((nearest, label))
        assert found.anchors[number] == nearest
        assert found.boxes[number].tolist() == more[nearest] and found.scores[number] == above[nearest]
