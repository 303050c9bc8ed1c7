"""CocoMAP: batches, files' ids, two processes."""

import math

import numpy as np
import pytest
import torch
import torch.multiprocessing

from heads.boxes import Detections
from tasks.common.annotations import Annotations
from tasks.detect.error_kinds import errors
from tasks.detect.metric import CocoMAP
from tasks.detect.page import curves
from tasks.detect.quality import match

CLASSES = [("cat", 17), ("dog", 3), ("unseen", 90)]
Image = tuple[Annotations, torch.Tensor, torch.Tensor, torch.Tensor]


def images(count: int = 5) -> list[Image]:
    """Annotations, boxes, scores (often equal) and labels; the second image has neither boxes nor detections."""
    random = np.random.default_rng(0)
    made = []
    for number in range(count):
        objects = 0 if number == 1 else 4 + number
        corners, sizes = random.uniform(0, 50, (objects, 2)), random.uniform(5, 50, (objects, 2))
        labels = random.integers(0, 2, objects)
        annotations = Annotations(
            2**60 + 90 - number,  # falling, and more than a float holds
            100,
            100,
            np.concatenate((corners, sizes), 1),
            labels,
            sizes[:, 0] * sizes[:, 1],
            random.random(objects) < 0.1,
        )
        boxes = np.concatenate((corners, corners + sizes), 1) + random.normal(0, 3, (objects, 4))
        scores = np.sort(random.random(objects).round(1))[::-1].copy()
        made.append(
            (annotations, *map(torch.from_numpy, (boxes.astype(np.float32), scores.astype(np.float32), labels)))
        )
    return made


def update(metric: CocoMAP, batch: list[Image]) -> None:
    """Detections filled up to the longest, as `heads.select` gives them."""
    annotations, boxes, scores, labels = zip(*batch, strict=True)

    def fill(values: tuple[torch.Tensor, ...], value: float) -> torch.Tensor:
        return torch.nn.utils.rnn.pad_sequence(list(values), batch_first=True, padding_value=value)

    metric.update(Detections(fill(boxes, 0), fill(scores, 0), fill(labels, -1)), annotations)


def scores(*batches: list[Image], official: bool = False) -> tuple[dict, CocoMAP]:
    metric = CocoMAP(CLASSES, official)
    for batch in batches:
        update(metric, batch)
    return metric.compute(), metric


def test_batches_do_not_matter():
    made = images()
    whole, metric = scores(made)
    assert whole == scores(*([each] for each in reversed(made)))[0]
    assert 0.05 < whole["mAP"] < 0.95 and whole["images"] == 5
    assert [*whole][12:] == ["AP/cat", "AP/dog", "AP/unseen", "images"]
    assert whole["AP/unseen"] is None and math.isclose((whole["AP/cat"] + whole["AP/dog"]) / 2, whole["mAP"])
    assert set(metric.found.category) == {3, 17} and metric.found.boxes.dtype == np.float64


def test_pycocotools_says_the_same():
    ours, official = (scores(images(), official=official)[0] for official in (False, True))
    assert ours.keys() == official.keys()
    for name, value in ours.items():
        assert value == official[name] or math.isclose(value, official[name], rel_tol=0, abs_tol=1e-12), name


def test_boxes_are_the_files():
    made = images(1)
    _, metric = scores(made)
    annotations, boxes, found_scores, _ = made[0]
    np.testing.assert_array_equal(metric.truths.boxes, annotations.boxes)
    boxes = boxes.double().numpy()
    np.testing.assert_array_equal(metric.found.boxes, np.concatenate((boxes[:, :2], boxes[:, 2:] - boxes[:, :2]), 1))
    np.testing.assert_array_equal(metric.found.scores, found_scores.double().numpy())
    assert set(metric.found.image) == {2**60 + 90}


def test_what_was_computed_outlives_a_reset():
    expected, metric = scores(images())
    metric.reset()
    assert metric.result.numbers["mAP"] == expected["mAP"] and len(metric.found.scores) > 5
    update(metric, images(1))
    assert metric.compute()["images"] == 1


