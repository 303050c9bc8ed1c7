"""Who is on the front, by hand; which scores and times decide; and which scores are of a file."""

import json
import sys

import pytest

from tasks.app.resolve import composed
from tasks.common.errors import UserError
from tasks.common.processes import reason
from tasks.deploy.bench import score
from tasks.deploy.bench.files import Content, files_in, unlike_most
from tasks.deploy.bench.outcome import rank
from tasks.deploy.bench.ranking import Entry, Rank, check_rank, deciding, ranks, time_of, unranked
from tasks.deploy.bench.score import beside, evaluated


def used(*overrides: str):
    return composed("classify", "mode=benchmark", *overrides).benchmark


def row(name: str, ms: float, **more) -> dict:
    return {"name": name, "outputs": "raw", "network_p50_ms": ms, "whole_p50_ms": 10 - ms, **more}


def test_the_front_by_hand():
    found = ranks(
        [
            Entry("slow and best", 9, (0.9,)),
            Entry("fast", 1, (0.5,)),
            Entry("slower, equal", 2, (0.5,)),
            Entry("slower, worse", 3, (0.4,)),
            Entry("between", 4, (0.7,)),
        ]
    )
    assert found == [Rank(1, None), Rank(1, None), Rank(2, "fast"), Rank(3, "fast"), Rank(1, None)]
    assert ranks([Entry("a", 1, (0.5,)), Entry("b", 1, (0.5,))]) == [Rank(1, None)] * 2  # the same: neither is better
    assert ranks([Entry("a", 1, (0.5,)), Entry("b", 1, (0.6,))]) == [Rank(2, "b"), Rank(1, None)]


def test_of_several_heads_one_that_is_worse_in_any_beats_nobody():
    assert ranks([Entry("a", 1, (0.5, 0.4)), Entry("b", 2, (0.4, 0.5))]) == [Rank(1, None), Rank(1, None)]
    assert ranks([Entry("a", 1, (0.5, 0.5)), Entry("b", 2, (0.4, 0.5))])[1] == Rank(2, "a")
    rows = [{"segment/mIoU": 0.5, "detect/mAP": 0.1, "score": 0.3}]
    assert deciding(rows, "multitask", None) == ["segment/mIoU", "detect/mAP"]
    assert deciding(rows, "multitask", "score") == ["score"] and deciding(rows, "detect", None) == ["mAP"]


def test_a_score_that_nobody_has_is_refused_with_what_there_is():
    check_rank("detect", "mAP50")
    check_rank("multitask", "detect/mAP50")
    with pytest.raises(UserError, match=r"benchmark.rank=mAP60 is not one of mAP, mAP50 .did you mean"):
        check_rank("detect", "mAP60")
    with pytest.raises(UserError, match=r"benchmark.rank=mAP is not one of score, segment/mIoU"):
        check_rank("multitask", "mAP")


def test_files_of_other_outputs_are_ranked_by_the_whole():
    assert time_of([{"outputs": "raw"}, {"outputs": "raw"}], None) == "network"
    assert time_of([{"outputs": "raw"}, {"outputs": "final"}], None) == "whole"
    assert time_of([{"outputs": "raw"}, {"outputs": "final"}], "network") == "network"
    rows = [row("a", 1, top1=0.5), row("b", 2, top1=0.5, outputs="final")]
    assert [each["name"] for each in rank(rows, "classify", used()).rows] == ["b", "a"]  # 9 and 8 ms in all
    assert rank(rows, "classify", used("benchmark.latency=network")).rows[0]["name"] == "a"


def test_what_is_said_of_the_front_the_beaten_and_the_unranked():
    rows = [row("a", 3, top1=0.5), row("b", 2, top1=0.6), row("c", 1), row("d", 4, top1=0.7, score_images=50)]
    rows += [row(name, 5, top1=0.9, score_images=99) for name in ("e", "f")]
    found = rank(rows, "classify", used())
    assert [each["name"] for each in found.rows] == ["b", "e", "f", "a", "c", "d"]
    text = "\n".join(found.lines)
    assert "d: its score is of 50 images, those of others are of 99" in text
    assert "unranked  c: no score top1 is known of it; benchmark.score=true evaluates it" in text
    assert "front     b: 2.00 ms, top1 0.6000" in text
    assert "beaten    a: 3.00 ms, top1 0.5000: b is faster and at least as good" in text
    assert found.numbers == {"front": 3, "front_ms": 2}
    assert rank(rows[:1], "classify", used()).rows == rows[:1]  # one alone has no rank
    assert "rank" not in unranked(found.rows[0]) and unranked(found.rows[0])["top1"] == 0.6
    assert "unranked  all" in rank([row("a", 1), row("b", 2)], "classify", used()).lines[0]


