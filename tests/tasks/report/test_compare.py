"""A page of several runs: which runs, what differs, scores with differences, the same images beside each other."""

import base64
import json
import sys

import pytest

from tasks.common.errors import UserError
from tasks.compare.__main__ import main
from tasks.compare.runs import runs_asked
from tasks.report.compare import differing, names_of, runs_in, write_comparison
from tasks.report.process import this_process
from tasks.report.write import note
from tests.chromium import DESKTOP, PHONE
from tests.tasks.report.runs import write_run


@pytest.fixture
def two(tmp_path):
    return [write_run(tmp_path / "sweep" / str(seed), seed, 0.5 + 0.125 * seed) for seed in (0, 1)]


def test_runs_are_named_or_found_in_a_folder(two):
    assert runs_in(two) == runs_in([two[0].parent]) == two
    assert names_of(two) == ["0", "1"]
    with pytest.raises(UserError, match="nothing to compare with 1 run"):
        runs_in([two[0], two[0]])
    with pytest.raises(UserError, match="is no run's folder"):
        runs_in([two[0], two[0] / "report"])


def test_keys_that_differ():
    rows = differing([{"a": 1, "b": [1], "hydra.x": 1}, {"a": 1, "b": [2], "hydra.x": 2, "c": None}])
    assert rows == [["b", [1], [2]]]


def test_what_is_asked(two, monkeypatch):
    monkeypatch.chdir(two[0].parent)
    assert runs_asked(["--data", "0.1,1", "segment"]) is None
    assert runs_asked(["segment", "data.share=0.1,1"]) is None
    assert runs_asked(["segment"]) is None
    asked = runs_asked(["0", "1", "--output", "x"])
    assert (list(map(str, asked.folders)), str(asked.output)) == (["0", "1"], "x")
    with pytest.raises(UserError, match="--seeds: not for a comparison of runs"):
        runs_asked(["0", "--seeds", "1"])
    with pytest.raises(UserError, match="2 is no folder"):
        runs_asked(["0", "2"])


def test_the_page(two, chromium, monkeypatch, capsys):
    output = two[0].parent.parent / "page"
    monkeypatch.setattr(sys, "argv", ["tasks.compare", *map(str, two), "--output", str(output)])
    main()
    assert f"report    {output / 'compare.html'}" in capsys.readouterr().out
    chromium.open(output / "compare.html")
    rows = chromium.run(
        "const rows = [...document.querySelectorAll('#scores tbody tr')];"
        "return rows.map(row => [...row.children].map(cell => cell.textContent))"
    )
    assert rows == [
        ["mAP", "0.5000", "0.6250", "+0.1250"],
        ["mAP50", "–", "–", "–"],
        ["a (AP)", "0.2500", "0.3125", "+0.0625"],
    ]
    keys = chromium.texts("#keys tbody td")
    assert keys == ["seed", "0", "1"]
    titles = chromium.run("return [...document.querySelectorAll('.plot')].map(e => e.dataset.title)")
    assert titles == ["train/loss", "val/mAP"]
    assert chromium.texts(".row h4") == ["same.jpg"]
    captions = chromium.texts(".row figcaption")
    assert captions == [f"{seed}: seed={seed}F1 0.67: 1 right, 1 wrong, 0 missed" for seed in (0, 1)], (
        "at 0.25, the best threshold"
    )
    for size in (PHONE, DESKTOP):
        chromium.resize(size)
        for scheme in ("light", "dark"):
            chromium.scheme(scheme)
            assert not chromium.overflows()
    assert chromium.complaints() == []
    shown = chromium.run("return document.querySelector('.row img').src").partition("base64,")[2]
    assert base64.b64decode(shown) == (two[0] / "report" / "detect" / "p0.jpg").read_bytes()


def test_a_count_of_images_is_no_score_of_a_class(chromium, tmp_path):
    """Classification's columns begin with one."""
    runs = [tmp_path / name for name in ("one", "two")]
    for number, folder in enumerate(runs):
        write_run(folder, number, 0.5)
        (folder / "report" / "detect").rename(folder / "report" / "classify")
        (folder / "metrics.json").write_text(json.dumps({"top1": 0.5 + number / 4, "images": 2}))
        (folder / "network.json").write_text(
            json.dumps({"height": 8, "width": 8, "classify": {"params": 5, "multiply_adds": 7}})
        )
        (folder / "classes.csv").write_text(f"class,images,precision,recall,F1\ncat,12,0.5,0.5,{0.5 + number / 8}\n")
    (tmp_path / "out").mkdir()
    chromium.open(write_comparison(runs, tmp_path / "out"))
    cells = chromium.texts("td")
    assert not any("images" in cell for cell in cells) and "cat (F1)" in cells, cells


def write_multitask(folder, score):
    """A run with a segmenter beside the detector."""
    write_run(folder, 0, score)
    heads = {name: {"params": 5, "multiply_adds": 7} for name in ("segment", "detect", "shared")}
    (folder / "network.json").write_text(json.dumps({"height": 8, "width": 8, **heads}))
    metrics = {"segment/mIoU": 0.25, "detect/mAP": score, "detect/mAP50": None, "detect/AP/a": score / 4, "images": 2}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    columns = "epoch,step,train/loss,train/detect/loss,train/lr,val/detect/mAP,val/segment/mIoU"
    (folder / "metrics.csv").write_text(f"{columns}\n0,0,4.0,2.0,0.1,,\n0,1,1.5,1.0,0.1,0.1,0.2\n")
    return folder


def test_a_head_of_several_meets_the_same_task_alone(tmp_path, chromium):
    runs = [write_multitask(tmp_path / "both", 0.5), write_run(tmp_path / "alone", 0, 0.75)]
    chromium.open(write_comparison(runs, tmp_path))
    rows = chromium.run(
        "return [...document.querySelectorAll('#scores tbody tr')].map(r => [...r.children].map(c => c.textContent))"
    )
    assert rows == [
        ["segment mIoU", "0.2500", "–", "–"],
        ["detect mAP", "0.5000", "0.7500", "+0.2500"],
        ["detect mAP50", "–", "–", "–"],
        ["detect a (AP)", "0.1250", "0.3750", "+0.2500"],
    ]
    drawn = chromium.run(
        "return [...document.querySelectorAll('.plot')].map(e => [e.dataset.title, e.lines.map(line => line.y.length)])"
    )
    drawn = dict(drawn)
    assert drawn["train/detect/loss"] == [2, 3] and drawn["val/detect/mAP"] == [1, 2]
    assert list(drawn)[:2] == ["train/detect/loss", "val/detect/mAP"], "what both have comes first"
    assert drawn["train/lr"] == drawn["train/loss"] == [2] and drawn["val/segment/mIoU"] == [1]
    assert chromium.complaints() == []


def test_states_are_told_with_their_reason(two, chromium, tmp_path):
    note(two[0], {"state": "stopped_early", "why": "stop_after=1: 1 of 2 epochs"})
    note(two[1], {"state": "training", "process": {**this_process(), "since": "1"}})
    chromium.open(write_comparison(two, tmp_path))
    states = chromium.run("return [...document.querySelectorAll('#runs tbody tr')].map(r => r.children[2].textContent)")
    assert states == ["stopped early: stop_after=1: 1 of 2 epochs", "broken off"]
