"""The real command on a tiny table: training, evaluation, prediction, export, pictures, and as a head of multitask."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tasks.app.load import load

NAMES = ["red", "green", "blue"]
TINY = (
    "backbone=mobilenet_v3_small",
    "backbone.width=0.35",
    "backbone.norm_momentum=0.1",
    "wants.skip_strides=2",
    "data.augment={}",
    "data.batch_size=4",
    "data.workers=0",
    "ema=0.9",
    "optimizer.lr=0.01",
    "cpu.keep_freed_memory=false",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=1",
    "pictures=2",
)
CROPS = ("head.hidden=0", "data.crop.size=32", "data.fit.resize=36", "data.fit.crop=32")


def write_table(root: Path, count: int = 12) -> Path:
    """Noise with squares of up to three colours; the table has a column of 0 and 1 for each."""
    generator = np.random.default_rng(0)
    (root / "images").mkdir(parents=True)
    rows = []
    for number in range(count):
        there = [number >> channel & 1 for channel in range(3)]
        image = generator.integers(0, 60, (32, 40, 3)).astype(np.uint8)
        for channel in range(3):
            image[8 * channel : 8 * channel + 10, 10:30, channel] += np.uint8(180 * there[channel])
        Image.fromarray(image).save(root / "images" / f"{number:02}.jpg", quality=95)
        rows.append([f"{number:02}", "val" if number % 3 == 2 else "train", *there])
    with (root / "table.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["id", "split", *NAMES], *rows])
    return root


@pytest.fixture
def root(tmp_path):
    return write_table(tmp_path / "data")


def scores(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text()) | {"seconds": 0}


def test_train_evaluate_predict_export(command, root, tmp_path):
    pytest.importorskip("onnxruntime")

    def run(folder: str, *arguments: str):
        result = command("multilabel", *arguments, f"hydra.run.dir={tmp_path / folder}")
        assert result.status == 0, result.err
        return result

    labels = "dataset.labels=[red,green,blue]"
    train = run("train", f"dataset.root={root}", labels, "task.loss.balance=0.5", "task.threshold=0.4", *TINY, *CROPS)
    assert "8 and 4 rows to train on and to score by column split" in train.out
    expected = scores(tmp_path / "train")
    assert expected["images"] == 4 and 0 <= expected["mAP"] <= 1
    assert list(expected)[:7] == ["mAP", "F1", "F1_macro", "exact", "AP/red", "AP/green", "AP/blue"]
    pictures = {path.name for path in (tmp_path / "train/pictures").iterdir()}
    assert pictures == {"labels.png", "average_precision.png"}
    rows = list(csv.DictReader((tmp_path / "train/classes.csv").open()))
    assert sorted(row["class"] for row in rows) == sorted(NAMES)
    assert {row["class"]: float(row["AP"]) for row in rows} == {name: expected[f"AP/{name}"] for name in NAMES}

    best = f"checkpoint={tmp_path / 'train/checkpoints/best.ckpt'}"
    run("again", "mode=evaluate", best)
    assert scores(tmp_path / "again") == expected
    run("export", "mode=export", best, "export.outputs=final", "export.images=3")
    gate = {row["what"]: row for row in json.loads((tmp_path / "export/gate.json").read_text())}
    assert gate["multilabel: same labels"]["worst"] == 1 and gate["tensor probabilities"]["holds"]
    entry = json.loads((tmp_path / "export/model.json").read_text())["tasks"]["multilabel"]
    assert entry["classes"] == NAMES and entry["threshold"] == 0.4
    model = tmp_path / "export/model.onnx"
    run("scored", "mode=evaluate", f"model={model}")
    assert scores(tmp_path / "scored") == expected

    photo = root / "images/05.jpg"
    run("found", "mode=predict", best, f"input={photo}")
    (row,) = csv.DictReader((tmp_path / "found/index.csv").open())
    ours, theirs = (load(path).predict(photo)["multilabel"] for path in (best.partition("=")[2], model))
    assert row["labels"] == "|".join(ours["names"]) and ours["names"] == theirs["names"]
    np.testing.assert_allclose(ours["probabilities"], theirs["probabilities"], atol=1e-5)
    assert json.loads(Path(row["json"]).read_text())["labels"] == ours["names"]


def test_as_a_head_of_multitask(command, root, tmp_path):
    small = (*TINY, "image_size=[32,32]", "multilabel.head.hidden=0")
    result = command("multitask", "dataset=table", f"dataset.root={root}", *small, f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 0, result.err
    found = scores(tmp_path / "run")
    assert found["images"] == 4 and "AP/red" in found, "a table without one label for each image"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("task.threshold=1", "task.threshold=1 is not"),
        ("task.loss.positive_weight=[1,2]", "positive_weight has 2 numbers for 3 classes"),
        ("dataset.labels=[red,pink]", "has no column pink; its columns are id, split, red, green, blue"),
        ("data.repeat_factor=2", "data.repeat_factor=2 is not a number from 0 to 1"),
    ],
)
def test_mistakes_are_one_line(command, root, tmp_path, typed, said):
    result = command("multilabel", f"dataset.root={root}", *TINY, *CROPS, typed, f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 2 and said in result.err and result.err.count("\n") == 1, result.err


def test_classify_names_the_other_task(command, root, tmp_path):
    result = command("classify", "dataset=table", f"dataset.root={root}", f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 2 and "tasks.multilabel any number" in result.err, result.err
