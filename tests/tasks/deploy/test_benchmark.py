"""mode=benchmark: what is counted and timed, in which order, and what is left of it."""

import csv
import json
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tasks.app.resolve import composed
from tasks.checkpoint.manifest import write_manifest
from tasks.common.charts import Point, front
from tasks.common.errors import UserError
from tasks.common.task_info import nameless
from tasks.deploy import benchmark as module
from tasks.deploy.bench.candidates import Found, candidates
from tasks.deploy.bench.of_network import NetworkStages
from tasks.deploy.bench.score import scores_of
from tasks.deploy.bench.stages import photo_of
from tasks.deploy.bench.table import publish, short_names, worth_of
from tasks.deploy.bench.workers import worker
from tasks.engine.build import build
from tests.described import embed
from tests.tasks.deploy.conftest import save_checkpoint

ROOT = Path(__file__).parents[3]
TINY = ("backbone=mobilenet_v3_small", "backbone.width=0.35", "trainer.accelerator=cpu", "mode=benchmark")
SHORT = ("benchmark.seconds=0.05", "benchmark.warmup=0", "benchmark.photo=[36,48]")


def settings(task: str, *overrides: str):
    return composed(task, *TINY, *SHORT, *overrides)


def found(task: str, *overrides: str):
    """What the overrides say is to be measured."""
    used = settings(task, *overrides)
    return candidates(used.run, used.benchmark, []).candidates


def row(name: str, milliseconds: float, **more) -> dict:
    """A line of the table."""
    costs = {"params": 1, "multiply_adds": 2_000_000, "file_bytes": None, "memory_bytes": None}
    times = {f"{stage}_p50_ms": milliseconds for stage in ("prepare", "network", "finish", "whole")}
    where = {"runtime": "torch", "precision": "fp32", "device": "cpu", "threads": 1, "photo": "36×48"}
    size = {"height": 32, "width": 32}
    return {"name": name, **where, **size, **costs, **times, "network_p95_ms": milliseconds, **more}


def write_checkpoint(folder: Path, classes: int = 3) -> Path:
    """A run's best.ckpt with untrained weights, and its metrics.json."""
    made = settings("classify", "data.fit.resize=36", "data.fit.crop=32")
    path = folder / "checkpoints" / "best.ckpt"
    path.parent.mkdir(parents=True)
    save_checkpoint(path, "classify", build(made.run.learner, nameless(classes), {}), made)
    (folder / "metrics.json").write_text(json.dumps({"top1": 0.5, "images": 4}))
    return path


