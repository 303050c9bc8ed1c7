"""The page while a training goes on: what it says of its state, what it costs, and that it ends no training."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tasks.common.errors import Stopped, UserError
from tasks.data.loading.label_counts import counts_of, histogram
from tasks.engine.report import WriteReport
from tasks.engine.scoring import write_results
from tasks.engine.train import end_of
from tasks.report.process import has_ended
from tasks.report.write import note, write_report

TRAINER = SimpleNamespace(
    is_global_zero=True,
    current_epoch=0,
    loggers=[],
    world_size=2,
    accumulate_grad_batches=4,
    datamodule=SimpleNamespace(batch_size=8),
    strategy=SimpleNamespace(root_device=None),
)


@pytest.fixture
def page(tmp_path):
    (tmp_path / "config.yaml").write_text("mode: train\ntrainer: {max_epochs: 9}\n")
    page = WriteReport(tmp_path, {"started": "2026-01-01T00:00:00+00:00"})
    page.started = True
    page.epoch_begin = page.begin
    return page


def record(page):
    return json.loads((page.folder / "report" / "run.json").read_text())


def test_the_first_epoch_has_a_page_and_later_ones_only_where_it_costs_little(page, monkeypatch):
    now = page.begin
    monkeypatch.setattr("tasks.engine.report.time.perf_counter", lambda: now)
    page.on_train_epoch_end(TRAINER, None)
    assert record(page)["epoch"] == 1 and (page.folder / "report.html").is_file()
    page.cost = 2.0
    now += 199
    page.on_train_epoch_end(SimpleNamespace(**{**vars(TRAINER), "current_epoch": 1}), None)
    assert record(page)["epoch"] == 1, "a page of two seconds every 200 seconds"
    now += 2
    page.on_train_epoch_end(SimpleNamespace(**{**vars(TRAINER), "current_epoch": 2}), None)
    assert record(page)["epoch"] == 3


def test_a_run_that_ends_between_pages_says_how_far_it_came(page, monkeypatch):
    now = page.begin
    monkeypatch.setattr("tasks.engine.report.time.perf_counter", lambda: now)
    saved = []
    monkeypatch.setattr("tasks.engine.report.CSVLogger", SimpleNamespace)
    logger = SimpleNamespace(save=lambda: saved.append(True))
    for epoch in range(4):
        trainer = SimpleNamespace(**{**vars(TRAINER), "current_epoch": epoch, "loggers": [logger]})
        page.on_train_epoch_end(trainer, None)
        page.cost = 2.0
    assert record(page)["epoch"] == 1 and len(saved) == 1
    page.on_exception(trainer, None, KeyboardInterrupt())
    assert record(page)["epoch"] == 4 and len(saved) == 2, "with the last rows of metrics.csv"


def test_other_processes_write_nothing(page):
    page.on_train_epoch_end(SimpleNamespace(**{**vars(TRAINER), "is_global_zero": False}), None)
    assert not (page.folder / "report").exists()


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (Stopped(15), "interrupted", {"why": "SIGTERM: stopped"}),
        (KeyboardInterrupt(), "interrupted", {"why": "Ctrl-C"}),
        (ValueError("<b>"), "failed", {"failure": "ValueError: <b>"}),
    ],
)
def test_what_ended_it(page, error, state, reason):
    page.on_exception(TRAINER, None, error)
    assert record(page)["state"] == state
    assert {key: record(page)[key] for key in ("why", "failure") if key in record(page)} == reason


def test_what_is_refused_before_training_leaves_nothing(page):
    page.started = False
    page.on_exception(TRAINER, None, ValueError())
    assert not (page.folder / "report").exists()


def test_a_broken_page_stops_no_training(page, capsys):
    (page.folder / "metrics.json").write_text("{")
    page.on_train_epoch_end(TRAINER, None)
    assert "no report: " in capsys.readouterr().out


def test_a_folders_page_is_always_the_same(page):
    note(page.folder, {"updated": "2026-01-01T00:00:00+00:00"})
    first = write_report(page.folder).read_bytes()
    assert write_report(page.folder).read_bytes() == first


def test_histograms_by_hand():
    assert histogram(np.array([0, 1, 1, 3, 99]), (0, 1, 2, 5)) == {"edges": [0, 1, 2, 5], "counts": [1, 2, 1, 1]}


def test_augmented_images_and_label_counts_of_a_real_run(command, tmp_path, coco):
    folder = tmp_path / "run"
    result = command(
        "detect",
        *("dataset=coco", f"dataset.root={coco}", "image_size=[64,64]", "wants.tail=detection", "recipe=none"),
        *("backbone=mobilenet_v3_small", "backbone.width=0.35", "data.workers=0", "data.batch_size=3"),
        *("trainer.max_epochs=1", "trainer.accelerator=cpu", "pictures=0", f"hydra.run.dir={folder}"),
    )
    assert not result.status, result.err
    records = folder / "report" / "detect"
    sheet = json.loads((records / "augmented.json").read_text())
    assert sheet["type"] == "boxes" and len(sheet["pictures"]) == 6, "two batches of three"
    for picture in sheet["pictures"]:
        assert Image.open(records / picture["files"]["image"]).size == (64, 64) == (picture["width"], picture["height"])
    content = json.loads((coco / "annotations" / "instances_train2017.json").read_text())
    names = {entry["id"]: entry["name"] for entry in content["categories"]}
    labels = json.loads((records / "labels.json").read_text())
    for place, name in enumerate(labels["classes"]):
        own = [a for a in content["annotations"] if names[a["category_id"]] == name and not a["iscrowd"]]
        assert labels["counts"]["train"][place] == len(own)
    assert sum(labels["per_image"]["counts"]) == len(content["images"])
    assert not (records / "pictures.json").exists(), "pictures=0"


def test_the_first_page_is_announced_once(page, capsys):
    page.write_sheets()
    said = f"report    {page.folder / 'report.html'} follows the training (open it in a browser)\n"
    assert capsys.readouterr().out == said
    page.write()
    assert capsys.readouterr().out == ""


def test_a_bug_in_a_page_is_shown_once_and_ends_no_training(page, monkeypatch, capsys):
    monkeypatch.setattr("tasks.engine.report.write_report", lambda folder: {}["of ours"])
    page.write(epoch=1)
    said = capsys.readouterr()
    assert "KeyError: 'of ours'" in said.err and "the training goes on" in said.out
    page.write(epoch=2)
    assert capsys.readouterr().err == "" and record(page)["epoch"] == 1


def test_what_fails_after_training_is_said_too(page):
    page.ended(UserError("best.ckpt is damaged"))
    assert record(page)["state"] == "failed" and record(page)["failure"] == "UserError: best.ckpt is damaged"


class Uncounted:
    """A user's data set of class labels, which has no methods that count."""

    parts = (SimpleNamespace(kinds={"label"}, samples=object()),)

    def class_labels(self):
        return self.parts[0].samples.class_labels()


