"""The real command on a tiny data set: training, evaluation, prediction, resuming, distilling, and what is refused."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.models import mobilenet_v3_small

from tasks.app.load import load

TINY = (
    "dataset=folders",
    "backbone=mobilenet_v3_small",
    "backbone.width=0.35",
    "backbone.norm_momentum=0.1",
    "wants.skip_strides=2",
    "head.hidden=0",
    "data.crop.size=32",
    "data.fit.resize=36",
    "data.fit.crop=32",
    "data.augment={}",
    "data.batch_size=4",
    "data.workers=0",
    "ema=0.9",
    "optimizer.lr=0.01",
    "cpu.keep_freed_memory=false",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=12",
    "trainer.check_val_every_n_epoch=6",
    "pictures=2",
)


def metrics(folder: Path) -> dict:
    scores = json.loads((folder / "metrics.json").read_text())
    scores.pop("seconds")
    return scores


def same_state(a: Path, b: Path) -> bool:
    ours, theirs = (torch.load(path, weights_only=True)["state_dict"] for path in (a, b))
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.fixture
def run(command, folders, tmp_path):
    """The command on the tiny data set, with its output folder below tmp_path."""

    def go(folder: str, *arguments: str, tiny: tuple[str, ...] = TINY):
        result = command("classify", *tiny, f"dataset.root={folders}", f"hydra.run.dir={tmp_path / folder}", *arguments)
        return result, tmp_path / folder

    return go


def test_train_evaluate_predict(run, command, folders, tmp_path):
    result, folder = run("train", "task.mix.mixup=0.2", "task.loss.label_smoothing=0.1", "data.holdout=0.25")
    assert result.status == 0, result.err
    assert "held out  3 of 12 training images" in result.out
    scores = metrics(folder)
    assert scores["images"] == 9 and scores["top5"] == 1.0 and scores["top1"] > 0.5, "three colours are easily learnt"
    assert {path.name for path in (folder / "pictures").iterdir()} == {"right_and_wrong.png", "confusion.png"}
    assert "val/top1" in (folder / "metrics.csv").read_text()
    assert json.loads((folder / "network.json").read_text())["classify"]["params"] > 0
    best = folder / "checkpoints" / "best.ckpt"
    split = torch.load(best, weights_only=True)["mobilevision"]["holdout"]
    assert (split["share"], split["images"], split["held"]) == (0.25, 12, 3)
    assert json.loads((folder / "training.json").read_text())["images"] == 9

    result = command("classify", "mode=evaluate", f"checkpoint={best}", f"hydra.run.dir={tmp_path / 'again'}")
    assert result.status == 0, result.err
    assert metrics(tmp_path / "again") == scores

    result, predicted = run("predict", "mode=predict", f"checkpoint={best}", f"input={folders / 'val'}")
    assert result.status == 0, result.err
    rows = list(csv.DictReader((predicted / "index.csv").open()))
    assert len(rows) == 9 and all(row["status"] == "ok" for row in rows)
    right = sum(Path(row["image"]).parent.name == row["name1"] for row in rows)
    assert right / 9 == scores["top1"], "predicting a file scores what evaluating it does"
    assert all(abs(sum(float(row[f"probability{k}"]) for k in (1, 2, 3)) - 1) < 1e-5 for row in rows)
    assert f"{rows[0]['image']}: {rows[0]['name1']} " in result.out


def test_a_resumed_run_ends_with_the_same_weights(run):
    mixed = ("task.mix.mixup=0.2", "task.mix.cutmix=1.0", "task.mix.until=0.8", "data.progressive=[[16,0.3],[24,0.7]]")
    mixed += ("trainer.max_epochs=4", "pictures=0")
    _, whole = run("whole", *mixed)
    _, half = run("half", *mixed, "stop_after=3")
    result, resumed = run("resumed", *mixed, f"resume={half / 'checkpoints' / 'last.ckpt'}")
    assert result.status == 0, result.err
    assert same_state(whole / "checkpoints" / "last.ckpt", resumed / "checkpoints" / "last.ckpt")


def test_a_teacher_changes_what_is_learnt_and_is_not_saved(run):
    short = ("trainer.max_epochs=3", "pictures=0")
    _, plain = run("plain", *short)
    teacher = plain / "checkpoints" / "best.ckpt"
    result, taught = run("taught", *short, f"distill.teacher={teacher}")
    assert result.status == 0, result.err
    student = taught / "checkpoints" / "best.ckpt"
    assert not same_state(teacher, student)
    assert not [name for name in torch.load(student, weights_only=True)["state_dict"] if "teacher" in name]


def test_several_runs_end_in_a_table(command, folders, tmp_path):
    sweep = tmp_path / "sweep"
    result = command(
        "classify", "-m", *TINY, f"dataset.root={folders}", f"hydra.sweep.dir={sweep}", "trainer.max_epochs=1",
        "backbone.width=0.35,0.5",
    )  # fmt: skip
    assert result.status == 0, result.err
    rows = list(csv.DictReader((sweep / "comparison.csv").open()))
    assert [row["backbone.width"] for row in rows] == ["0.35", "0.5"]
    assert int(rows[0]["params"]) < int(rows[1]["params"]) and all(row["top1"] for row in rows)
    assert "multiply_adds" in result.out and "backbone.width" in result.out


def test_a_whole_network_of_torchvision_is_scored_and_predicts_as_torchvision_does(command, tmp_path):
    """Random weights in torchvision's layout, through the command, against torchvision's own pipeline."""
    torch.manual_seed(0)
    network = mobilenet_v3_small()
    for layer in (network.classifier[0], network.classifier[3]):
        torch.nn.init.normal_(layer.weight, std=0.5)
    torch.save(network.state_dict(), tmp_path / "small.pth")
    pixels = np.random.default_rng(0).integers(0, 255, (9, 12, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).resize((333, 250), Image.Resampling.BICUBIC)
    picture.save(tmp_path / "photo.png")
    result = command(
        "classify", "mode=predict", "dataset=imagenet", "backbone=mobilenet_v3_small", "trainer.accelerator=cpu",
        f"weights={tmp_path / 'small.pth'}", f"input={tmp_path / 'photo.png'}", f"hydra.run.dir={tmp_path / 'out'}",
    )  # fmt: skip
    assert result.status == 0, result.err
    from torchvision.transforms._presets import ImageClassification

    preset = ImageClassification(crop_size=224, resize_size=256)
    with torch.no_grad():
        logits = network.eval()(preset(picture)[None])[0]
    row = next(csv.DictReader((tmp_path / "out" / "index.csv").open()))
    top = logits.topk(5).indices.tolist()
    assert [int(row[f"class{k}"]) for k in range(1, 6)] == top
    assert [float(row[f"probability{k}"]) for k in range(1, 6)] == pytest.approx(
        logits.softmax(0)[top].tolist(), abs=1e-4
    )


@pytest.mark.parametrize("check", ["true", "false"])
def test_a_broken_training_image_is_named_once_and_replaced(run, folders, check):
    path = folders / "train" / "red" / "red_0.jpg"
    path.write_bytes(path.read_bytes()[:400])
    result, folder = run("broken", f"check={check}", "trainer.max_epochs=2")
    assert result.status == 0, result.err
    assert (
        result.out.count("skipped (1): ") == 1 and result.out.count("red_0.jpg") == 1 and metrics(folder)["images"] == 9
    )
    result, _ = run("strict", f"check={check}", "data.max_broken=0")
    assert result.status == 2 and "red_0.jpg" in result.err


@pytest.mark.parametrize("check", ["true", "false"])
def test_too_many_broken_images_are_an_error(run, folders, check):
    for name in ("red", "green"):
        path = folders / "train" / name / f"{name}_0.jpg"
        path.write_bytes(path.read_bytes()[:400])
    result, _ = run("many", f"check={check}", "data.max_broken=1", "trainer.max_epochs=2")
    assert result.status == 2 and "data.max_broken=1" in result.err and "Traceback" not in result.err


def test_a_broken_image_to_score_is_an_error(run, folders):
    path = folders / "val" / "red" / "red_0.jpg"
    path.write_bytes(path.read_bytes()[:400])
    for check in ("true", "false"):
        result, _ = run("scored", f"check={check}", "trainer.max_epochs=1")
        assert result.status == 2 and "red_0.jpg" in result.err, "every image counts once, or there is no score"


MISTAKES = [
    (["recipe=none", "data.crop.size=24"], "data.crop.size: no such key; there are none"),
    (["backbone=mobilenet_v5"], "did you mean mobilenet_v"),
    (["backbone=mobilenet_v2_cse", "backbone.width=0.5"], "width"),
    (["head.hidden=wide"], "head.hidden=wide is not a whole number from 0 to 65,536, or paper"),
    (["task.mix.mixup=-1"], "task.mix.mixup=-1 is not a number from 0"),
    (["scheduler=step", "scheduler.milestones=[30,60]"], "is not a list, each a number above 0 and below 1"),
    (["scheduler=exponential", "scheduler.every=0"], "scheduler.every=0"),
    (["task.loss.label_smoothing=2"], "label_smoothing"),
    (["optimizer=rmsprop", "optimizer.epsilon=abc"], "epsilon=abc is not a number above 0"),
    (["trainer.limit_train_batches=0.1"], "trainer.limit_train_batches=0.1 leaves none of 3 batches"),
    (
        ["data.batch_size=1", "wants.skip_strides=0"],
        "cannot be normalised over one image: raise data.batch_size; take 2 or more",
    ),
    (["distill.teacher=lraspp_mobilenet_v3_large"], "neither a .ckpt file nor a torchvision network"),
    (["mode=evaluate", "checkpoint=setup.py", "weights=x.pth"], "leave one out"),
    (["distill.teacher=a.ckpt", "distill.weights=b.pth"], "brings its own"),
    (["distill.teacher=resnet5"], "neither a .ckpt file nor a torchvision network"),
    (["distill.teacher=resnet18"], "needs distill.weights"),
    (["mode=predict", "checkpoint=a.ckpt", "input=photos/n0[12]*"], """'input="photos/n0[12]*"'"""),
    (["data.progressive=[[16,2]]"], "is not a list of [side, share of the steps] pairs"),
    (["task.mix.until=2"], "until=2 is not a number from 0 to 1"),
    (["data.max_broken=-1"], "data.max_broken=-1 is not a whole number"),
    (["data.fit.interpolation=cubic"], "is not one of nearest, bilinear, bicubic, lanczos"),
    (["data.crop.scale=[2,3]"], "data.crop.scale"),
    (["mode=evaluate"], "needs checkpoint=<file.ckpt>, or weights=<of a whole network>"),
    (["dataset.root=nowhere"], "nowhere"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), MISTAKES, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_mistakes_are_one_line(run, arguments, message, tmp_path):
    result, folder = run("mistake", *arguments)
    assert result.status == 2 and message in result.err, result.err
    assert "Traceback" not in result.err and not folder.exists()


def test_a_mirrored_score_does_not_know_left_from_right(run, folders, command, tmp_path):
    result, trained = run("trained", "trainer.max_epochs=2", "task.mirror=true", "optimizer.lr=1e-4")
    assert result.status == 0, result.err
    best = torch.load(trained / "checkpoints" / "best.ckpt", weights_only=True)
    assert best["mobilevision"]["config"]["task"]["mirror"] is True
    image = Image.new("RGB", (40, 40), (40, 60, 200))
    image.paste((250, 40, 40), (0, 0, 10, 25))
    image.save(folders / "one.png")
    image.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folders / "other.png")
    scores = {}
    for mirror in ("true", "false"):
        arguments = ("mode=predict", f"checkpoint={trained / 'checkpoints' / 'best.ckpt'}", f"task.mirror={mirror}")
        _, predicted = run(f"mirror_{mirror}", *arguments, f"input={folders}/o*.png")
        rows = list(csv.DictReader((predicted / "index.csv").open()))
        scores[mirror] = [row["probability1"] for row in rows]
    assert scores["true"][0] == scores["true"][1] and scores["false"][0] != scores["false"][1]


def test_heads_of_another_task_are_refused(run, command, cityscapes):
    result, _ = run("head", "head=lraspp", tiny=tuple(setting for setting in TINY if not setting.startswith("head")))
    assert result.status == 2 and "LRASPP gives no logits for a whole image; use head=classification" in result.err
    result = command("segment", "dataset=cityscapes", f"dataset.root={cityscapes}", "head=classification")
    assert result.status == 2 and "use head=lraspp" in result.err


def test_a_resumed_run_keeps_what_decides_its_weights(run):
    _, folder = run("begun", "trainer.max_epochs=2", "stop_after=1", "pictures=0")
    resume = f"resume={folder / 'checkpoints' / 'last.ckpt'}", "trainer.max_epochs=2"
    for change in ("wants.skip_strides=1", "distill.teacher=resnet18", "data.crop.size=24", "ema=null"):
        result, _ = run("goes_on", *resume, change)
        assert result.status == 2 and "resume=… goes on with what the run was begun with" in result.err, result.err


def test_a_run_is_not_made_shorter_than_it_is(run):
    _, folder = run("begun", "trainer.max_epochs=2", "pictures=0")
    resume = f"resume={folder / 'checkpoints' / 'last.ckpt'}", "pictures=0"
    result, _ = run("shorter", *resume, "trainer.max_epochs=1")
    assert result.status == 2 and "has 2 epochs behind it; a run can only be made longer" in result.err, result.err
    result, done = run("done", *resume, "trainer.max_epochs=2")
    assert result.status == 0 and "nothing is left to train: all 2 epochs are done" in result.out, result.err
    assert metrics(done) == metrics(folder)


def test_other_classes_of_the_same_number_get_a_new_last_layer(run, folders):
    _, trained = run("trained", "trainer.max_epochs=1", "pictures=0")
    start = f"checkpoint={trained / 'checkpoints' / 'best.ckpt'}"
    result, _ = run("same", start, "trainer.max_epochs=1", "pictures=0")
    assert "reinitialized" not in result.out
    for split in ("train", "val"):
        (folders / split / "red").rename(folders / split / "amber")
    result, _ = run("others", start, "trainer.max_epochs=1", "pictures=0")
    assert result.status == 0 and "reinitialized for other classes: tasks.classify.head.classify" in result.out


@pytest.mark.parametrize("key", ["auto", "false"])
def test_photos_are_predicted_as_they_were_trained_on(run, folders, key):
    """EXIF says that this one lies on its side: upright it is 60 high, as stored 30."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.open(folders / "val" / "red" / "red_0.jpg")
    image.resize((60, 30)).save(folders / "turned.jpg", exif=exif)
    result, trained = run("trained", "trainer.max_epochs=1", "pictures=0", f"dataset.upright={key}")
    assert result.status == 0, result.err
    best = trained / "checkpoints" / "best.ckpt"
    assert torch.load(best, weights_only=True)["mobilevision"]["config"]["upright"] is (key == "auto")
    upright, stored = ("60", "30"), ("30", "60")
    model = load(best, device="cpu")
    assert model.view.upright is (key == "auto")
    as_trained = upright if key == "auto" else stored
    for setting, size in (("", as_trained), ("upright=false", stored), ("upright=true", upright)):
        words = ("mode=predict", f"checkpoint={best}", f"input={folders / 'turned.jpg'}", *filter(None, [setting]))
        result, predicted = run(f"predicted_{setting[8:]}", *words)
        assert result.status == 0, result.err
        row = next(csv.DictReader((predicted / "index.csv").open()))
        assert (row["height"], row["width"]) == size


