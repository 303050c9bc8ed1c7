"""The real command on tiny data: several heads at once, data sets with different labels, growing and pruning."""

import json
import shutil
import sys
from pathlib import Path

import pytest
import torch

from tasks.multitask import prune
from tasks.report.collect import collect
from tests.conftest import write_coco
from tests.tasks.segment.test_command import assert_same, metrics, state

SMALL = (
    "recipe=none",
    "backbone=mobilenet_v3_small",
    "backbone.width=0.35",
    "backbone.norm_momentum=0.1",
    "segment.head.hidden=16",
    "detect.head.extras=[32]",
    "detect.head.norm_momentum=0.1",
    "classify.head.hidden=16",
    "ema=0.9",
    "optimizer.lr=0.01",
    "data.eval_batch_size=2",
    "data.workers=0",
    "cpu.keep_freed_memory=false",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=2",
    "trainer.check_val_every_n_epoch=2",
    "pictures=2",
)
STREETS = ("dataset.train=6", "dataset.val=4", "dataset.height=64", "dataset.width=128", "data.batch_size=3")
MIXTURE = ("image_size=[48,64]", "data.batch_size=4")


@pytest.fixture
def run(command, tmp_path):
    """A command of any task, with its output folder below tmp_path."""

    def go(folder: str, *arguments: str, task: str = "multitask"):
        result = command(task, f"hydra.run.dir={tmp_path / folder}", *arguments)
        return result, tmp_path / folder

    return go


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> str:
    """Where the street scenes of this module lie."""
    return f"dataset.root={tmp_path_factory.mktemp('streets') / 'streets'}"


@pytest.fixture
def streets(scenes):
    """Arguments for all three heads on street scenes."""
    return (*SMALL, *STREETS, scenes)


@pytest.fixture
def mixture(cityscapes, coco, folders):
    """Arguments for three data sets, each with labels of its own kind."""
    return (
        "datasets={town:cityscapes,things:coco,kinds:folders}",
        *SMALL,
        *MIXTURE,
        f"datasets.town.root={cityscapes}",
        "datasets.town.targets=[mask]",
        f"datasets.things.root={coco}",
        f"datasets.kinds.root={folders}",
    )


def checkpoint(folder: Path) -> str:
    return f"checkpoint={folder / 'checkpoints' / 'best.ckpt'}"


def own(scores: dict, name: str) -> dict:
    """One task's part of the scores of several, under the names that it has alone."""
    return {key.removeprefix(f"{name}/"): value for key, value in scores.items() if key.startswith(f"{name}/")}


def test_three_heads_learn_score_and_predict_together(run, streets):
    result, folder = run("train", *streets)
    assert result.status == 0, result.err
    scores = metrics(folder)
    assert scores["images"] == 4
    assert {"segment/mIoU", "detect/mAP", "detect/mAP50", "classify/top1", "segment/iou/road"} <= scores.keys()
    assert {path.name for path in (folder / "pictures").iterdir() if path.is_dir()} == {"segment", "detect", "classify"}
    report = collect(folder)
    columns = {table["head"]: {name for name, _ in table["columns"]} for table in report["scores"]}
    assert "iou" in columns["segment"] and {"AP", "duplicate"} <= columns["detect"] and "F1" in columns["classify"]
    assert all(table["rows"] for table in report["scores"])
    assert all(head["pictures"] and head["augmented"] and head["curves"] for head in report["heads"])
    assert (folder / "pictures" / "detect" / "precision_recall.png").is_file()
    assert {path.name for path in folder.glob("*/*.csv")} == {"errors.csv", "classes.csv"} and not (
        folder / "segment"
    ).exists()

    costs = json.loads((folder / "network.json").read_text())
    apart = [costs[name]["multiply_adds"] for name in ("segment", "detect", "classify")]
    assert max(apart) < costs["shared"]["multiply_adds"] < sum(apart)
    assert "at 1/16 for segment, detect, classify" in result.out

    result, again = run("evaluate", "mode=evaluate", checkpoint(folder))
    assert result.status == 0, result.err
    assert metrics(again) == scores
    for name in ("segment", "detect", "classify"):  # each task's own command scores its head as multitask does
        result, alone = run(name, "mode=evaluate", checkpoint(folder), task=name)
        assert result.status == 0, result.err
        assert metrics(alone) == own(scores, name)

    image = next(Path(streets[-1].partition("=")[2]).rglob("*_leftImg8bit.png"))
    result, seen = run("predict", "mode=predict", checkpoint(folder), f"input={image}")
    assert result.status == 0, result.err
    assert len(list((seen / "overlays").iterdir())) == 1


