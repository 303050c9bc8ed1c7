"""The report of each class and calibration: by its definitions, and in any order of the images."""

import csv
import json
import multiprocessing
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from backbones.base import Feature
from heads.classification import ClassificationHead
from tasks.classify import scores
from tasks.classify.loss import ImageCrossEntropy
from tasks.classify.output import ClassifyOutput
from tasks.classify.scores import ClassifyScores, held_out
from tasks.classify.task import ClassifyTask
from tasks.common.errors import UserError
from tests.tasks.common.test_auroc import by_pairs

NAMES = ["a", "b", "c", "never"]


def some(count=200, times=3.0, classes=3):
    """Logits (N, 4) and labels of the first classes, drawn from 2/3 of the logits."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(count, 4, generator=generator)
    labels = torch.multinomial((2 * logits[:, :classes]).softmax(1), 1, generator=generator)[:, 0]
    return times * logits, labels


def scored(logits, labels, batch=37, **settings):
    metric = ClassifyScores(ClassifyOutput(NAMES, settings.pop("temperature", None)), **settings)
    for first in range(0, len(logits), batch):
        metric.update(logits[first : first + batch], labels[first : first + batch])
    return metric, metric.compute()


def test_each_class_against_the_rest():
    logits, labels = some()
    metric, found = scored(logits, labels)
    shares = logits.double().softmax(1).numpy()
    predicted, true = logits.argmax(1).numpy(), labels.numpy()
    for c, row in enumerate(metric.classes[:3]):
        hits, found_c, images = ((predicted == c) & (true == c)).sum(), (predicted == c).sum(), (true == c).sum()
        assert (row.name, row.images) == (NAMES[c], images)
        expected = hits / found_c, hits / images, 2 * hits / (found_c + images)
        assert (row.precision, row.recall, row.f1) == pytest.approx(expected)
        assert (row.auroc, row.error) == pytest.approx(by_pairs(shares[:, c], true == c))
        assert (row.right, row.wrong, row.missed) == (hits, found_c - hits, images - hits)
    never = metric.classes[3]
    assert (never.images, never.recall, never.auroc) == (0, None, None)
    assert never.precision == (0.0 if never.wrong else None)
    assert found["F1_macro"] == pytest.approx(np.mean([row.f1 for row in metric.classes[:3]]))
    assert found["AUROC"] == pytest.approx(np.mean([row.auroc for row in metric.classes[:3]]))
    one_hot = torch.nn.functional.one_hot(labels, 4).numpy()
    assert found["Brier"] == pytest.approx(((shares - one_hot) ** 2).sum(1).mean())
    assert found["NLL"] == pytest.approx(float(torch.nn.functional.cross_entropy(logits.double(), labels)))
    assert list(found) == ["top1", "top5", "F1_macro", "AUROC", "ECE", "NLL", "Brier", "images"]


def test_a_temperature_is_found_and_scored_on_the_other_half():
    logits, labels = some(2000, classes=4)
    metric, found = scored(logits, labels, calibrates=True)
    assert metric.temperature == pytest.approx(1.5, rel=0.1), "labels were drawn from 2/3 of the logits"
    assert found["ECE_held_out"] < 0.5 * found["ECE"] and found["NLL_held_out"] < found["NLL"]
    _, after = scored(logits, labels, temperature=metric.temperature)
    assert after["ECE_calibrated"] < 0.5 * after["ECE"] == pytest.approx(0.5 * found["ECE"])
    assert after["top1"] == found["top1"] and after["temperature"] == metric.temperature


def test_the_halves_are_drawn():
    logits = np.tile([[4.0, 0.0]], (40, 1)).astype(np.float32)
    labels = np.tile([0, 1], 20)  # taking turns, one half would be right everywhere and the other nowhere
    sure = held_out(logits, labels, labels == 0)
    assert sure.confidences.max() < 0.75, "about half of the images are right in either half"
    assert np.array_equal(sure.confidences, held_out(logits, labels, labels == 0).confidences)


def test_neither_order_nor_batches_matter():
    logits, labels = some()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    first, one = scored(logits, labels, calibrates=True, temperature=1.7)
    second, two = scored(logits[order], labels[order], batch=50, calibrates=True, temperature=1.7)
    assert one == two and first.classes == second.classes and first.temperature == second.temperature


def test_too_many_logits_are_not_kept(monkeypatch):
    logits, labels = some()
    _, whole = scored(logits, labels)
    monkeypatch.setattr(scores, "MOST", 100 * 4)
    metric, found = scored(logits, labels, calibrates=True)
    assert not metric.logits and metric.temperature is None and found["AUROC"] is None
    assert all(found[name] == whole[name] for name in ("top1", "F1_macro", "ECE", "NLL", "Brier", "images"))


def test_nothing_scored_and_no_numbers():
    _, found = scored(*(each[:0] for each in some()), calibrates=True)
    assert found["images"] == 0 and all(value is None for name, value in found.items() if name != "images")
    _, found = scored(torch.full((3, 4), float("nan")), torch.arange(3), calibrates=True)
    assert found["top1"] == 0.0 and found["ECE"] is found["NLL"] is found["Brier"] is None


@pytest.fixture
def task():
    features = {"c5": Feature(8, 32)}
    return ClassifyTask(features, ClassificationHead, ImageCrossEntropy(), None, NAMES, calibrate=True)


def test_a_checkpoint_has_the_temperature_and_predictions_apply_it(task, tmp_path):
    logits, labels = some()
    metric = task.metric()
    metric.update(logits, labels)
    metric.compute()
    plain = task.tensors(logits, (32, 32), "decoded")["probabilities"]
    task.calibrate(metric)
    metadata = task.metadata()
    assert metadata["temperature"] == metric.temperature
    assert torch.equal(task.tensors(logits, (32, 32), "decoded")["probabilities"], plain), "not while training"

    task.recall(metadata)
    probabilities = task.tensors(logits, (32, 32), "decoded")["probabilities"]
    torch.testing.assert_close(probabilities, (logits / metric.temperature).softmax(1))
    assert torch.equal(probabilities.argmax(1), logits.argmax(1))
    back = task.from_tensors({"probabilities": probabilities}, "decoded", (32, 32))
    torch.testing.assert_close(back.softmax(1), logits.softmax(1))
    assert task.recipe((32, 32)) == {"classes": NAMES, "temperature": metric.temperature}
    by_logits = task.output.result(task.found(logits[:1]))["probabilities"]
    np.testing.assert_allclose(by_logits, np.sort(probabilities[0].numpy())[::-1], rtol=1e-5)
    shipped = ClassifyOutput.of_model_json(task.recipe((32, 32)))
    assert shipped.result(task.found(logits[:1]))["probabilities"].tolist() == by_logits.tolist()

    (line,) = task.results(metric, tmp_path, None)
    rows = list(csv.DictReader((tmp_path / "classes.csv").open()))
    assert "classes.csv" in line and sorted(row["class"] for row in rows) == sorted(NAMES)
    assert rows[0].keys() >= {"precision", "recall", "F1", "AUROC", "AUROC_SE"}


@pytest.mark.parametrize("nonsense", ["x", 0, -1.0, True, float("inf"), float("nan")])
def test_nonsense_is_no_temperature(task, nonsense):
    with pytest.raises(UserError, match=f"temperature {nonsense!r} is no number above 0"):
        task.recall({"temperature": nonsense})
    task.recall({"temperature": None})
    assert task.output.temperature is None and "temperature" not in task.metadata()


def test_without_the_key_a_checkpoints_temperature_is_not_applied(task):
    task.calibrates = False
    task.recall({"temperature": 2.0})
    assert task.output.temperature is None


def score_in_process(rank: int, folder: Path, batches) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    metric = ClassifyScores(ClassifyOutput(NAMES, 1.7), calibrates=True)
    for logits, labels in batches[rank::2]:
        metric.update(logits, labels)
    (folder / f"{rank}.json").write_text(json.dumps([metric.compute(), metric.temperature, metric.classes]))
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(sys.platform != "linux", reason="forks, so as not to import torch twice more")
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("batch", [40, 200])  # of 200 images: three batches and two; all in the first process
def test_two_processes_score_as_one(tmp_path, batch):
    logits, labels = some()
    metric, expected = scored(logits, labels, calibrates=True, temperature=1.7)
    batches = list(zip(logits.split(batch), labels.split(batch), strict=True))
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=score_in_process, args=(rank, tmp_path, batches)) for rank in range(2)]
    for process in processes:
        process.start()
    for rank, process in enumerate(processes):
        process.join(timeout=60)
        assert process.exitcode == 0
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert found == [expected, metric.temperature, [list(row) for row in metric.classes]]