def test_the_device_decides_over_the_order():
    rows = [row("a", 1, top1=0.5, device_ms=9.0), row("b", 2, top1=0.5, device_ms=7.0)]
    rows = [each | {"device_name": "Pixel"} for each in [*rows, row("c", 3, top1=0.9, device_ms=None)]]
    found = rank(rows, "classify", used())
    assert [(each["name"], each["rank"], each["device_rank"]) for each in found.rows] == [
        ("b", 2, 1),
        ("a", 1, 2),
        ("c", 1, None),
    ]
    assert "unranked  c: not measured on Pixel" in found.lines
    assert found.numbers == {"front": 2, "front_ms": 1, "device_front": 1, "device_front_ms": 7.0}


def test_a_score_is_of_the_file_that_model_json_is_of(tmp_path):
    path, said = tmp_path / "model.onnx", {"file": "model.onnx", "sha256": {"model.onnx": "ab"}}
    manifest = {**said, "tasks": {"classify": {}}, "trained": {"scores": {"top1": 0.5, "odd": 2}}}
    assert beside(path, manifest) == ({"top1": 0.5}, "the checkpoint")
    (tmp_path / "metrics.json").write_text(json.dumps({"top1": 0.25, "images": 4}))
    assert beside(path, manifest)[1] == "the checkpoint"  # whose metrics.json?
    (tmp_path / "model.json").write_text(json.dumps(said))
    assert beside(path, manifest) == ({"top1": 0.25, "score_images": 4}, "metrics.json")
    other = {**manifest, "file": "b.onnx", "sha256": {"b.onnx": "cd"}}
    assert beside(tmp_path / "b.onnx", other) == ({"top1": 0.5}, "the checkpoint")
    assert beside(path, {**manifest, "trained": {"scores": {"top1": True}}, "sha256": {}}) == ({}, None)


def test_scoring_starts_the_real_command_with_the_datas_keys(monkeypatch):
    script = (
        "import json, pathlib, sys; words = sys.argv[1:]; place = words[-1].partition('=')[2].strip(\"'\");"
        "pathlib.Path(place).mkdir(); "
        "(pathlib.Path(place) / 'metrics.json').write_text(json.dumps({'top1': 0.75, 'images': len(words)}))"
    )
    monkeypatch.setattr(score, "command_of", lambda task: [sys.executable, "-c", script])
    typed = [
        "mode=benchmark",
        "model=x",
        "benchmark.score=true",
        "dataset.root=a",
        "+data.workers=0",
        "hydra.run.dir=o",
    ]
    found = evaluated("classify", "model='m.onnx'", ["classify"], typed)
    assert found == {"top1": 0.75, "score_images": 7}  # two of the data's, mode, model, pictures, logger, folder
    monkeypatch.setattr(score, "command_of", lambda task: [sys.executable, "-c", "print('error: no data'); exit(2)"])
    with pytest.raises(UserError, match="model=x cannot be scored: no data"):
        evaluated("classify", "model=x", ["classify"], [])
    assert reason("error: no data\n", 2) == "no data"


def test_folders_are_looked_through_for_exported_files(tmp_path):
    for name in ("b/model.tflite", "a/model.onnx", "a/page/model.onnx", "device/1_model.onnx", ".old/model.onnx"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("c/model.xml", "c/model.bin", "labels/photo.xml", "a/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    names = [str(path.relative_to(tmp_path)) for path in files_in([tmp_path, tmp_path / "a" / "model.onnx"])]
    assert names == ["a/model.onnx", "b/model.tflite", "c/model.xml"]
    with pytest.raises(UserError, match=r"labels: no exported file is in this folder \(.onnx"):
        files_in([tmp_path / "labels"])


def test_files_of_another_data_set_are_left_out():
    ours, others = Content('{"detect": ["a", "b"]}', "x.Coco"), Content('{"detect": ["a", "c"]}', None)
    found = unlike_most({"1": ours, "2": others, "3": ours._replace(dataset=None)})
    assert list(found) == ["2"] and "detect: a, c, not Coco, detect: a, b): measure it by itself" in found["2"]
    assert list(unlike_most({"1": ours, "2": ours._replace(dataset="x.Voc")})) == ["2"]
    assert unlike_most({}) == {}