def test_data_sets_with_different_labels_train_their_own_heads(run, mixture):
    result, folder = run("train", *mixture)
    assert result.status == 0, result.err
    scores = metrics(folder)
    assert scores["images"] == 5 + 4 + 9
    assert [scores[f"{name}/images"] for name in ("segment", "detect", "classify")] == [5, 4, 9]
    assert {"detect/AP/red", "segment/iou/sky"} <= scores.keys() and scores["classify/top1"] is not None
    for name in ("segment", "detect", "classify"):
        result, alone = run(name, "mode=evaluate", checkpoint(folder), task=name)
        assert result.status == 0, result.err
        assert metrics(alone) == own(scores, name)


def test_statistics_of_each_data_set(run, mixture):
    result, folder = run("train", *mixture, "batchnorm=separate", "balance=uncertainty")
    assert result.status == 0, result.err
    norms = state(folder / "checkpoints" / "best.ckpt")["state_dict"]
    means = [norms[f"backbone.blocks.0.1.norms.{number}.running_mean"] for number in range(3)]
    assert not torch.equal(means[0], means[1]) and not torch.equal(means[1], means[2])
    for name in ("segment", "detect", "classify"):
        result, alone = run(name, "mode=evaluate", checkpoint(folder), task=name)
        assert result.status == 0, result.err
        assert metrics(alone) == own(metrics(folder), name)


@pytest.mark.parametrize("balance", ["uncertainty", "gradnorm"])
def test_a_resumed_run_ends_as_if_it_had_not_stopped(run, mixture, balance):
    whole = ("trainer.max_epochs=3", f"balance={balance}", "trainer.check_val_every_n_epoch=3", "pictures=0")
    result, one = run("whole", *mixture, *whole)
    assert result.status == 0, result.err
    result, half = run("half", *mixture, *whole, "stop_after=1")
    assert result.status == 0, result.err
    noted = json.loads((half / "report" / "run.json").read_text())
    assert (noted["state"], noted["why"]) == ("stopped_early", "stop_after=1: 1 of 3 epochs")
    result, rest = run("rest", f"resume={half / 'checkpoints' / 'last.ckpt'}")
    assert result.status == 0, result.err
    ends = [state(folder / "checkpoints" / "last.ckpt")["state_dict"] for folder in (one, rest)]
    assert_same(*ends)
    assert metrics(one) == metrics(rest)


def test_a_new_head_leaves_the_old_ones_scores_as_they_were(run, cityscapes, coco):
    """Segmentation's backbone ends early and is dilated; the new head reads layers that it does not have."""
    town = (*SMALL[:4], *SMALL[8:], f"dataset.root={cityscapes}", "data.batch_size=2", "head.hidden=16")
    result, old = run("old", "dataset=cityscapes", *town, task="segment")
    assert result.status == 0, result.err
    grow = ("backbone.frozen=true", "segment.frozen=true", "dataset=coco", f"dataset.root={coco}", *SMALL[5:], *MIXTURE)
    result, new = run("new", checkpoint(old), *grow, "recipe=none")
    assert result.status == 0, result.err
    assert "new heads: detect" in result.out
    assert "detect/mAP" in metrics(new) and "segment/mIoU" not in metrics(new)

    for task in ("segment", "multitask"):
        data = ("dataset=cityscapes", f"dataset.root={cityscapes}", "data.fit=null", "data.eval_batch_size=2")
        heads = () if task == "segment" else ("heads=[segment]",)
        result, again = run(f"again_{task}", "mode=evaluate", checkpoint(new), *data, *heads, task=task)
        assert result.status == 0, result.err
        assert metrics(again) == metrics(old)
    before, after = (state(folder / "checkpoints" / "best.ckpt")["state_dict"] for folder in (old, new))
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())
    assert len(after) > len(before)


