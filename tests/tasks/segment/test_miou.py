"""Segmentation scores: by hand, and to the last digit those of Cityscapes' own evaluation script."""

import json
import multiprocessing
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from tasks.segment.miou import MeanIoU, confusion

NAMES = ("road", "car", "tree", "bus")


def images(*rows: list[list[int]], dtype: torch.dtype = torch.uint8) -> Tensor:
    return torch.tensor(rows, dtype=dtype)


def random_pair(seed: int, shape: tuple[int, ...], classes: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels, truth = torch.randint(classes, (2, *shape), generator=generator).to(torch.uint8)
    truth[torch.rand(shape, generator=generator) < 0.1] = 255
    return labels, truth


def test_two_by_two_by_hand() -> None:
    metric = MeanIoU(("road", "car"))
    metric.update(images([[0, 0], [1, 1]]), images([[0, 1], [1, 1]]))
    assert metric.matrix.tolist() == [[1, 0], [1, 2]]  # rows the truth
    scores = metric.compute()
    assert scores == {
        "mIoU": (1 / 2 + 2 / 3) / 2,
        "pixel_accuracy": 3 / 4,
        "iou/road": 1 / 2,
        "iou/car": 2 / 3,
        "images": 1,
    }
    assert {type(value) for value in scores.values()} == {float, int}


def test_void_absent_and_merely_predicted_classes() -> None:
    metric = MeanIoU(NAMES)
    metric.update(images([[0, 1, 2, 1]]), images([[0, 0, 255, 255]]))  # tree is predicted on void only
    assert metric.compute() == {
        "mIoU": (1 / 2 + 0.0) / 2,
        "pixel_accuracy": 1 / 2,
        "iou/road": 1 / 2,
        "iou/car": 0.0,  # predicted on road, nowhere true: counts
        "iou/tree": None,
        "iou/bus": None,
        "images": 1,
    }


def test_nothing_but_void_has_no_score() -> None:
    metric = MeanIoU(NAMES)
    metric.update(images([[0, 3]]), images([[255, 255]]))
    scores = metric.compute()
    assert scores.pop("images") == 1
    assert set(scores.values()) == {None}


def test_scores_are_over_all_pixels_not_an_average_over_images() -> None:
    metric = MeanIoU(("road", "car"))
    metric.update(images([[0, 0, 0, 1]]), images([[0, 0, 0, 0]]))  # another size in each call
    metric.update(images([[1]]), images([[1]]))
    assert metric.compute()["iou/road"] == 3 / 4
    assert metric.compute()["iou/car"] == 1 / 2
    assert metric.compute()["images"] == 2


def test_batch_of_two_is_two_batches_of_one() -> None:
    labels, truth = random_pair(0, (2, 31, 17), 4)
    both, single = MeanIoU(NAMES), MeanIoU(NAMES)
    both.update(labels, truth)
    for n in range(2):
        single.update(labels[n : n + 1], truth[n : n + 1])
    assert both.compute() == single.compute()
    both.reset()
    both.update(labels, truth)
    assert both.compute() == single.compute()


@pytest.mark.parametrize("classes", [1, 2, 19, 127, 128, 200, 255])
@pytest.mark.parametrize("dtypes", [(torch.uint8, torch.uint8), (torch.int64, torch.int16), (torch.int32, torch.int64)])
def test_confusion_counts_pairs(classes: int, dtypes: tuple[torch.dtype, torch.dtype]) -> None:
    labels, truth = random_pair(classes, (40, 50), classes)
    expected = np.zeros((256, classes), np.int64)
    np.add.at(expected, (truth.numpy(), labels.numpy()), 1)
    labels, truth = labels.to(dtypes[0]), truth.to(dtypes[1])
    before = truth.clone()
    matrix = confusion(labels, truth, classes)
    assert matrix.dtype == torch.int64
    assert matrix.tolist() == expected[:classes].tolist()
    assert torch.equal(truth, before)


def test_confusion_of_strided_and_empty_maps_and_another_void() -> None:
    labels, truth = random_pair(0, (40, 50), 5)
    expected = confusion(labels.t().contiguous(), truth.t().contiguous(), 5)
    assert torch.equal(confusion(labels.t(), truth.t(), 5), expected)
    assert confusion(labels[:0], truth[:0], 5).tolist() == [[0] * 5] * 5
    assert confusion(images([[0, 1, 1]]), images([[0, 0, 1]]), 2, ignore=0).tolist() == [[0, 0], [0, 1]]


def test_counts_are_exact_beyond_what_float32_holds() -> None:
    zeros = torch.zeros(2**24 + 3, dtype=torch.uint8)
    assert confusion(zeros, zeros, 1).tolist() == [[2**24 + 3]]


def test_accelerators_count_alike() -> None:
    if not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        pytest.skip("needs CUDA or MPS")
    device = "cuda" if torch.cuda.is_available() else "mps"
    labels, truth = random_pair(0, (2, 40, 50), 4)
    here, there = MeanIoU(NAMES), MeanIoU(NAMES).to(device)
    here.update(labels, truth)
    there.update(labels.to(device), truth.to(device))
    assert here.compute() == there.compute()


def test_class_names_must_fit_a_byte_beside_void() -> None:
    with pytest.raises(ValueError, match="256 classes: a label is one of 1 to 255"):
        MeanIoU([str(k) for k in range(256)])


@pytest.mark.parametrize(
    ("labels", "truth", "message"),
    [
        (images([[0, 4]]), images([[0, 1]]), r"label 4 is not one of the 4 classes"),
        (images([[0, 255]]), images([[0, 255]]), r"label 255 "),
        (images([[0, -1]], dtype=torch.int64), images([[0, 1]]), r"label -1 "),
        (images([[0, 1]]), images([[0, 4]]), r"truth 4 is not one of the 4 classes, 0 to 3, nor void, 255"),
        (images([[0, 1]]), images([[0, -100]], dtype=torch.int64), r"truth -100 "),
        (images([[0, 1]]), images([[0, 70000]], dtype=torch.int64), r"truth 70000 "),
        (images([[0, 1]]), images([[0, 1, 1]]), r"\(1, 1, 2\) and truth \(1, 1, 3\)"),
        (images([[0, 1]])[0], images([[0, 1]])[0], r"shape \(N, H, W\), got \(1, 2\)"),
    ],
)
def test_wrong_values_are_named(labels: Tensor, truth: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MeanIoU(NAMES).update(labels, truth)


def test_equals_the_official_evaluation_to_the_last_digit(tmp_path: Path) -> None:
    official = pytest.importorskip("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
    classes = [label for label in official.labels if label.trainId not in (-1, 255)]
    ids = np.array([label.id for label in classes], np.uint8)
    ignored = np.array([label.id for label in official.labels if label.id >= 0 and label.ignoreInEval], np.uint8)
    generator = np.random.default_rng(0)
    metric = MeanIoU([label.name for label in classes])
    files: dict[str, list[str]] = {"gtFine": [], "results": []}
    for n, (height, width) in enumerate([(33, 47), (20, 64), (50, 31)]):
        truth = generator.integers(0, 15, (height, width)).astype(np.uint8)  # classes 15 to 18 are never true ...
        wrong = generator.random(truth.shape) < 0.4
        labels = np.where(wrong, generator.integers(0, 17, truth.shape), truth).astype(np.uint8)  # ... 17 and 18 absent
        void = generator.random(truth.shape) < 0.1
        label_ids = np.where(void, generator.choice(ignored, truth.shape), ids[truth])
        for kind, array in (("gtFine", label_ids), ("results", ids[labels])):
            path = tmp_path / kind / "val" / "ulm" / f"ulm_{n:06d}_000019_{kind}_labelIds.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(path)
            files[kind].append(str(path))
        metric.update(torch.from_numpy(labels)[None], torch.from_numpy(np.where(void, np.uint8(255), truth))[None])
    settings = vars(official.args) | {"evalInstLevelScore": False, "JSONOutput": False, "quiet": True}
    results = official.evaluateImgLists(files["results"], files["gtFine"], SimpleNamespace(**settings))
    scores = metric.compute()
    assert scores["mIoU"] == results["averageScoreClasses"]
    for label in classes:
        iou = results["classScores"][label.name]
        assert scores[f"iou/{label.name}"] == (None if np.isnan(iou) else iou)
    assert scores["iou/motorcycle"] is scores["iou/bicycle"] is None
    assert scores["iou/bus"] == 0
    matrix = np.array(results["confMatrix"])[np.ix_(ids, ids)]
    assert scores["pixel_accuracy"] == np.trace(matrix) / matrix.sum()


def score_in_process(rank: int, folder: Path, pairs: list[tuple[Tensor, Tensor]]) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    metric = MeanIoU(NAMES)
    for labels, truth in pairs[rank::2]:
        metric.update(labels, truth)
    (folder / f"{rank}.json").write_text(json.dumps(metric.compute()))
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(sys.platform != "linux", reason="forks, so as not to import torch twice more")
@pytest.mark.filterwarnings("ignore")
def test_two_processes_score_as_one(tmp_path: Path) -> None:
    pairs = [random_pair(seed, (1, 20 + seed, 30), 4) for seed in range(3)]  # the first process gets two of the three
    alone = MeanIoU(NAMES)
    for labels, truth in pairs:
        alone.update(labels, truth)
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=score_in_process, args=(rank, tmp_path, pairs)) for rank in range(2)]
    for process in processes:
        process.start()
    for rank, process in enumerate(processes):
        process.join(timeout=60)
        assert process.exitcode == 0
        assert json.loads((tmp_path / f"{rank}.json").read_text()) == alone.compute()
