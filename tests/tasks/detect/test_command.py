"""The real command on a tiny data set in COCO's layout: training, evaluation, prediction, resuming, what is refused."""

import contextlib
import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from tests.tasks.segment.test_command import assert_same, metrics, state

TINY = (
    "dataset=coco",
    "recipe=none",
    "image_size=[64,64]",
    "backbone=mobilenet_v3_small",
    "backbone.width=0.35",
    "backbone.norm_momentum=0.1",
    "head.norm_momentum=0.1",
    "head.extras=[32,32]",
    "ema=0.9",
    "optimizer.lr=0.01",
    "data.batch_size=3",
    "data.eval_batch_size=2",
    "data.workers=0",
    "cpu.keep_freed_memory=false",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=4",
    "trainer.check_val_every_n_epoch=2",
    "pictures=3",
)
TWELVE = [
    *("mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large"),
    *("AR1", "AR10", "AR100", "AR_small", "AR_medium", "AR_large"),
]


@pytest.fixture
def run(command, coco, tmp_path):
    """The command on the tiny data set, with its output folder below tmp_path."""

    def go(folder: str, *arguments: str, tiny: tuple[str, ...] = TINY):
        result = command("detect", *tiny, f"dataset.root={coco}", f"hydra.run.dir={tmp_path / folder}", *arguments)
        return result, tmp_path / folder

    return go