def write_file(path: Path, metadata: dict, batch: int = 1) -> Path:
    """An ONNX file whose logits are the channels' means, with its model.json."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto
    nodes = [
        helper.make_node("Cast", ["image"], ["x"], to=kind.FLOAT),
        helper.make_node("GlobalAveragePool", ["x"], ["means"]),
        helper.make_node("Flatten", ["means"], ["logits"]),
    ]
    image = helper.make_tensor_value_info("image", kind.UINT8, [batch, 3, 32, 32])
    logits = helper.make_tensor_value_info("logits", kind.FLOAT, [batch, 3])
    model = helper.make_model(
        helper.make_graph(nodes, "means", [image], [logits]),
        opset_imports=[helper.make_opsetid("", 20)],
        ir_version=10,
    )
    path.parent.mkdir(parents=True)
    onnx.save(model, str(path))
    takes = {"name": "image", "batch": batch, "height": 32, "width": 32, "resize": {"rule": "none"}, "upright": False}
    task = {
        "outputs": {"logits": "logits"},
        "classes": metadata["tasks"]["classify"]["classes"] if metadata else ["a", "b", "c"],
    }
    manifest = {"format": 1, "task": "classify", "file": path.name, "runtime": "onnx", "precision": "fp32"}
    manifest |= {"outputs": "raw", "input": takes, "tasks": {"classify": task}}
    embed(path, manifest)
    write_manifest(path.parent, manifest, [path.name], metadata)
    return path


def test_a_checkpoint_beside_its_exported_file(command, tmp_path):
    pytest.importorskip("onnxruntime")
    checkpoint = write_checkpoint(tmp_path / "run")
    metadata = torch.load(checkpoint, weights_only=True)["mobilevision"]
    file = write_file(tmp_path / "exported" / "model.onnx", metadata)
    (file.parent / "metrics.json").write_text(json.dumps({"top1": 0.25}))
    result = command(
        "classify", "mode=benchmark", *SHORT, "trainer.accelerator=cpu", f"checkpoint={checkpoint}", f"model={file}",
        f"hydra.run.dir={tmp_path / 'out'}",
    )  # fmt: skip
    assert result.status == 0, result.err
    by_name = {row["name"]: row for row in json.loads((tmp_path / "out" / "benchmark.json").read_text())}
    ours, exported = by_name["best.ckpt"], by_name["model.onnx"]
    assert ours["runtime"].startswith("torch ") and exported["runtime"].startswith("onnxruntime ")
    assert (ours["top1"], exported["top1"]) == (0.5, 0.25)
    assert ours["front"] and ours["rank"] == 1 and exported["rank"] == (1 if exported["front"] else 2)
    assert ours["params"] == exported["params"] > 1000 and ours["multiply_adds"] == exported["multiply_adds"] > 1000
    assert ours["file_bytes"] == checkpoint.stat().st_size and exported["file_bytes"] == file.stat().st_size
    for measured in (ours, exported):
        assert (measured["threads"], measured["photo"], measured["height"], measured["width"]) == (1, "36×48", 32, 32)
        assert 0 < measured["network_p50_ms"] <= measured["network_p95_ms"] and measured["runs"] >= module.ROUNDS
        stages = [measured[f"{stage}_p50_ms"] for stage in ("prepare", "network", "finish")]
        assert min(stages) > 0 and measured["whole_p50_ms"] >= max(stages)
    rows = list(csv.DictReader((tmp_path / "out" / "benchmark.csv").open()))
    assert {line["name"]: line["top1"] for line in rows} == {"best.ckpt": "0.5", "model.onnx": "0.25"}
    assert (tmp_path / "out" / "pareto.png").is_file() and "top1 against latency" in result.out


def test_an_exported_file_is_measured_without_torch(tmp_path):
    pytest.importorskip("onnxruntime")
    file = write_file(tmp_path / "exported" / "model.onnx", {})
    job = {"model": str(file), "threads": 1, "warmup": 0, "photo": [36, 48], "size": None}
    code = (
        "import sys; from tasks.deploy.bench.child import open_job, runs\n"
        f"stages, photo, opened = open_job({job})\n"
        "times = runs(stages, photo, 0)\n"
        "print(len(times), opened['height'], {'torch', 'lightning', 'hydra'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "1 32 set()", done.stderr


def test_networks_take_turns_and_medians_are_of_all_rounds(monkeypatch, tmp_path, capsys):
    asked = []

    class Fake:
        def __init__(self, name):
            self.name = name

        def ask(self, line):
            asked.append(self.name)
            if isinstance(line, dict):
                opened = {"runtime": "torch", "precision": "fp32", "device": "cpu", "memory": 5}
                return {**opened, "height": 32, "width": 32}
            turn = asked.count(self.name) - 1  # the third of five is slow
            return [[1.0, 100.0 if turn == 3 else turn, 2.0]]

    @contextmanager
    def fake(name, _threads):
        yield Fake(name)

    (one,) = found("classify", "benchmark.classes=3")
    two = [one._replace(name="a"), one._replace(name="b", learner=None)]
    monkeypatch.setattr(module, "candidates", lambda *_: Found(two, []))
    monkeypatch.setattr(module, "worker", fake)
    used = settings("classify")
    module.benchmark(used.run, used.benchmark, [], tmp_path)
    assert asked == ["a", "b"] * 6
    first, second = json.loads((tmp_path / "benchmark.json").read_text())
    assert (first["network_p50_ms"], first["network_p95_ms"], first["whole_p50_ms"]) == (4, 81, 7)  # of 1 2 100 4 5
    assert first["params"] > 1000 and second["params"] is None and "–" in capsys.readouterr().out
    assert not (tmp_path / "pareto.png").exists()  # one of them has neither score nor multiply-adds


def test_what_a_network_costs_is_what_its_paper_says():
    (candidate,) = found("classify", "backbone=mobilenet_v2", "backbone.width=1.0", "benchmark.classes=1000")
    costs = candidate.costs(224, 224)
    assert costs["params"] == 3_504_872 and round(costs["multiply_adds"], -6) == 301e6
    assert candidate.name == "MobileNetV2 + ClassificationHead" and candidate.bytes() is None


@pytest.mark.parametrize("task", ["segment", "detect", "classify", "multitask"])
def test_results_are_in_the_photos_pixels(task):
    (candidate,) = found(task, "benchmark.classes=7", "benchmark.size=[64,96]")
    torch.manual_seed(0)
    stages = NetworkStages(json.loads(json.dumps(candidate.job)))
    prepared = stages.prepare(photo_of([36, 48]))
    results = stages.finish(stages.network(prepared), prepared)
    assert stages.seen(prepared) == (64, 96)
    assert set(results) == ({"segment", "detect", "classify", "multilabel"} if task == "multitask" else {task})
    if "segment" in results:
        labels = results["segment"]["labels"]
        assert labels.shape == (36, 48) and labels.dtype == np.uint8
    if "detect" in results:
        boxes, scores, labels = (results["detect"][key] for key in ("boxes", "scores", "labels"))
        assert len(boxes) == len(scores) == len(labels) > 0
        assert 36 < boxes[:, 2].max() <= 48 and 24 < boxes[:, 3].max() <= 36
    if "classify" in results:
        assert len(set(results["classify"].tolist())) == 5


def test_the_network_without_a_size_sees_what_its_fit_makes_of_the_photo():
    (candidate,) = found("segment", "benchmark.classes=3")
    stages = NetworkStages(candidate.job)
    assert stages.seen(stages.prepare(photo_of([36, 48]))) == (36, 48)


def test_wrong_input_is_one_line(tmp_path):
    checkpoint = write_checkpoint(tmp_path / "run")
    with pytest.raises(UserError, match=r"best.ckpt was trained by tasks.classify, not tasks.segment"):
        found("segment", f"checkpoint={checkpoint}")
    with pytest.raises(UserError, match=r"benchmark.classes=<number of classes> measures without the data"):
        found("classify", "dataset=folders", "dataset.root=nowhere")
    metadata = torch.load(checkpoint, weights_only=True)["mobilevision"]
    file = write_file(tmp_path / "exported" / "model.onnx", metadata, batch=8)
    with pytest.raises(UserError, match=r"model.onnx was exported by tasks.classify, not tasks.detect"):
        found("detect", f"model={file}")
    (candidate,) = found("classify", f"model={file}")
    with worker("model.onnx", 1) as process, pytest.raises(UserError, match="takes 8 images at once"):
        process.ask(candidate.job)


def test_a_folder_is_ranked_beside_a_device_and_what_cannot_be_measured_is_named(command, tmp_path):
    pytest.importorskip("onnxruntime")
    models = tmp_path / "models"
    for name, classes, score in (("a", "rgb", 0.5), ("b", "rgb", 0.25), ("c", "xyz", 0.9), ("d", "rgb", 0.1)):
        metadata = {"tasks": {"classify": {"classes": list(classes)}}}
        path = write_file(models / name / "model.onnx", metadata)
        (models / name / "metrics.json").write_text(json.dumps({"top1": score, "images": 4}))
        (models / name / "card.json").unlink()
    (models / "d" / "model.onnx").write_bytes(path.read_bytes()[:100])
    (models / "e").mkdir()
    (models / "e" / "model.pt2").write_bytes(b"broken")
    hashes = [json.loads((models / name / "model.json").read_text())["sha256"]["model.onnx"] for name in "ab"]
    assert hashes[0] == hashes[1]  # the same bytes: a device could not tell them apart
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(models / "b" / "model.onnx")
    graph.doc_string = "b"
    onnx.save(graph, models / "b" / "model.onnx")
    manifest = json.loads((models / "b" / "model.json").read_text())
    manifest.pop("sha256")
    write_manifest(models / "b", manifest, ["model.onnx"])
    hashes[1] = json.loads((models / "b" / "model.json").read_text())["sha256"]["model.onnx"]
    entries = [
        {"file": f"{n}.onnx", "sha256": sha, "program": "onnxruntime_perf_test", "latency_ms": ms}
        for n, (sha, ms) in enumerate(zip(hashes, (9.5, 4.5), strict=True))
    ]
    device = tmp_path / "phone.json"
    device.write_text(json.dumps({"format": 1, "device": "Pixel", "made_by": "me", "threads": 1, "files": entries}))
    words = ("classify", "mode=benchmark", *SHORT, f"model={models}", f"device={device}")
    result = command(*words, f"hydra.run.dir={tmp_path / 'out'}")
    assert result.status == 0, result.err
    rows = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert sorted((row["name"], row["top1"], row["score_from"]) for row in rows) == [
        ("a/model.onnx", 0.5, "metrics.json"),
        ("b/model.onnx", 0.25, "metrics.json"),
    ]
    assert [(row["name"], row["device_ms"], row["device_rank"]) for row in rows] == [
        ("b/model.onnx", 4.5, 1),
        ("a/model.onnx", 9.5, 1),
    ]
    lines = [line for line in result.out.splitlines() if line.startswith("left out  ")]
    assert len(lines) == 3, result.out
    assert "d/model.onnx is cut off or was changed" in lines[0] and "model.pt2" in lines[1]
    assert "c/model.onnx: its classes or data set are others than those of most files (classify: x, y, z" in lines[2]
    assert "front     a/model.onnx" in result.out and "milliseconds on Pixel" in result.out
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert (metrics["files"], metrics["left_out"], metrics["device_front"], metrics["device_front_ms"]) == (
        2,
        3,
        2,
        4.5,
    )
    assert json.loads((tmp_path / "out" / "device.json").read_text())["files"][0]["runtime"] == "onnx"
    assert "adb push" in (tmp_path / "out" / "devices.txt").read_text()
    assert (tmp_path / "out" / "device" / "2_model.onnx").is_file()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("model=nowhere",), "model=nowhere: no such file"),
        (("device=phone.json",), "device=… is of exported files: model=… names them"),
        (("model={folder}", "device=phone.json"), "device=phone.json: no such file"),
        (("model={folder}",), "no exported file is in this folder"),
        (("model={folder}", "benchmark.rank=mAP"), "benchmark.rank=mAP is not one of top1"),
        (("model={folder}", "benchmark.latency=fast"), "benchmark.latency=fast is not one of network, whole, or null"),
        (("mode=train", "device={folder}/phone.txt"), "a device's result is for mode=benchmark"),
        (("device=cuda:0",), "device=cuda:0: write trainer.accelerator=cuda"),
    ],
)
def test_wrong_words_are_one_line(words, message, command, tmp_path):
    (tmp_path / "phone.txt").touch()
    result = command("classify", "mode=benchmark", *(word.format(folder=tmp_path) for word in words))
    assert result.status == 2 and message in result.err and len(result.err.splitlines()) == 1, result.err


def test_a_process_that_breaks_says_why():
    with worker("broken", 1) as process, pytest.raises(UserError, match="broken cannot be measured: KeyError: 'photo'"):
        process.ask({})
    with worker("killed", 1) as process:
        process.process.kill()
        process.process.wait()
        with pytest.raises(UserError, match="killed cannot be measured: exit status -9"):
            process.ask({})


MEMORY = """
import json
from tasks.deploy.bench.memory import forget_peak, peak
forget_peak()
before = peak()
held = bytearray(64 << 20)
del held
after = peak()
forget_peak()
print(json.dumps([before, after, peak()]))
"""


def test_memory_is_what_came_on_top():
    """In a process of its own: in this one the allocator may keep what was freed."""
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    before, after, later = json.loads(done.stdout)
    size = 64 << 20
    assert size * 0.9 < after - before < size * 1.5
    assert later - before < size * 0.5


def test_the_main_score_of_one_task_and_of_several(tmp_path):
    file = tmp_path / "metrics.json"
    assert scores_of(file, ["segment"]) == {}
    scores = {"mIoU": 0.25, "segment/mIoU": 0.5, "detect/mAP": 0.25, "classify/top1": None, "images": 7}
    file.write_text(json.dumps(scores))
    assert scores_of(file, ["segment"]) == {"mIoU": 0.25, "score_images": 7}
    both = {"segment/mIoU": 0.5, "detect/mAP": 0.25, "score": 0.375, "score_images": 7}
    assert scores_of(file, ["segment", "detect"]) == both
    assert scores_of(file, ["segment", "classify"]) == {"segment/mIoU": 0.5, "score_images": 7}


def test_the_front_is_what_no_other_beats():
    values = {"d": (4, 1), "b": (2, 5), "a": (1, 3), "e": (2, 4), "c": (3, 5), "f": (5, 6)}
    points = [Point(name, cost, worth) for name, (cost, worth) in values.items()]
    assert "".join(points[number].name for number in front(points)) == "abf"
    assert front([Point("same", 1, 1), Point("same", 1, 1)]) == [0]


def test_scores_are_drawn_where_all_have_one_and_nothing_of_a_single_network(tmp_path, capsys):
    with_score = [row("a", 1.0, mIoU=0.5), row("b", 2.0, mIoU=0.6)]
    assert worth_of(with_score) == "mIoU"
    assert worth_of([*with_score, row("c", 3.0)]) == "multiply_adds"
    assert worth_of([row("c", 3.0, multiply_adds=None)]) is None
    publish(tmp_path, with_score[:1])
    assert "0.5000" in capsys.readouterr().out and not (tmp_path / "pareto.png").exists()


def test_paths_are_named_by_what_tells_them_apart():
    assert short_names(["runs/a/best.ckpt", "runs/b/best.ckpt"]) == {
        "runs/a/best.ckpt": "a/best.ckpt",
        "runs/b/best.ckpt": "b/best.ckpt",
    }
    assert short_names(["x/model.onnx", "0.5"]) == {"x/model.onnx": "model.onnx", "0.5": "0.5"}


def test_a_made_up_photo_and_one_of_a_file(tmp_path):
    made = photo_of([50, 99])
    assert made.shape == (50, 99, 3) and made.dtype == np.uint8 and made.std() > 20
    assert np.array_equal(made, photo_of([50, 99]))
    Image.fromarray(made).save(tmp_path / "photo.png")
    assert np.array_equal(photo_of(str(tmp_path / "photo.png")), made)
