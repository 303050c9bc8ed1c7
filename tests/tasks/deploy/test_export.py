"""The real commands: what mode=export leaves, that mode=evaluate scores it like its checkpoint, and what is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tasks.deploy.conftest import SIZE, changed
from tests.tasks.segment.test_command import metrics

pytest.importorskip("onnx")


@pytest.fixture
def run(command, tmp_path):
    """A command with its output folder below tmp_path."""

    def go(folder: str, task: str, *arguments: str):
        result = command(task, *arguments, f"hydra.run.dir={tmp_path / folder}")
        return result, tmp_path / folder

    return go


def test_what_an_export_leaves(model):
    folder = model.parent
    left = {path.name for path in folder.iterdir()}
    assert left == {
        ".hydra",
        "config.yaml",
        "decode.hpp",
        "decode.js",
        "decode.py",
        "gate.json",
        "golden",
        "model.json",
        "card.json",
        "model.onnx",
        "report",
        "report.html",
        "run.log",
    }
    for name in ("deploy/decode.py", "deploy/decode.hpp", "page/site/decode.js"):
        assert (folder / Path(name).name).read_bytes() == (Path("tasks") / name).read_bytes()
    cases = sorted(folder.glob("golden/*"))
    assert [case.name for case in cases] == ["000", "001", "002"]
    outputs = ["segment_logits", "detect_logits", "detect_offsets", "classify_logits"]
    for case in cases:
        names = {"image.png", "input.npy", "labels.png", "expected.json", *(f"{name}.npy" for name in outputs)}
        assert {path.name for path in case.iterdir()} == names
        assert np.load(case / "input.npy").shape == (1, 3, *SIZE)
        with Image.open(case / "labels.png") as labels, Image.open(case / "image.png") as image:
            assert labels.size == image.size == (128, 64)
        expected = json.loads((case / "expected.json").read_text())
        assert expected.keys() == {"detect", "classify"} and len(expected["detect"]["boxes"]) == 40


def test_the_decoder_tries_the_file_by_itself(model):
    arguments = [sys.executable, "decode.py"]
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=model.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("segment_logits") == 3
    values = np.load(model.parent / "golden" / "001" / "detect_offsets.npy")
    np.save(model.parent / "golden" / "001" / "detect_offsets.npy", values + np.abs(values).max() / 100)
    done = subprocess.run(arguments, capture_output=True, text=True, cwd=model.parent)
    assert done.returncode == 1 and done.stdout.count("more than") == 1, done.stdout + done.stderr


def test_a_rewritten_file_passes_the_same_check(run, best):
    arguments = ("mode=export", f"checkpoint={best}", "export.rewrite=nnapi", "export.images=2")
    result, folder = run("rewritten", "classify", *arguments)
    assert result.status == 0, result.err
    assert "rewritten for nnapi: hard-swish as Add, Clip and Mul (" in result.out
    import onnx

    kinds = {node.op_type for node in onnx.load(folder / "model.onnx").graph.node}
    assert {"HardSwish", "HardSigmoid", "ReduceMean"}.isdisjoint(kinds) and {"Clip", "AveragePool"} <= kinds


def test_the_file_is_scored_like_its_checkpoint(run, model, best):
    result, folder = run("checkpoint", "multitask", "mode=evaluate", f"checkpoint={best}")
    assert result.status == 0, result.err
    result, again = run("file", "multitask", "mode=evaluate", f"model={model}", "runtime.threads=1")
    assert result.status == 0, result.err
    assert f"{model}: onnx, fp32, raw outputs" in result.out
    ours, theirs = metrics(folder), metrics(again)
    assert ours.keys() == theirs.keys() and ours["segment/mIoU"] > 0
    for name, value in ours.items():
        assert theirs[name] == (None if value is None else pytest.approx(value, abs=5e-4)), name


HEADS = {
    "segment": ("raw", ["logits"]),
    "detect": ("decoded", ["boxes", "scores"]),
    "classify": ("decoded", ["probabilities"]),
}


@pytest.mark.parametrize("task", HEADS)
def test_each_command_exports_its_head(run, best, task):
    form, names = HEADS[task]
    arguments = ("export.format=torch", f"export.outputs={form}", "export.batch=3", "export.metric=true")
    result, folder = run(task, task, "mode=export", f"checkpoint={best}", *arguments)
    assert result.status == 0, result.err
    manifest = json.loads((folder / "model.json").read_text())
    assert manifest["task"] == task and list(manifest["tasks"]) == [task] and manifest["outputs"] == form
    assert manifest["tasks"][task]["outputs"] == {name: name for name in names} and manifest["input"]["batch"] == 3
    rows = [row["what"] for row in json.loads((folder / "gate.json").read_text())]
    assert any(what.startswith(("loss of mIoU", "loss of mAP", "loss of top1")) for what in rows)
    assert metrics(folder)["images"] == 4


def test_images_of_the_size_of_their_files(run, best):
    """Without data.fit the network sees what the files hold, any number of them and of any size."""
    dynamic = (
        "export.format=torch",
        "export.outputs=decoded",
        "export.batch=dynamic",
        "export.size=dynamic",
        "head.pool_kernel=null",
    )
    result, folder = run("any", "segment", "mode=export", f"checkpoint={best}", "data.fit=null", *dynamic)
    assert result.status == 0, result.err
    takes = json.loads((folder / "model.json").read_text())["input"]
    assert [takes[key] for key in ("batch", "height", "width")] == [None, None, None]
    assert takes["resize"] == {"rule": "none"}
    assert np.load(folder / "golden" / "000" / "input.npy").shape == (1, 3, 64, 128)


REFUSED = {  # by what is said, of a command that has a checkpoint
    "export.format=tensorrt is not one of onnx, openvino, litert, ncnn, executorch, coreml, torch": (
        "export.format=tensorrt",
    ),
    "export.batch=2: export.format=coreml takes one image at a time": ("export.format=coreml", "export.batch=2"),
    "export.format=coreml has no precision int8: fp32, fp16; onnx, openvino, litert have it": (
        "export.format=coreml",
        "export.precision=int8",
    ),
    "export.outputs=boiled is not one of raw, decoded, final": ("export.outputs=boiled",),
    "export.format=onnx has no precision bf16: fp32, fp16, int8": ("export.precision=bf16",),
    "export.format=ncnn has no precision int8: fp32, fp16; onnx, openvino, litert have it": (
        "export.format=ncnn",
        "export.precision=int8",
    ),
    "export.batch=2: export.format=ncnn takes one image at a time": ("export.format=ncnn", "export.batch=2"),
    "export.outputs=final: ncnn has no operators that choose the labels of detect; export.outputs=decoded leaves": (
        "export.format=ncnn",
        "export.outputs=final",
        "heads=[detect]",
    ),
    "export.outputs=decoded: ncnn has no operators that choose the labels of segment; export.outputs=raw leaves": (
        "export.format=ncnn",
        "export.outputs=decoded",
    ),
    "export.format=executorch has no precision int8": ("export.format=executorch", "export.precision=int8"),
    "export.layout=NHWC: export.format=onnx takes NCHW only; export.format=litert takes both": ("export.layout=NHWC",),
    "export.layout=CHW is not one of": ("export.layout=CHW",),
    "export.batch=dynamic: export.format=litert needs a fixed one": ("export.format=litert", "export.batch=dynamic"),
    "export.size=dynamic: export.format=litert needs a fixed one": ("export.format=litert", "export.size=dynamic"),
    "export.format=litert has no precision bf16: fp32, fp16, int8": ("export.format=litert", "export.precision=bf16"),
    "export.precision=fp8 is not one of": ("export.precision=fp8",),
    "export.mixed=true is for export.precision=int8, not fp32": ("export.mixed=true",),
    "export.format=tflite is a suffix: export.format=litert writes such files": ("export.format=tflite",),
    "export.slower=true is for export.precision=int8, not fp32": ("export.slower=true",),
    "export.batch=0 is not a whole number from 1 to 4,096, or dynamic": ("export.batch=0",),
    "export.size=dynamic: boxes need one size": ("export.size=dynamic",),
    "export.size=[64, 64] is not what data.fit makes of images": ("export.size=[64,64]",),
}


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_exported(run, best, said):
    result, folder = run("refused", "multitask", "mode=export", f"checkpoint={best}", *REFUSED[said])
    assert result.status == 2 and result.err.count("\n") == 1 and said in result.err
    assert not folder.exists()


def test_an_export_needs_weights_and_no_file(run, model):
    result, _ = run("a", "segment", "mode=export")
    assert result.status == 2 and "mode=export needs checkpoint=<file.ckpt>" in result.err
    for mode in ("export", "train"):
        result, _ = run(mode, "multitask", f"mode={mode}", f"model={model}")
        assert result.status == 2 and result.err.count("\n") == 1
        assert f"mode={mode} needs a checkpoint" in result.err


def test_a_missing_extra_leaves_nothing(run, best, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    result, folder = run("missing", "classify", "mode=export", f"checkpoint={best}")
    assert result.status == 2 and result.err.count("\n") == 1
    assert result.err.endswith('pip install "mobilevision[onnx]"\n')
    assert not list(folder.glob("model.*")) and not (folder / "unproved").exists()


def test_a_file_of_another_task_is_refused(run, model):
    result, _ = run("other", "segment", "mode=evaluate", f"model={model}")
    assert (
        result.status == 2
        and f"model={model} was exported by tasks.multitask: use python -m tasks.multitask" in result.err
    )


def damage(model: Path, how: str) -> None:
    if how == "cut off":
        model.write_bytes(model.read_bytes()[:-100])
    else:
        changed(model, **{"newer": {"format": 2}, "unknown runtime": {"runtime": "abacus"}}[how])


DAMAGES = {
    "cut off": "is cut off or was changed",
    "newer": "has format 2; this version reads up to 1",
    "unknown runtime": "runtime abacus is not one of",
}


@pytest.mark.parametrize("how", DAMAGES)
@pytest.mark.parametrize("mode", ["evaluate", "predict"])
def test_a_damaged_export_is_refused(run, model, how, mode):
    damage(model, how)
    image = next(model.parent.glob("golden/000/image.png"))
    result, _ = run("damaged", "multitask", f"mode={mode}", f"model={model}", f"input={image}")
    assert result.status == 2 and result.err.count("\n") == 1 and DAMAGES[how] in result.err


def test_a_file_without_its_description_is_used_by_the_one_inside(run, model):
    model.with_name("model.json").unlink()
    model = model.rename(model.with_name("streets.onnx"))
    image = next(model.parent.glob("golden/000/image.png"))
    result, folder = run("alone", "multitask", "mode=predict", f"model={model}", f"input={image}")
    assert result.status == 0 and (folder / "index.csv").is_file(), result.err


def test_a_file_is_compared_with_one_view_of_its_checkpoint(run, model, best):
    views = ("segment.task.mirror=true", "segment.task.scales=[1.0,1.5]")
    result, folder = run("views", "multitask", "mode=evaluate", f"model={model}", f"checkpoint={best}", *views)
    assert result.status == 0 and (folder / "metrics.json").is_file(), result.err


@pytest.fixture(scope="session")
def fewer(best, tmp_path_factory) -> Path:
    """A checkpoint of the same network for one class less of scenes."""
    checkpoint = torch.load(best, weights_only=True)
    metadata, state = checkpoint["mobilevision"], checkpoint["state_dict"]
    metadata["tasks"]["classify"]["classes"] = metadata["tasks"]["classify"]["classes"][:-1]
    for name in ("weight", "bias"):
        state[f"tasks.classify.head.classify.{name}"] = state[f"tasks.classify.head.classify.{name}"][:-1]
    path = tmp_path_factory.mktemp("fewer") / "best.ckpt"
    torch.save(checkpoint, path)
    return path


def test_other_classes_are_refused(run, model, best, fewer):
    result, _ = run("a", "multitask", "mode=evaluate", f"model={model}", f"checkpoint={fewer}")
    assert result.status == 2 and result.err.count("\n") == 1
    assert f"{fewer} (classify) knows 5 classes, the data set has 6" in result.err

    beside = model.with_name("card.json")
    metadata = json.loads(beside.read_text())
    metadata["tasks"]["segment"]["classes"][3][0] = "hedge"
    beside.write_text(json.dumps(metadata))
    result, _ = run("b", "multitask", "mode=evaluate", f"model={model}")
    assert result.status == 2 and result.err.count("\n") == 1
    assert "class 3 of segment is ['hedge'" in result.err and str(beside) in result.err

    metadata["tasks"]["segment"]["classes"].pop()
    beside.write_text(json.dumps(metadata))
    result, _ = run("c", "multitask", "mode=evaluate", f"model={model}")
    assert result.status == 2 and f"{beside} and model.json know different numbers of classes of segment" in result.err

    beside.unlink()
    result, _ = run("d", "multitask", "mode=evaluate", f"model={model}")
    assert result.status == 2 and "card.json is missing beside it" in result.err