def test_statistics_follow_the_data_sets_names(run, mixture, cityscapes, coco):
    """Into another order, into a part, and where two data sets feed one head."""
    result, folder = run("train", *mixture, "batchnorm=separate", "pictures=0")
    assert result.status == 0, result.err
    expected = own(metrics(folder), "segment")
    turned = ("datasets={things:coco,town:cityscapes}", *mixture[1:-1], "batchnorm=separate", "pictures=0")
    frozen = ("heads=[segment,detect]", "backbone.frozen=true", "segment.frozen=true", "trainer.max_epochs=1")
    result, grown = run("grown", checkpoint(folder), *turned, *frozen)
    assert result.status == 0, result.err
    assert "dropped: classify" in result.out
    assert own(metrics(grown), "segment") == expected
    for name, data in {"part": (), "named": ("datasets={town:cityscapes}", *mixture[-4:-2])}.items():
        result, part = run(name, "mode=evaluate", checkpoint(folder), "heads=[segment]", *data)
        assert result.status == 0, result.err
        assert metrics(part) == expected
    result, _ = run("other", "mode=evaluate", checkpoint(folder), "dataset=cityscapes", f"dataset.root={cityscapes}")
    assert result.status == 2 and "keeps the statistics of town, things, kinds apart" in result.err

    both = (f"datasets.one.root={coco}", f"datasets.two.root={coco}", "batchnorm=separate")
    result, two = run("two", "datasets={one:coco,two:coco}", *SMALL, *MIXTURE, *both)
    assert result.status == 0, result.err
    result, alone = run("alone", "mode=evaluate", checkpoint(two), task="detect")
    assert result.status == 0, result.err
    assert metrics(alone) == metrics(two)


def test_a_mixtures_checkpoint_is_scored_on_other_data(run, mixture, cityscapes):
    result, folder = run("train", *mixture, "pictures=0", "balance=gradnorm")
    assert result.status == 0, result.err
    data = ("dataset=cityscapes", f"dataset.root={cityscapes}")
    for task, heads in (("multitask", ("heads=[segment]",)), ("segment", ())):
        result, one = run(task, "mode=evaluate", checkpoint(folder), *data, *heads, task=task)
        assert result.status == 0, result.err
        assert metrics(one) == own(metrics(folder), "segment")
    result, _ = run("moved", "mode=evaluate", checkpoint(folder), "datasets.town.root=nowhere")
    assert result.status == 2 and "datasets.town: no data set at nowhere" in result.err
    result, _ = run("more", f"resume={folder / 'checkpoints' / 'last.ckpt'}", "+dataset@datasets.more=coco")
    assert result.status == 2 and "names of datasets: resume=" in result.err


def test_the_networks_of_checkpoints_are_grown_whatever_they_are(run, cityscapes, coco):
    town = ("dataset=cityscapes", f"dataset.root={cityscapes}", "recipe=none", "backbone=mobilenet_v2", *SMALL[2:4])
    quick = ("trainer.max_epochs=1", "data.batch_size=2", "data.workers=0", "cpu.keep_freed_memory=false", "pictures=0")
    result, old = run("old", *town, *quick, "trainer.accelerator=cpu", task="segment")
    assert result.status == 0, result.err
    frozen = ("backbone.frozen=true", "segment.frozen=true", "dataset=coco", f"dataset.root={coco}")
    result, _ = run("new", checkpoint(old), *frozen, "recipe=none", *MIXTURE, *SMALL[5:7], *quick)
    assert result.status == 0, result.err
    assert "MobileNetV2 + SSDLite" in result.out