def test_detections_are_matched_once(monkeypatch):
    _, metric = scores(images())
    first = metric.judged()
    monkeypatch.setattr("tasks.detect.metric.judge", lambda *_: pytest.fail("again"))
    assert metric.judged() is first and curves(metric)["confusion"]["counts"]
    metric.reset()
    monkeypatch.undo()
    update(metric, images(1))
    metric.compute()
    assert metric.judged() is not first, "of other images"


def test_no_detections_at_all():
    made = [(each[0], each[1][:0], each[2][:0], each[3][:0]) for each in images()]
    numbers, metric = scores(made)
    assert numbers["mAP"] == 0 and numbers["images"] == 5
    matrix = curves(metric)["confusion"]
    truths = sum(len(each[0].labels) - int(each[0].crowd.sum()) for each in made)
    assert sum(row[-1] for row in matrix["counts"]) == truths, "all of them were missed"
    assert matrix["note"].startswith("Detections with a score of at least 0.300, because none is right")


def test_the_threshold_of_the_best_f1():
    """Every score as a threshold in turn, counted by hand: right boxes, all boxes, all truths."""
    _, metric = scores(images())
    threshold = metric.judged().best_threshold()
    assert threshold == errors(metric.judged()).score
    f1 = {}
    for score in np.unique(metric.found.scores):
        counts = errors_at(metric, score)
        f1[score] = 2 * counts["right"] / (2 * counts["right"] + counts["wrong"] + counts["missed"])
    assert f1[threshold] == max(f1.values()) and 0 < f1[threshold] < 1
    assert scores(images()[1:2])[1].judged().best_threshold() is None, "nothing was found"


def errors_at(metric: CocoMAP, score: float) -> dict[str, int]:
    """Right, wrong and missed boxes of all images from a score on, image by image."""
    counts = {"right": 0, "wrong": 0, "missed": 0}
    truths, found = metric.truths, metric.found
    for image in metric.image_ids:
        own, true = (found.image == image) & (found.scores >= score), truths.image == image
        boxes, true_boxes = (np.concatenate((v[:, :2], v[:, :2] + v[:, 2:]), 1) for v in (found.boxes, truths.boxes))
        matches = match(
            boxes[own],
            found.category[own],
            found.scores[own],
            true_boxes[true],
            truths.category[true],
            truths.crowd[true],
        )
        counts["right"] += matches.right
        counts["wrong"] += int(matches.wrong.sum())
        counts["missed"] += int(matches.missed.sum())
    return counts


def test_an_image_twice_is_refused():
    made = images()
    with pytest.raises(ValueError, match=f"image {2**60 + 88} was scored 2 times"):
        scores(made, made[2:3])


SHARES = ([[0, 2, 4], [1, 3]], [[4, 3, 2, 1, 0], []])  # each process's images; the second time one has none


def work(rank: int, address: str, answers: torch.multiprocessing.Queue) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{address}", rank=rank, world_size=2)
    made, metric = images(), CocoMAP(CLASSES)
    for share in SHARES:
        for number in share[rank]:
            update(metric, [made[number]])
        numbers = metric.compute()
        metric.reset()
        answers.put((numbers, metric.found.scores.tolist(), metric.truths.image.tolist()))
    torch.distributed.destroy_process_group()


def test_two_processes_score_as_one_does(tmp_path):
    expected, metric = scores(images())
    context = torch.multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [context.Process(target=work, args=(rank, str(tmp_path / "meet"), answers)) for rank in range(2)]
    for process in processes:
        process.start()
    received = [answers.get(timeout=100) for _ in range(4)]
    for process in processes:
        process.join(100)
    for numbers, found_scores, truth_images in received:
        assert numbers == expected
        assert found_scores == metric.found.scores.tolist() and truth_images == metric.truths.image.tolist()
