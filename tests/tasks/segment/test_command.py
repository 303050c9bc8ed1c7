"""The real command on a tiny data set: training, evaluation, prediction, resuming, and what is refused."""

import csv
import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tasks.engine.learner import Learner
from tasks.report.collect import collect

TINY = (
    "dataset=cityscapes",
    "backbone=mobilenet_v3_small",
    "backbone.width=0.35",
    "recipe=segment_streets",
    "data.augment.crop.size=[32,48]",
    "data.batch_size=2",
    "data.workers=0",
    "cpu.keep_freed_memory=false",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=4",
    "trainer.check_val_every_n_epoch=1",
    "pictures=2",
)


def metrics(folder: Path) -> dict:
    scores = json.loads((folder / "metrics.json").read_text())
    scores.pop("seconds")
    return scores


def state(path: Path) -> dict:
    return torch.load(path, weights_only=True)


def assert_same(a: object, b: object, where: str = "") -> None:
    """Nested dicts, lists and tensors, bit for bit."""
    assert type(a) is type(b), where
    if isinstance(a, dict):
        assert a.keys() == b.keys(), where
        for key in a:
            assert_same(a[key], b[key], f"{where}.{key}")
    elif isinstance(a, list | tuple):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            assert_same(x, y, f"{where}[{i}]")
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b), where
    else:
        assert a == b, where


@pytest.fixture
def run(command, cityscapes, tmp_path):
    """The command on the tiny data set, with its output folder below tmp_path."""

    def go(folder: str, *arguments: str, tiny: tuple[str, ...] = TINY):
        result = command(
            "segment", *tiny, f"dataset.root={cityscapes}", f"hydra.run.dir={tmp_path / folder}", *arguments
        )
        return result, tmp_path / folder

    return go


def test_train_evaluate_predict(run, command, tmp_path):
    result, folder = run("train")
    assert result.status == 0, result.err
    assert "mIoU" in result.out and "images/s" in result.out
    scores = metrics(folder)
    assert scores["images"] == 5 and scores["iou/train"] is None and 0 < scores["mIoU"] <= 1
    assert len(list((folder / "pictures").glob("*.png"))) == 2
    assert {path.name for path in (folder / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert (folder / "config.yaml").exists()
    columns = (folder / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"val/mIoU", "train/loss", "train/lr", "train/images_per_second"} <= {*columns}
    best = folder / "checkpoints" / "best.ckpt"

    again = f"hydra.run.dir={tmp_path / 'evaluate'}"
    result = command("segment", "mode=evaluate", f"checkpoint={best}", again)  # the checkpoint brings the rest
    assert result.status == 0, result.err
    assert metrics(tmp_path / "evaluate") == scores

    photos = tmp_path / "photos"
    photos.mkdir()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)).save(photos / "a.jpg")
    Image.new("L", (33, 65)).save(photos / "b.png")
    (photos / "broken.png").write_bytes(b"no image")
    result = command(
        "segment", "mode=predict", f"checkpoint={best}", f"input={photos}", f"hydra.run.dir={tmp_path / 'p'}"
    )
    assert result.status == 0, result.err
    assert "broken.png" in result.out and "2 images predicted, 1 skipped" in result.out
    rows = {Path(row["image"]).name: row for row in csv.DictReader((tmp_path / "p" / "index.csv").open())}
    assert rows["broken.png"]["status"] == "skipped"
    with Image.open(rows["a.jpg"]["labels"]) as labels, Image.open(rows["a.jpg"]["overlays"]) as overlay:
        assert labels.size == (70, 50) and overlay.width == 160 and overlay.height > 50, "with a legend below"
        assert set(np.unique(labels)) <= {7, 8, 11, 12, 13, 17, *range(19, 29), 31, 32, 33}