def official(annotations: Path, predictions: Path) -> list[float]:
    """The twelve numbers of pycocotools for two files."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(annotations)
        evaluation = COCOeval(truth, truth.loadRes(str(predictions)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return list(evaluation.stats)


def same_numbers(scores: dict, stats: list[float]) -> None:
    for name, value in zip(TWELVE, stats, strict=True):
        assert (-1 if scores[name] is None else scores[name]) == pytest.approx(value, abs=1e-12), name


def test_train_evaluate_predict(run, command, coco, tmp_path):
    result, folder = run("train", "trainer.max_epochs=8", "data.repeat=3")
    assert result.status == 0, result.err
    scores = metrics(folder)
    assert scores["images"] == 4 and scores["mAP"] > 0
    logged = [row for row in csv.DictReader((folder / "metrics.csv").open()) if row["train/loss"]]
    assert all(
        float(row["train/boxes"]) + float(row["train/classes"]) == pytest.approx(float(row["train/loss"]))
        for row in logged
    )
    assert list(scores)[:12] == TWELVE and {"AP/red", "AP/green", "AP/blue"} <= scores.keys()
    pictures = {path.name for path in (folder / "pictures").iterdir()}
    assert "precision_recall.png" in pictures and {"best_1.png", "worst_1.png"} <= pictures
    table = list(csv.DictReader((folder / "errors.csv").open()))
    assert [row["class"] for row in table] == ["red", "green", "blue", "all"]
    annotations = coco / "annotations" / "instances_val2017.json"
    same_numbers(scores, official(annotations, folder / "predictions.json"))
    found = json.loads((folder / "predictions.json").read_text())
    assert {entry["category_id"] for entry in found} <= {1, 3, 7} and found[0]["image_id"] in range(200, 204)
    for entry in found:  # in the files' pixels, inside the images
        with Image.open(coco / "val2017" / f"{entry['image_id']:012d}.jpg") as image:
            x, y, width, height = entry["bbox"]
            assert 0 <= x <= x + width <= image.width + 1e-4 and 0 <= y <= y + height <= image.height + 1e-4

    best = folder / "checkpoints" / "best.ckpt"
    for name, extra in (("again", ()), ("pycocotools", ("metric=pycocotools",))):
        again = command("detect", "mode=evaluate", f"checkpoint={best}", f"hydra.run.dir={tmp_path / name}", *extra)
        assert again.status == 0, again.err
        assert metrics(tmp_path / name) == pytest.approx(scores, abs=1e-12)

    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)).save(photos / "a.jpg")
    Image.new("L", (33, 65)).save(photos / "b.png")
    (photos / "broken.png").write_bytes(b"no image")
    result = command(
        "detect", "mode=predict", f"checkpoint={best}", f"input={photos}", f"hydra.run.dir={tmp_path / 'p'}"
    )
    assert result.status == 0, result.err
    threshold = state(best)["mobilevision"]["tasks"]["detect"]["threshold"]
    assert 0 < threshold < 1 and f"a score of {threshold:.3g} on, where F1 was best in validation" in result.out
    assert "broken.png" in result.out and "2 images predicted, 1 skipped" in result.out
    rows = {Path(row["image"]).name: row for row in csv.DictReader((tmp_path / "p" / "index.csv").open())}
    for entry in json.loads(Path(rows["a.jpg"]["boxes"]).read_text()):
        x, y, width, height = entry["bbox"]
        assert 0 <= x <= x + width <= 70.01 and 0 <= y <= y + height <= 50.01
        assert (entry["category_id"], entry["category"]) in ((1, "red"), (3, "green"), (7, "blue"))


@pytest.mark.parametrize(
    "choice",
    [
        ("loss=focal", "head.prior=0.01", "task.loss.box=giou"),
        ("head=ssdlite_torchvision", "backbone.tail=detection", "backbone.normalisation=half"),
        ("dataset.numbering=ids", "data.fit._target_=tasks.data.transforms.letterbox.Letterbox", "image_size=[48,80]"),
        ("backbone=mobilenet_v1",),
        ("backbone=mobilenet_v4_conv_small", "head.maps=[c3,c4,c5]", "head.extras=[]", "head.anchors.smallest=0.1"),
    ],
)
def test_other_choices_train_and_score(run, choice):
    result, folder = run("run", *choice, "trainer.max_epochs=1", "trainer.check_val_every_n_epoch=1")
    assert result.status == 0, result.err
    assert metrics(folder)["images"] == 4


def test_a_resumed_run_ends_as_if_never_stopped(run, tmp_path):
    augment = "+data.augment.flip={_target_:albumentations.HorizontalFlip,p:0.5}"
    _, whole = run("whole", augment)
    result, half = run("half", augment, "stop_after=2")
    assert result.status == 0, result.err
    result, resumed = run("resumed", f"resume={half / 'checkpoints' / 'last.ckpt'}", tiny=())
    assert result.status == 0, result.err
    assert metrics(whole) == metrics(resumed)
    one, other = (state(folder / "checkpoints" / "last.ckpt") for folder in (whole, resumed))
    assert_same(one["state_dict"], other["state_dict"])


def test_other_classes_get_a_new_last_layer(run, coco, tmp_path):
    _, trained = run("train")
    for split in ("train2017", "val2017"):
        path = coco / "annotations" / f"instances_{split}.json"
        content = json.loads(path.read_text())
        content["categories"].append({"id": 9, "name": "yellow"})
        path.write_text(json.dumps(content))
    best = trained / "checkpoints" / "best.ckpt"
    result, _ = run("again", f"checkpoint={best}")
    assert result.status == 0, result.err
    assert "reinitialized for other classes: tasks.detect.head.classes.0.classify.weight" in result.out
    result, _ = run("evaluate", "mode=evaluate", f"checkpoint={best}")
    assert result.status == 2 and "knows 3 classes, the data set has 4" in result.err


def test_torchvisions_whole_detector_by_a_file(command, coco, tmp_path):
    from torchvision.models.detection import ssdlite320_mobilenet_v3_large

    theirs = ssdlite320_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=8)
    torch.save(theirs.state_dict(), tmp_path / "theirs.pth")
    chosen = ("backbone.tail=detection", "backbone.normalisation=half", "head=ssdlite_torchvision")
    result = command(
        "detect", "mode=evaluate", "dataset=coco", f"dataset.root={coco}", "dataset.numbering=ids", *chosen,
        f"weights={tmp_path / 'theirs.pth'}", "trainer.accelerator=cpu", f"hydra.run.dir={tmp_path / 'run'}",
    )  # fmt: skip
    assert result.status == 0, result.err
    assert metrics(tmp_path / "run")["images"] == 4


def test_classes_between_the_category_ids_are_never_found(run, command, tmp_path):
    result, folder = run("ids", "dataset.numbering=ids")
    assert result.status == 0, result.err
    assert [key for key in metrics(folder) if key.startswith("AP/")] == ["AP/red", "AP/green", "AP/blue"]
    found = json.loads((folder / "predictions.json").read_text())
    assert found and {entry["category_id"] for entry in found} <= {1, 3, 7}


def test_names_with_brackets_are_no_markup(run, coco):
    for split in ("train2017", "val2017"):
        path = coco / "annotations" / f"instances_{split}.json"
        path.write_text(path.read_text().replace('"red"', '"[/red] [b]x"').replace('"blue"', '"-"'))
    result, folder = run("names", "pictures=0")
    assert result.status == 0, result.err
    assert not (folder / "pictures").exists()
    assert "[/red] [b]x" in result.out and {"AP/[/red] [b]x", "AP/- (7)"} <= metrics(folder).keys()


def test_a_training_that_diverges_says_so(run):
    result, folder = run("diverged", "optimizer.lr=1e12", "trainer.max_epochs=8", "data.repeat=5", "ema=null")
    assert result.status == 3 and "optimizer.lr" in result.err and "the loss is nan" in result.err.splitlines()[-1]
    assert not (folder / "metrics.json").exists()


def test_a_teacher_changes_what_is_learnt_and_is_not_saved(run):
    short = ("trainer.max_epochs=1", "pictures=0")
    _, plain = run("plain", *short)
    teacher = plain / "checkpoints" / "best.ckpt"
    result, taught = run("taught", *short, f"distill.teacher={teacher}")
    assert result.status == 0, result.err
    before, after = (state(path)["state_dict"] for path in (teacher, taught / "checkpoints" / "best.ckpt"))
    assert before.keys() == after.keys() and not all(torch.equal(before[name], after[name]) for name in before)
    result, _ = run("other", *short, f"distill.teacher={teacher}", "head.extras=[32]")
    assert (
        result.status == 2
        and result.err.strip()
        == f"error: distill.teacher={teacher} has other anchors: take the same head.maps, head.extras and head.anchors"
    )


WRONG = {
    "recipe=detect_cocoo": "recipe=detect_cocoo: no such option (did you mean detect_coco",
    "metric=null": "metric=None is not one of mobilevision, pycocotools",
    "task.evaluator=foo": "task.evaluator=foo is not one of mobilevision, pycocotools",
    "task.select=null": "task.select",
    "task.select.detections=2.5": "task.select.detections=2.5 is not a whole number",
    "targets=[]": "targets=[] is not a list of kinds of labels",
    "head.maps=[c5,c4]": "c5, c4 are not in order",
    "head.prior=1": "head.prior=1 is not a number above 0 and below 1",
    "head.extras=null": "head.extras=None is not a list, each a whole number",
    "head.anchors.ratios=[0]": "head.anchors.ratios=[0] is not a list, each a number above 0",
    "head.anchors.smallest=0": "smallest=0",
    "task.loss.negatives=-1": "task.loss.negatives=-1 is not a number from 0",
    "data.batch_size=1": "raise data.batch_size; take 2 or more",
    "metric=coco": "metric=coco is not one of mobilevision, pycocotools",
    "task.select.overlap=2": "overlap=2 is not a number from 0 to 1",
    "task.loss.box=eiou": "task.loss.box=eiou is not one of smooth_l1, giou, diou, ciou",
    "head.maps=[c9]": "the head reads c9",
    "head.anchors.scales=[0.1]": "head.anchors.scales has 1 values for 4 maps",
    "image_size=[64]": "image_size=[64] is not [height, width]",
    "loss=soft": "loss=soft: no such option (did you mean softmax",
}


@pytest.mark.parametrize("mistake", WRONG)
def test_mistakes_are_one_line(run, mistake):
    result, _ = run("wrong", mistake)
    assert result.status == 2
    lines = result.err.strip().splitlines()
    assert len(lines) == 1 and WRONG[mistake] in lines[0], result.err


def test_a_head_of_another_task_is_refused(run):
    tiny = tuple(argument for argument in TINY if not argument.startswith("head."))
    result, _ = run("wrong", "head=lraspp", tiny=tiny)
    assert result.status == 2 and "LRASPP gives no boxes; use head=ssdlite" in result.err


SPOILT = {
    "category": (lambda c: c["annotations"][0].update(category_id=4), "category_id 4"),
    "image id": (lambda c: c["annotations"][0].update(image_id=999), "999"),
    "negative": (lambda c: c["annotations"][0].update(bbox=[1, 2, -3, 4]), "-3"),
    "duplicate": (lambda c: c["images"].append(c["images"][0]), "200"),
    "file": (lambda c: c["images"][0].update(file_name="gone.jpg"), "gone.jpg"),
}


@pytest.mark.parametrize("what", SPOILT)
def test_a_spoilt_file_is_named_with_the_id(run, coco, what):
    spoil, expected = SPOILT[what]
    path = coco / "annotations" / "instances_val2017.json"
    content = json.loads(path.read_text())
    spoil(content)
    path.write_text(json.dumps(content))
    result, _ = run("spoilt")
    assert result.status == 2
    first = result.err.splitlines()[0]
    assert expected in first and ("instances_val2017.json" in first or what == "file"), result.err