def test_pruning_keeps_what_the_other_heads_see(run, mixture, tmp_path, monkeypatch, capfd):
    result, folder = run("train", *mixture, "batchnorm=separate", "pictures=0")
    assert result.status == 0, result.err
    best = folder / "checkpoints" / "best.ckpt"
    for heads in (["segment"], ["detect", "classify"]):
        monkeypatch.setattr(
            sys, "argv", ["prune", str(best), "--keep", *heads, "--output", str(tmp_path / "less.ckpt")]
        )
        prune.main()
        assert "dropped" in capfd.readouterr().out
        task = heads[0] if len(heads) == 1 else "multitask"
        result, alone = run("_".join(heads), "mode=evaluate", f"checkpoint={tmp_path / 'less.ckpt'}", task=task)
        assert result.status == 0, result.err
        scores = metrics(alone)
        for name in heads:
            assert (own(scores, name) if len(heads) > 1 else scores) == own(metrics(folder), name)
        (tmp_path / "less.ckpt").unlink()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["heads=[segment,count]"], "heads: count is not one of segment, detect, classify"),
        (["heads=[]"], "heads=[] is not a list of some of segment, detect, classify, multilabel, or null"),
        (["heads=[detect,detect]"], "names detect twice"),
        (["backbone.frozen=true"], "backbone.frozen=true without weights to keep"),
        (["segment.frozen=true"], "segment.frozen=true without weights to keep"),
        (["balance=gradnorm", "loss_weights.detect=2"], "loss_weights.detect is for balance=fixed"),
        (["balance.weights.segment=-1"], "balance.weights.segment=-1"),
        (["+data.draw.coco=3"], "data.draw.coco: no such data set; it is for mixtures"),
        (["batchnorm=separate"], "batchnorm=separate is for several data sets"),
        (["batchnorm=both"], "batchnorm=both is not one of shared, separate"),
        (["segment.head.low=c9"], "segment: the head reads c9; this backbone has"),
        (["mode=evaluate", "weights=some.pth"], "mode=evaluate of several heads needs checkpoint="),
        (["detect=null"], "detect"),
        (["distill.teacher=a.ckpt"], "distill.teacher=a.ckpt: a teacher is for one task"),
        (["segment.target=boxes"], "segment.target=boxes: this head learns from mask"),
        (["classify.task.mix.mixup=0.5"], "classify.task.mix blends images, which other heads' labels cannot follow"),
        (["balance.weights=3"], "balance.weights=3 is not a number for each of segment, detect, classify"),
        (["data.draw=3"], "data.draw=3 is not a number for each data set"),
        (["+data.own_augment.town.flip=3"], "is not transforms by name"),
        (["+datasets.town=1"], "datasets.town is for a mixture"),
        (["head=lraspp"], "head: not a group of this command; tasks.multitask has it by head, head@segment.head=…"),
        (["loss=focal"], "loss@detect.task.loss=…"),
    ],
)
def test_wrong_input_is_one_line(run, streets, arguments, message):
    result, _ = run("wrong", *streets, *arguments)
    assert result.status == 2
    assert message in result.err and result.err.count("\n") == 1


def test_a_head_without_data_and_data_without_a_head(run, mixture, tmp_path):
    result, _ = run(
        "a", *SMALL, "dataset=cityscapes", f"dataset.root={tmp_path}/cityscapes", "heads=[segment,classify]"
    )
    assert result.status == 2
    assert "head classify has no data set: dataset=cityscapes has no labels of kind label" in result.err
    assert "heads=[segment]" in result.err
    result, _ = run("b", *mixture, "heads=[segment,detect]")
    assert result.status == 2
    assert "kinds" in result.err and result.err.count("\n") == 1


def test_classes_of_one_name_and_two_meanings(run, mixture, coco, tmp_path):
    other = write_coco(tmp_path / "other")
    for split in ("train2017", "val2017"):
        path = other / "annotations" / f"instances_{split}.json"
        path.write_text(
            path.read_text()
            .replace('"id": 1, "name": "red"', '"id": 2, "name": "red"')
            .replace('"category_id": 1', '"category_id": 2')
        )
    arguments = ("datasets={one:coco,two:coco}", *SMALL, *MIXTURE, f"datasets.one.root={coco}")
    result, _ = run("two", *arguments, f"datasets.two.root={other}")
    assert result.status == 2
    assert "one" in result.err and "two" in result.err and "red" in result.err and result.err.count("\n") == 1
    shutil.rmtree(other)
    write_coco(other)
    result, folder = run("same", *arguments, f"datasets.two.root={other}", "pictures=0")
    assert result.status == 0, result.err
    assert metrics(folder)["images"] == 8, "equal classes share a head"