def test_a_data_set_without_such_labels_is_named(command, cityscapes, folders):
    result = command("classify", "dataset=cityscapes", f"dataset.root={cityscapes}")
    assert result.status == 2 and "dataset=cityscapes has no labels of kind label, only mask" in result.err
    result = command("segment", "dataset=folders", f"dataset.root={folders}")
    assert result.status == 2 and "dataset=folders has no labels of kind mask, only label" in result.err


def test_a_network_tied_to_one_size_says_so_before_training(command, folders):
    network = ("backbone=mobilenet_v2_cse", "backbone.resolution=32")
    result = command("classify", "dataset=folders", *network, f"dataset.root={folders}", "trainer.accelerator=cpu")
    assert result.status == 2 and result.err.splitlines() == [
        "error: images are 224×224, the network was built for 32×32: train with backbone.resolution=224 (a multiple of "
        "8), or with backbone.adapt=true"
    ]


def test_classes_of_another_data_set_are_refused(run, folders):
    _, trained = run("trained", "trainer.max_epochs=1", "pictures=0")
    (folders / "val" / "red").rename(folders / "val" / "amber")
    (folders / "train" / "red").rename(folders / "train" / "amber")
    best = trained / "checkpoints" / "best.ckpt"
    result, _ = run("other", "mode=evaluate", f"checkpoint={best}")
    assert result.status == 2 and f"class 0 is blue in {best} and amber in the data set" in result.err


