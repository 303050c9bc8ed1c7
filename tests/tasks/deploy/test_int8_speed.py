"""An int8 file is timed against fp32: reported, refused where clearly slower, with what would be faster."""

import json
import time
from types import SimpleNamespace

import numpy as np
import pytest

from tasks.checkpoint.manifest import metadata_of
from tasks.common.errors import UserError
from tasks.deploy import int8_speed
from tasks.deploy.int8_speed import Speed, check_speed, measure

FASTER, NEAR, NOISY = Speed(3.0, 2.0, 0.0), Speed(2.0, 2.03, 0.9), Speed(2.0, 2.4, 0.6)
SLOWER = Speed(2.0, 3.0, 1.0)


def runner(seconds):
    """A runner that keeps its thread busy for this long, and remembers what it was given."""
    seen = []

    def run(images):
        seen.append(images.shape)
        end = time.thread_time() + seconds
        while time.thread_time() < end:
            pass

    return SimpleNamespace(run=run, seen=seen)


def check(speed, others=(), slower=False, monkeypatch=None):
    if monkeypatch is not None:
        monkeypatch.setattr(int8_speed, "of_other_formats", lambda *_: iter(others))
    check_speed(speed, SimpleNamespace(format="onnx", slower=slower), {"file": "model.onnx"}, None, [])


def test_both_are_run_in_turn_on_the_same_images():
    fp32, int8 = runner(0.006), runner(0.002)
    speed = measure(fp32, int8, np.zeros((2, 3, 4, 5), np.uint8), seconds=0.1)
    assert len(fp32.seen) == len(int8.seen) > 3 and {*fp32.seen, *int8.seen} == {(2, 3, 4, 5)}
    assert speed.fp32 == pytest.approx(3, rel=0.2) and speed.int8 == pytest.approx(1, rel=0.2)  # for one image
    assert speed.ratio == speed.fp32 / speed.int8 and speed.agreeing < 0.2 and not speed.clearly_slower
    assert measure(int8, fp32, np.zeros((1, 3, 4, 5), np.uint8), seconds=0.1).clearly_slower


def test_what_is_faster_or_hardly_slower_is_kept(capsys):
    for speed in (FASTER, NEAR, NOISY):
        check(speed)
    told = capsys.readouterr().out
    assert "int8 2.00 ms, fp32 3.00 ms on one thread of this machine: 1.50× as fast" in told
    assert told.count("int8 is no faster here") == 2 and "gains little" not in told
    check(Speed(2.7, 2.0, 0.0))
    told = capsys.readouterr().out
    assert "int8 gains little here; the file is smaller; export.format=openvino|litert may gain more" in told


def test_what_is_slower_is_refused_with_what_would_be_faster(monkeypatch, capsys):
    others = [("openvino", Speed(2.2, 1.2, 0)), ("litert", Speed(9.0, 2.5, 0))]  # the second: not faster than fp32 here
    with pytest.raises(
        UserError, match=r"int8 \(3\.00 ms\) than in fp32 \(2\.00 ms.*faster in int8: export\.format=openvino"
    ):
        check(SLOWER, others, monkeypatch=monkeypatch)
    with pytest.raises(UserError, match=r"no other installed format.*export\.slower=true keeps it") as refused:
        check(SLOWER, others[1:], monkeypatch=monkeypatch)
    assert "litert" not in str(refused.value)
    check(SLOWER, slower=True, monkeypatch=monkeypatch)
    assert "it is kept, as export.slower=true says" in capsys.readouterr().out


def test_a_slower_export_leaves_nothing_and_one_that_is_kept_says_its_figures(command, best, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    monkeypatch.setattr("tasks.deploy.int8.speed_of", lambda *_: SLOWER)
    monkeypatch.setattr(int8_speed, "of_other_formats", lambda *_: iter([("openvino", FASTER), ("litert", NEAR)]))
    scenes = ("dataset.train=8", "dataset.val=1", f"dataset.root={tmp_path / 'streets'}", "export.calibration=8")
    asked = ["segment", "mode=export", f"checkpoint={best}", *scenes, "export.precision=int8", "export.gate=warn"]
    asked += ["export.images=1", f"hydra.run.dir={tmp_path / 'out'}"]
    refused = command(*asked)
    assert refused.status == 2 and "model.onnx is slower in int8 (3.00 ms)" in refused.err
    assert not (tmp_path / "out" / "model.onnx").exists()
    kept = command(*asked, "export.slower=true")
    assert kept.status == 0, kept.err
    row = json.loads((tmp_path / "out" / "gate.json").read_text())[-1]
    assert row["what"].startswith("int8 3.00 ms, fp32 2.00 ms") and row["worst"] == pytest.approx(2 / 3)
    assert row["said"] == ["0.6667", "–"]
    card = metadata_of(tmp_path / "out" / "model.onnx")  # which checks it
    assert card["int8"] == {"ms": 3.0, "fp32_ms": 2.0, "times_as_fast": pytest.approx(2 / 3)}
