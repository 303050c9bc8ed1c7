"""The real search=netadapt on tiny data sets of all three tasks: what it leaves behind, and what is refused."""

import csv
import itertools
import json
import statistics

import pytest
import torch
from PIL import Image

from backbones.table_file import read_table
from tasks.engine import prepare

QUICK = (
    "cpu.keep_freed_memory=false",
    "trainer.accelerator=cpu",
    "trainer.max_epochs=1",
    "data.workers=0",
    "pictures=0",
)
SMALL = ("backbone=mobilenet_v3_small", "backbone.width=0.35", "backbone.norm_momentum=0.1", "ema=0.9", *QUICK)
TASKS = {
    "classify": (
        *("dataset=folders", "wants.skip_strides=2", "head.hidden=0", "data.augment={}", "data.batch_size=4"),
        *("data.crop.size=32", "data.fit.resize=36", "data.fit.crop=32"),
    ),
    "segment": ("dataset=cityscapes", "recipe=segment_streets", "data.augment.crop.size=[32,48]", "data.batch_size=2"),
    "detect": (
        *("dataset=coco", "recipe=none", "image_size=[64,64]", "head.norm_momentum=0.1", "head.extras=[32,32]"),
        *("data.batch_size=2", "data.eval_batch_size=2"),
    ),
}
SEARCH = (
    *("search=netadapt", "search.step=0.05", "search.steps=1", "search.importance=1"),
    *("search.workers=1", *QUICK),
)
SCORES = {"classify": "top1", "segment": "mIoU", "detect": "mAP"}


@pytest.fixture
def seed(request, command, tmp_path, folders, cityscapes, coco):
    """The checkpoint of a training of a task."""

    def trained(task, *arguments):
        root = {"classify": folders, "segment": cityscapes, "detect": coco}[task]
        run = command(
            *(task, *SMALL, *TASKS[task], "data.holdout=0.4", f"dataset.root={root}"),
            *(f"hydra.run.dir={tmp_path / 'seed'}", *arguments),
        )
        assert run.status == 0, run.err
        return tmp_path / "seed" / "checkpoints" / "best.ckpt"

    return trained


@pytest.mark.parametrize("task", TASKS)
def test_a_checkpoint_is_narrowed_trained_and_compared(task, seed, command, tmp_path, monkeypatch):
    path, folder = seed(task), tmp_path / "narrow"
    widths = ["search.widths=[equal]", "search.longer=true", "search.minutes=0.01"] if task == "classify" else []
    repeated = ["search.repeats=2"] if task == "classify" else []
    taught = ["distill.teacher=seed"] if task == "segment" else []
    given, teachers = prepare.give_teacher, []
    monkeypatch.setattr(prepare, "give_teacher", lambda *all: (teachers.append(all[0].teacher), given(*all)))
    run = command(
        "search",
        *SEARCH,
        f"checkpoint={path}",
        "target.madds=0.94x",
        f"hydra.run.dir={folder}",
        *widths,
        *repeated,
        *taught,
    )
    assert run.status == 0, run.err

    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    kinds = [row["kind"] for row in rows]
    steps = [row for row in rows if row["kind"] == "step"]
    assert steps and kinds[0] == "seed" and kinds[-1] == ("width" if widths else "found")
    costs = [float(row["madds"]) for row in [rows[0], *steps]]
    assert costs[-1] <= 0.94 * costs[0] and all(
        after <= max(before - 0.05 * costs[0], 0.94 * costs[0]) for before, after in itertools.pairwise(costs)
    )
    found = next(row for row in rows if row["kind"] == "found")
    metrics = json.loads((folder / "metrics.json").read_text())
    scores = [metrics[SCORES[task]]]
    if repeated:
        scores.append(json.loads((folder / "seed_1" / "metrics.json").read_text())[SCORES[task]])
        assert {row["kind"]: bool(row["sd"]) for row in rows if row["kind"] != "step"} == {
            "seed": False, "found": True, "longer": True, "width": True,
        }  # fmt: skip
        minutes = {row["kind"]: float(row["seconds"]) for row in rows if row["kind"] in ("longer", "found")}
        spent = json.loads((path.parent.parent / "training.json").read_text())["seconds"]
        assert min(minutes.values()) > spent
    assert float(found["score"]) == pytest.approx(statistics.fmean(scores)) and float(found["madds"]) == costs[-1]
    for picture in ("search.png", "steps.png"):
        Image.open(folder / picture).verify()
    assert not (folder / "work").exists()

    metadata = torch.load(folder / "found.ckpt", weights_only=True)["mobilevision"]
    assert metadata["config"]["distill"]["teacher"] == (str(path) if taught else None)
    assert teachers == [str(path)] * len(taught)  # of the last training
    assert metadata["holdout"] == torch.load(path, weights_only=True)["mobilevision"]["holdout"]
    used = json.loads((folder / "training.json").read_text())["images"]
    assert used == metadata["holdout"]["images"] - metadata["holdout"]["held"]

    # the table and its weights are a network like any other
    network = json.loads((folder / "network.json").read_text())[task]
    assert network["multiply_adds"] == costs[-1] < float(rows[0]["madds"])
    assert read_table(folder / "found.yaml")["origin"].startswith("MobileNetV3 narrowed by NetAdapt")
    again = command(task, "mode=evaluate", f"checkpoint={folder / 'found.ckpt'}", *evaluated(path))
    assert again.status == 0 and f"{SCORES[task]} {metrics[SCORES[task]]:.4f}" in again.out
    other = "segment" if task == "classify" else "classify"
    assert command(other, "backbone=table", f"backbone.file={folder / 'found.yaml'}", "--cfg", "job").status == 0


def evaluated(path):
    """What mode=evaluate is told: where the data set of this checkpoint lies."""
    return [f"dataset.root={torch.load(path, weights_only=True)['mobilevision']['config']['dataset']['root']}"]


def test_what_cannot_be_narrowed_is_refused_with_the_figures(seed, command, tmp_path, folders):
    path = seed("classify")
    search = (*SEARCH, f"checkpoint={path}", f"hydra.run.dir={tmp_path / 'out'}")

    def refused(*arguments):
        run = command("search", *arguments)
        assert run.status == 2 and run.err.startswith("error: ") and len(run.err.splitlines()) == 1, run.err
        return run.err

    text = refused(*search, "target.madds=0.001x")
    assert "the seed network costs" in text and "narrowing brings it down to" in text
    assert "already" in refused(*search, "target.params=1G")
    assert "no target is given" in refused(*search)
    assert "target.madds and target.params are given" in refused(*search, "target.madds=0.9x", "target.params=0.9x")
    assert "target.latency=fast" in refused(*search, "target.latency=fast")
    assert "checkpoint=<best.ckpt> is missing" in refused("search=netadapt", "target.madds=0.9x")
    assert "search=… is missing: one of netadapt, blocks, width, latency" in refused("target.madds=0.9x")
    assert "no such file" in refused("search=netadapt", "checkpoint=nowhere.ckpt", "target.madds=0.9x")
    assert "task=multitask" in refused(*search, "task=multitask", "target.madds=0.9x")
    assert "search.step=2" in refused(*search, "target.madds=0.9x", "search.step=2")
    assert "mode=train" in refused(*search, "mode=train")
    folders.rename(tmp_path / "gone")
    run = command("search", *search, "target.madds=0.9x")
    assert run.status == 2 and run.err.startswith(f"error: no data set at {folders}")
    assert not (tmp_path / "out").exists()