def test_a_data_set_that_does_not_count_its_labels_is_not_counted(monkeypatch):
    task = SimpleNamespace(target="label", class_names=["a"])
    assert counts_of(task, Uncounted()) is None
    monkeypatch.setattr(Uncounted, "class_labels", lambda self: self.nothing)
    with pytest.raises(AttributeError, match="nothing"):
        counts_of(task, Uncounted())


def test_a_long_validation_has_pages_too(page, monkeypatch):
    now = page.begin
    monkeypatch.setattr("tasks.engine.report.time.perf_counter", lambda: now)
    now += 59
    page.on_validation_batch_end(TRAINER, None)
    assert not (page.folder / "report").exists()
    now += 2
    page.on_validation_batch_end(TRAINER, None)
    assert record(page)["interval"] == 60 and (page.folder / "report.html").is_file()
    page.started = False
    now += 99
    page.on_validation_batch_end(TRAINER, None)
    assert record(page)["seconds"] == 61, "no page of the batches that are tried before training"


def test_a_run_that_goes_on_forgets_how_its_first_part_ended(page):
    page.ended(Stopped(15))
    note(page.folder, {"updated": "2026-01-01T00:00:00+00:00"})
    trainer = SimpleNamespace(**{**vars(TRAINER), "strategy": SimpleNamespace(root_device=SimpleNamespace(type="cpu"))})
    page.on_train_start(trainer, None)
    assert record(page)["state"] == "training" and record(page)["why"] is None
    assert record(page)["batch"] == "64 = 8 images × 2 processes × 4 accumulated steps"
    assert not has_ended(record(page)["process"]) and record(page)["updated"] > "2026-01-01T00:00:00+00:00"


def test_how_a_training_ends():
    run = SimpleNamespace(stop_after=2, trainer=SimpleNamespace(max_epochs=9))
    assert end_of(run, 2, "") == {"state": "stopped_early", "why": "stop_after=2: 2 of 9 epochs"}
    assert end_of(run, 9, "") == {"state": "finished"}
    assert end_of(run, 2, "the loss has exploded") == {"state": "failed", "failure": "the loss has exploded"}


def test_two_heads_may_write_files_of_one_name(tmp_path, capsys):
    class Table:
        def __init__(self, name):
            self.name = name

        def results(self, _metric, folder, _pictures):
            if self.name:
                (folder / "classes.csv").write_text(self.name)
            return [self.name]

    for name in ("classify", "multilabel", ""):
        write_results(Table(name), None, tmp_path / (name or "segment"), None)
    assert [(tmp_path / name / "classes.csv").read_text() for name in ("classify", "multilabel")] == [
        "classify",
        "multilabel",
    ]
    assert not (tmp_path / "segment").exists(), "it has no file"
    assert capsys.readouterr().out == "classify\nmultilabel\n\n"