STOPS = {  # steps of three an epoch; what is killed in the last one goes on to the end of the epoch
    "between epochs": ("stop_after=2", None, ()),
    "in the middle of an epoch": ("training_step", 5, ()),
    "in the middle of an epoch, with workers": ("training_step", 5, ("data.workers=1",)),
    "in the last step of an epoch": ("training_step", 6, ("data.workers=1",)),
    "during validation": ("validation_step", 3, ()),
    "while gradients accumulate": ("training_step", 4, ("trainer.accumulate_grad_batches=2",)),
}


@pytest.mark.parametrize("how", STOPS)
def test_a_resumed_run_ends_as_if_never_stopped(run, command, tmp_path, how, monkeypatch):
    where, count, options = STOPS[how]
    _, whole = run("whole", *options)
    if count is None:
        result, half = run("half", where)
        assert result.status == 0, result.err
    else:
        step, calls = getattr(Learner, where), []

        def step_and_kill(self, *arguments):
            calls.append(1)
            if len(calls) == count:
                os.kill(os.getpid(), signal.SIGTERM)
            return step(self, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(Learner, where, step_and_kill)
            result, half = run("half", *options)
        assert result.status == 128 + signal.SIGTERM, result
        assert "go on with resume=" in result.err
    resume = half / "checkpoints" / "last.ckpt"
    if how == "in the middle of an epoch":
        other = "trainer.limit_train_batches=2"
        result = command("segment", f"resume={resume}", other, f"hydra.run.dir={tmp_path / 'no'}")
        assert result.status == 2 and "was stopped within epoch 2 of 3 steps an epoch" in result.err, result.err
    result = command("segment", f"resume={resume}", f"hydra.run.dir={tmp_path / 'rest'}")
    assert result.status == 0, result.err
    a, b = state(whole / "checkpoints" / "last.ckpt"), state(tmp_path / "rest" / "checkpoints" / "last.ckpt")
    for part in ("state_dict", "current_model_state", "optimizer_states", "lr_schedulers", "epoch", "global_step"):
        assert_same(a[part], b[part], part)
    assert metrics(whole) == metrics(tmp_path / "rest")
    pages = [collect(folder) for folder in (whole, tmp_path / "rest")]
    one, rest = (page["history"] for page in pages)
    told = [name for name in one["curves"] if name.startswith("val/")]  # few steps are logged, others after a stop
    assert len(told) > 2 and one["epochs"] == rest["epochs"]
    assert {name: one["curves"][name] for name in told} == {name: rest["curves"][name] for name in told}, "one page"
    assert pages[0]["run"]["record"]["epoch"] == pages[1]["run"]["record"]["epoch"] == one["epochs"]


def test_a_moved_run_keeps_its_best_and_other_options_are_refused(run, command, tmp_path):
    _, half = run("half", "stop_after=2")
    best = half / "checkpoints" / "best.ckpt"
    held = torch.load(best, weights_only=True)
    moved = tmp_path / "moved"
    shutil.move(half, moved)
    for override in ("optimizer.lr=0.5", "optimizer=sgd", "backbone=mobilenet_v2", "ema=null", "data.batch_size=3"):
        result = command("segment", f"resume={moved}/checkpoints/last.ckpt", override, f"hydra.run.dir={tmp_path}/no")
        assert result.status == 2 and "goes on with what the run was begun with" in result.err, result
    again = f"resume={moved}/checkpoints/last.ckpt", "trainer.max_epochs=2", f"hydra.run.dir={tmp_path}/done"
    result = command("segment", *again)  # nothing is left to train: the best of before is scored
    assert result.status == 0, result.err
    carried = torch.load(tmp_path / "done" / "checkpoints" / "best.ckpt", weights_only=True)
    assert_same(held["state_dict"], carried["state_dict"])
    result = command("segment", f"resume={moved}/checkpoints/best.ckpt", f"hydra.run.dir={tmp_path}/no")
    assert result.status == 2 and f"resume={moved}/checkpoints/last.ckpt goes on" in result.err, result


def test_a_run_with_fewer_steps_an_epoch_goes_on_from_the_same_share_of_its_schedule(run, command, tmp_path):
    _, half = run("half", "stop_after=2")
    rest = tmp_path / "rest"
    resume = f"resume={half}/checkpoints/last.ckpt", "trainer.limit_train_batches=2", "trainer.log_every_n_steps=1"
    result = command("segment", *resume, f"hydra.run.dir={rest}")
    assert result.status == 0 and "the schedule goes on from the same epoch" in result.out, result
    last = state(rest / "checkpoints" / "last.ckpt")
    assert last["global_step"] == 4 * 2 and last["lr_schedulers"][0]["last_epoch"] == 4 * 2
    assert last["lr_schedulers"][0]["_last_lr"] == [0.0, 0.0], "the schedule ends with the training"
    assert int(last["averaging_state"]["n_averaged"]) == 2 * 3 + 2 * 2


def test_a_teacher_changes_what_is_learnt_and_is_not_needed_later(run):
    short = ("trainer.max_epochs=1", "pictures=0")
    _, plain = run("plain", *short)
    teacher = plain / "checkpoints" / "best.ckpt"
    result, taught = run("taught", *short, f"distill.teacher={teacher}")
    assert result.status == 0, result.err
    before, after = (state(path)["state_dict"] for path in (teacher, taught / "checkpoints" / "best.ckpt"))
    assert before.keys() == after.keys() and not all(torch.equal(before[name], after[name]) for name in before)
    teacher.unlink()
    result, _ = run("gone", "mode=evaluate", f"checkpoint={taught / 'checkpoints' / 'best.ckpt'}")
    assert result.status == 0, result.err


def test_short_trainings_are_scored(run):
    sanity = "trainer.num_sanity_val_steps=2", "data.eval_batch_size=1"
    result, folder = run("short", "trainer.max_epochs=3", "trainer.check_val_every_n_epoch=2", *sanity)
    assert result.status == 0 and metrics(folder)["images"] == 5, result.err
    result, folder = run("limited", "trainer.max_epochs=1", "trainer.limit_val_batches=1", "optimizer.lr=5")
    assert result.status == 3 and "error: the loss has exploded" in result.err, result
    assert metrics(folder)["images"] == 5, "what there is, is scored"
    result, folder = run("none", "trainer.limit_val_batches=0", "logger=none", "+trainer.max_steps=2")
    assert result.status == 0 and metrics(folder)["images"] == 5, result.err
    last = state(folder / "checkpoints" / "last.ckpt")
    assert last["global_step"] == 2 and last["lr_schedulers"][0]["_last_lr"] == [0.0, 0.0]


MISTAKES = {
    "missing data set": (["dataset.root=/nowhere"], "no data set at /nowhere"),
    "mistyped key": (["backbone.widht=0.5"], "did you mean width"),
    "mistyped option": (["backbone=mobilenet_v3_larg"], "did you mean mobilenet_v3_large"),
    "wrong mode": (["mode=trian"], "did you mean train"),
    "missing checkpoint": (["mode=evaluate", "checkpoint=absent.ckpt"], "no such file"),
    "missing teacher": (["distill.teacher=absent.ckpt"], "distill.teacher=absent.ckpt: no such file"),
    "torchvision's teacher": (
        ["distill.teacher=resnet18"],
        "distill.teacher=resnet18 is not a .ckpt file of tasks.segment",
    ),
    "distillation": (["distill.teachr=a.ckpt"], "did you mean teacher"),
    "foreign target": (["backbone._target_=os.system"], "is outside"),
    "output stride": (["backbone.output_stride=12"], "output_stride=12 is not one of 8, 16, 32"),
    "wrong map": (["head.low=c9"], "the head reads c9"),
    "test split": (["dataset.val_split=test"], "test split cannot be scored"),
    "averaging": (["ema=2"], "ema=2 is not a number above 0 and below 1, or null"),
    "batch size": (["data.batch_size=0"], "data.batch_size=0 is not a whole number from 1 to 65,536"),
    "epochs": (["trainer.max_epochs=many"], "trainer.max_epochs=many is not a whole number"),
    "rate": (["optimizer.lr=-1"], "optimizer.lr=-1 is not a number above 0"),
    "warm-up": (["scheduler.warmup=1.5"], "scheduler.warmup=1.5 is not a share of all steps"),
    "crop": (
        ["+data.augment.big={_target_:albumentations.RandomCrop,height:99,width:99}"],
        "data.augment: CropSizeError",
    ),
    "accelerator": (["trainer.accelerator=abacus"], "abacus"),
    "no group": (["optimizer=null"], "optimizer=null: optimizer is one of adamw, rmsprop, sgd"),
    "removed key": (["~ema"], "ema"),
    "unknown weights": (["weights=imagenet"], "MobileNet_V3_Small_Weights.IMAGENET1K_V1"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_one_clear_line_before_training(run, mistake):
    arguments, message = MISTAKES[mistake]
    result, folder = run("wrong", *arguments)
    assert result.status == 2
    first = result.err.splitlines()[0]
    assert first.startswith("error: ") and message in first, result.err
    assert "Traceback" not in result.err and "epoch" not in result.out
    assert not folder.exists(), "a refused command leaves no folder"


def spoil(cityscapes: Path, how: str) -> str:
    """Damage the data set; returns what the message must name."""
    image = sorted(cityscapes.glob("leftImg8bit/train/*/*.png"))[2]
    label = sorted(cityscapes.glob("gtFine/train/*/*.png"))[2]
    if how == "image without label":
        label.unlink()
        return label.name
    if how == "empty image":
        image.write_bytes(b"")
        return f"{image.name}: the file is empty (0 bytes)"
    if how == "truncated image":
        image.write_bytes(image.read_bytes()[:-100])
        return f"{image.name}: the file is truncated"
    if how == "unknown id":
        ids = np.array(Image.open(label))
        ids[3, 4] = 77
        Image.fromarray(ids).save(label)
        return f"{label.name} has id 77"
    if how == "other size":
        Image.new("L", (10, 10)).save(label)
        return f"{label.name} is 10×10"
    if how == "colour labels":
        Image.new("RGB", (64, 48), (128, 64, 128)).save(label)
        return f"{label.name} has colours (mode RGB)"
    for path in (cityscapes / "leftImg8bit" / "train").glob("*/*"):
        path.unlink()
    return "no image in"


DAMAGE = ("image without label", "empty image", "truncated image", "unknown id", "other size", "colour labels", "empty")


@pytest.mark.parametrize("how", DAMAGE)
def test_damaged_data_is_named_before_training(run, cityscapes, how):
    message = spoil(cityscapes, how)
    result, _ = run("damaged")
    assert result.status == 2
    assert message in result.err.splitlines()[0], result.err
    assert "epoch" not in result.out


def test_checkpoints_that_do_not_fit_are_refused(run, tmp_path):
    result, folder = run("train", "trainer.max_epochs=1")
    best = folder / "checkpoints" / "best.ckpt"
    half = tmp_path / "half.ckpt"
    half.write_bytes(best.read_bytes()[: best.stat().st_size // 2])
    foreign = tmp_path / "foreign.ckpt"
    torch.save({"a": torch.zeros(1)}, foreign)
    cases = [
        ([f"checkpoint={best}", "mode=evaluate", "backbone=mobilenet_v2"], "of another network"),
        ([f"checkpoint={best}", "backbone.width=0.5"], "of another network"),
        ([f"checkpoint={half}", "mode=evaluate"], "truncated"),
        ([f"checkpoint={half}"], "truncated"),
        ([f"resume={half}"], "truncated"),
        ([f"checkpoint={foreign}", "mode=evaluate"], "no checkpoint of mobilevision"),
    ]
    for arguments, message in cases:
        result, _ = run("refused", *arguments)
        assert result.status == 2 and message in result.err.splitlines()[0], (arguments, result.err)
        assert "epoch" not in result.out