def test_weights_of_a_backbone_alone_cannot_be_scored(run, tmp_path):
    state = mobilenet_v3_small().features.state_dict()
    torch.save({f"features.{name}": tensor for name, tensor in state.items()}, tmp_path / "half.pth")
    arguments = ("mode=evaluate", f"weights={tmp_path / 'half.pth'}", "backbone.width=1.0", "head.hidden=paper")
    result, _ = run("half", *arguments)
    assert result.status == 2 and "has nothing for the head" in result.err


def test_a_calibrated_file_is_scored_like_its_checkpoint(folders, command, tmp_path):
    pytest.importorskip("onnxruntime")
    tiny = (*TINY, f"dataset.root={folders}", "task.calibrate=true")
    trained = command("classify", *tiny, "trainer.max_epochs=1", f"hydra.run.dir={tmp_path / 'one'}")
    assert trained.status == 0, trained.err
    best = f"checkpoint={tmp_path / 'one' / 'checkpoints' / 'best.ckpt'}"
    data = (f"dataset.root={folders}", "data.workers=0", "trainer.accelerator=cpu")
    exported = command("classify", "mode=export", best, *data, "export.images=2", f"hydra.run.dir={tmp_path / 'file'}")
    assert exported.status == 0, exported.err
    model = f"model={tmp_path / 'file' / 'model.onnx'}"
    again = command("classify", "mode=evaluate", model, *data, f"hydra.run.dir={tmp_path / 'two'}")
    assert again.status == 0, again.err
    one, two = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("one", "two"))
    assert "temperature" in one and one.keys() == two.keys()
    assert {key: two[key] for key in one if key != "seconds"} == pytest.approx(
        {key: one[key] for key in one if key != "seconds"}, abs=1e-5
    )


def test_a_class_that_no_checkpoint_can_hold_is_refused_before_training(command, folders, tmp_path):
    for split in ("train", "val"):
        (folders / split / "red").rename(folders / split / "red\u00a0one")
    run = tmp_path / "run"
    result = command("classify", *TINY, "dataset=folders", f"dataset.root={folders}", f"hydra.run.dir={run}")
    assert result.status == 2 and "epoch" not in result.out
    assert "classify: the class 'red\\xa0one' has a name that is empty or cannot be printed: rename it" in result.err
