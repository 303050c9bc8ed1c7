"""Boundary F1: by hand, and against all distances between contour pixels."""

import json
import multiprocessing
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tasks.segment.boundaries import boundary_f1, contours
from tasks.segment.miou import MeanIoU
from tasks.segment.scores import WithBoundaries

VOID = 255


def contour_of(labels, c):
    """Pixels (row, column) of class c beside another class, pixel by pixel."""
    height, width = labels.shape
    found = []
    for y, x in np.argwhere(labels == c):
        beside = [(y + down, x + right) for down, right in ((-1, 0), (1, 0), (0, -1), (0, 1))]
        inside = [labels[at] for at in beside if 0 <= at[0] < height and 0 <= at[1] < width]
        if any(other not in (c, VOID) for other in inside):
            found.append((y, x))
    return np.array(found).reshape(-1, 2)


def by_all_distances(labels, truth, classes, tolerance):
    labels = np.where(truth == VOID, VOID, labels)
    reach = max(1.0, tolerance * np.hypot(*labels.shape))
    scores = []
    for c in range(classes):
        ours, theirs = contour_of(labels, c), contour_of(truth, c)
        if not len(ours) and not len(theirs):
            scores.append(np.nan)
        elif not len(ours) or not len(theirs):
            scores.append(0.0)
        else:
            close = ((ours[:, None] - theirs[None]) ** 2).sum(2) <= reach**2
            p, r = close.any(1).mean(), close.any(0).mean()
            scores.append(2 * p * r / (p + r) if p + r else 0.0)
    return np.array(scores)


def blobs(seed, size=(40, 56), classes=4):
    random = np.random.default_rng(seed)
    coarse = random.integers(0, classes, (5, 7)).astype(np.uint8)
    labels = coarse.repeat(8, 0).repeat(8, 1)[: size[0], : size[1]]
    return np.roll(labels, random.integers(-3, 4, 2), (0, 1))


def test_by_hand():
    """A vertical edge that is two pixels off, of 20 rows; its tolerance decides."""
    truth, labels = np.zeros((20, 30), np.uint8), np.zeros((20, 30), np.uint8)
    truth[:, 10:], labels[:, 12:] = 1, 1
    assert contours(truth).sum() == 40 and contours(truth)[:, 9:11].all()
    diagonal = np.hypot(20, 30)
    assert boundary_f1(labels, truth, 3, 2.1 / diagonal).tolist()[:2] == [1.0, 1.0]
    assert boundary_f1(labels, truth, 3, 1.9 / diagonal).tolist()[:2] == [0.0, 0.0]
    assert np.isnan(boundary_f1(labels, truth, 3, 0.1)[2]), "a class that is nowhere"
    truth[:10, 11:] = VOID  # the upper half of the edge is in no map: its right side was to be ignored
    half = boundary_f1(truth, truth, 3, 0.0)
    assert half.tolist()[:2] == [1.0, 1.0]
    missing = boundary_f1(np.zeros_like(truth), truth, 2, 0.0)
    assert missing.tolist() == [0.0, 0.0], "no contour was predicted"


@pytest.mark.parametrize("tolerance", [0.0, 0.03, 0.0751])
@pytest.mark.parametrize("seed", range(4))
def test_against_all_distances(seed, tolerance):
    truth, labels = blobs(seed), blobs(seed + 100)
    mixed = np.where(np.random.default_rng(seed).random(truth.shape) < 0.8, truth, labels)
    truth[5:9, :20] = VOID
    for predicted in (labels, mixed, np.roll(truth, 1, 0)):
        found = boundary_f1(predicted, truth, 5, tolerance)
        np.testing.assert_allclose(found, by_all_distances(predicted, truth, 5, tolerance), rtol=1e-12)


def pairs():
    return [(torch.from_numpy(blobs(seed)[None]), torch.from_numpy(blobs(seed + 9)[None])) for seed in range(5)]


NAMES = ("a", "b", "c", "d", "nowhere")


def test_the_mean_is_of_the_images_that_have_a_contour():
    metric, plain, rows = WithBoundaries(NAMES, 0.03), MeanIoU(NAMES), []
    for labels, truth in pairs():
        metric.update(labels, truth)
        plain.update(labels, truth)
        rows.append(by_all_distances(labels[0].numpy(), truth[0].numpy(), 5, 0.03))
    found = metric.compute()
    expected = [np.mean([row[c] for row in rows if not np.isnan(row[c])]) for c in range(4)]
    assert [found[f"boundary_F1/{name}"] for name in NAMES[:4]] == pytest.approx(expected)
    assert found["boundary_F1/nowhere"] is None and found["boundary_F1"] == pytest.approx(np.mean(expected))
    assert {key: found[key] for key in plain.compute()} == plain.compute() and [*found][-1] == "images"
    assert WithBoundaries(NAMES, 0.03).compute()["boundary_F1"] is None


def score_in_process(rank: int, folder: Path, given) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    metric = WithBoundaries(NAMES, 0.03)
    for labels, truth in given[rank::2]:
        metric.update(labels, truth)
    (folder / f"{rank}.json").write_text(json.dumps(metric.compute()))
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(sys.platform != "linux", reason="forks, so as not to import torch twice more")
@pytest.mark.filterwarnings("ignore")
def test_two_processes_score_as_one(tmp_path):
    alone = WithBoundaries(NAMES, 0.03)
    for labels, truth in pairs():
        alone.update(labels, truth)
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=score_in_process, args=(rank, tmp_path, pairs())) for rank in range(2)]
    for process in processes:
        process.start()
    for rank, process in enumerate(processes):
        process.join(timeout=60)
        assert process.exitcode == 0
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == alone.compute()
