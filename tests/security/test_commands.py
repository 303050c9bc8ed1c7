"""Every command that takes a file refuses a crafted one: status 2, one line that says what, and nothing has run."""

import io
import pickle
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from backbones.torch_file import BEFORE_1_6, read_checkpoint
from backbones.weights import load_weights
from tasks import load
from tasks.checkpoint.manifest import metadata_of, write_manifest
from tasks.common.errors import UserError
from tasks.deploy.runners.opening import open_runner
from tasks.engine.settings import DistillationSettings
from tasks.engine.teacher import make_distillation
from tasks.multitask.prune import prune
from tests.described import embed
from tests.security.attacks import MKDIR, make
from tests.security.conftest import Payload, put

COMMANDS = {
    "predict": ("segment", "mode=predict", "checkpoint={sent}", "input={photo}"),
    "predict, of several heads": ("multitask", "mode=predict", "checkpoint={several}", "input={photo}"),
    "predict, one head of several": ("segment", "mode=predict", "checkpoint={several}", "input={photo}"),
    "evaluate": ("segment", "mode=evaluate", "checkpoint={sent}"),
    "export": ("segment", "mode=export", "checkpoint={sent}", "export.format=torch"),
    "benchmark": ("segment", "mode=benchmark", "checkpoint={sent}"),
    "resume": ("segment", "resume={sent}"),
    "resume of several heads": ("multitask", "resume={several}"),
    "train on several heads": ("multitask", "checkpoint={several}"),
    "train on one head": ("multitask", "checkpoint={sent}"),
    "search": ("search", "search=netadapt", "checkpoint={sent}", "target.madds=0.5x"),
    "evaluate an exported file": ("segment", "mode=evaluate", "model={model}"),
}


@pytest.fixture
def sent(sound, marker, tmp_path):
    """Crafted files of each kind, by name."""
    Image.new("RGB", (32, 32)).save(tmp_path / "photo.png")
    paths = {name: tmp_path / name for name in ("sent.ckpt", "several.ckpt", "model.onnx", "photo.png")}
    for task, name in (("segment", "sent.ckpt"), ("multitask", "several.ckpt")):
        checkpoint = sound(task)
        put(checkpoint["mobilevision"]["config"], "optimizer" if task == "segment" else "backbone", make(marker))
        torch.save(checkpoint | {"optimizer_states": []}, paths[name])
    metadata = sound("segment")["mobilevision"]
    put(metadata["config"], "data.fit", make(marker))
    classes = [{"name": n, "id": i, "colour": list(c)} for n, i, c in metadata["tasks"]["segment"]["classes"]]
    outputs = {"segment": {"outputs": {"logits": "logits"}, "classes": classes}}
    takes = {"batch": 1, "height": 32, "width": 32, "upright": False, "resize": {"rule": "none"}}
    said = {"format": 1, "task": "segment", "file": "model.onnx", "runtime": "onnx", "precision": "fp32"}
    manifest = {**said, "outputs": "raw", "input": takes, "tasks": outputs}
    embed(paths["model.onnx"], manifest)
    write_manifest(tmp_path, manifest, ["model.onnx"], metadata)
    return {name.partition(".")[0]: str(path) for name, path in paths.items()}


def test_every_command_refuses(command, sent, marker, tmp_path):
    for name, (task, *arguments) in COMMANDS.items():
        result = command(task, *(text.format(**sent) for text in arguments), f"hydra.run.dir={tmp_path / 'run'}")
        assert result.status == 2 and not marker.exists(), (name, result)
        (line,) = [line for line in result.err.splitlines() if line.startswith("error: ")]
        assert "was refused: its configuration has" in line and MKDIR in line, name
        assert "Traceback" not in result.err and "epoch" not in result.out, name


def test_pruning_comparing_and_teaching_refuse(sent, marker, tmp_path):
    settings = DistillationSettings(sent["sent"], None, weight=0.5, temperature=1.0)
    calls = (
        lambda: prune(Path(sent["several"]), ["segment"], tmp_path / "fewer.ckpt"),
        lambda: load(sent["several"]),
        lambda: make_distillation(settings, SimpleNamespace(name="segment")),
    )
    for call in calls:
        with pytest.raises(UserError, match="was refused"):
            call()
    assert not marker.exists()


def test_a_run_that_goes_on_with_a_class_of_ones_own_is_told_how(command, sent, marker, tmp_path):
    arguments = ("mode=evaluate", f"checkpoint={sent['sent']}", f"hydra.run.dir={tmp_path / 'run'}")
    assert "can be typed: optimizer._target_=…" in command("segment", *arguments).err
    assert not marker.exists()


@pytest.mark.parametrize("key", ["checkpoint", "resume"])
def test_addresses_are_refused(command, key, tmp_path):
    result = command("segment", f"{key}='https://example.com/a.ckpt'", f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 2 and f"{key}=https://example.com/a.ckpt: no such file" in result.err


@pytest.mark.parametrize("address", ["https://example.com/a.pth", "data:;base64,AAAA", "s3://b/a.pth", "hf-hub:a/b"])
def test_weights_come_from_no_address(address, monkeypatch):
    monkeypatch.setattr("socket.socket.connect", None)
    with pytest.raises(ValueError, match=r"no checkpoint at|neither a file nor"):
        load_weights(None, address)


def pickles(marker: Path) -> dict[str, bytes]:
    buffer = io.BytesIO()
    torch.save(Payload(marker), buffer)
    return {
        "plain": pickle.dumps(Payload(marker)),
        "oldest protocol": pickle.dumps(Payload(marker), protocol=0),
        "harmless": pickle.dumps({"a": [1]}),
        "as torch.save writes it": buffer.getvalue(),
        "before 1.6": BEFORE_1_6 + pickle.dumps(Payload(marker), protocol=2),
        "endless": b"\x80\x02" + b"(" * 30_000_000,
        "endless, before 1.6": BEFORE_1_6 + b"\x80\x02" + b"(" * 3_000_000,
    }


@pytest.mark.parametrize("name", pickles(Path("x")))
def test_a_pickle_is_no_checkpoint(name, marker, tmp_path, monkeypatch):
    monkeypatch.setattr("backbones.torch_file.Counted.left", 20_000)
    path, start = tmp_path / "weights.pth", time.thread_time()
    path.write_bytes(pickles(marker)[name])
    with pytest.raises(
        ValueError, match=r"weights\.pth (cannot be read|holds Python objects|is no checkpoint)"
    ) as error:
        read_checkpoint(path)
    assert "\n" not in str(error.value) and not marker.exists() and time.thread_time() - start < 2


def test_a_long_pickle_in_an_archive_is_no_checkpoint(tmp_path):
    torch.save({"a": torch.zeros(3)}, tmp_path / "good.pth")
    with zipfile.ZipFile(tmp_path / "good.pth") as good, zipfile.ZipFile(tmp_path / "long.pth", "w") as long:
        for entry in good.infolist():
            bomb = b"\x80\x02" + b"(" * 2_000_000
            long.writestr(entry.filename, bomb if entry.filename.endswith("data.pkl") else good.read(entry))
    assert read_checkpoint(tmp_path / "good.pth")["a"].tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="bytes of pickle"):
        read_checkpoint(tmp_path / "long.pth")


def test_files_of_torch_before_1_6_are_read(tmp_path):
    state = torch.nn.Linear(3, 4).state_dict()
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    read = read_checkpoint(tmp_path / "old.pth")
    assert read.keys() == state.keys() and all(torch.equal(read[name], state[name]) for name in state)


@pytest.mark.parametrize("name", ["model.json", "card.json"])
def test_a_description_that_is_too_deep_is_refused(tmp_path, sent, name):
    (tmp_path / name).write_text("[" * 200_000)
    with pytest.raises(UserError, match=rf"{name} is no JSON file"):
        metadata_of(sent["model"])


@pytest.mark.parametrize("location", ["../secret.bin", "{folder}/secret.bin"])
def test_onnx_reads_no_weights_from_outside_its_folder(location, tmp_path):
    onnx = pytest.importorskip("onnx")
    (tmp_path / "model").mkdir()
    (tmp_path / "secret.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    weight = onnx.TensorProto(name="w", data_type=1, dims=[4], data_location=onnx.TensorProto.EXTERNAL)
    for key, value in (("location", location.format(folder=tmp_path)), ("offset", "0"), ("length", "16")):
        weight.external_data.add(key=key, value=value)
    sides = [onnx.helper.make_tensor_value_info(name, 1, [4]) for name in ("image", "y")]
    add = onnx.helper.make_node("Add", ["image", "w"], ["y"])
    graph = onnx.helper.make_graph([add], "g", sides[:1], sides[1:], [weight])
    opsets = [onnx.helper.make_opsetid("", 18)]
    model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=8)
    (tmp_path / "model" / "model.onnx").write_bytes(model.SerializeToString())
    manifest = {"input": {"batch": 1, "height": 4, "width": 4}, "tasks": {}, "precision": "fp32"}
    with pytest.raises(UserError, match=r"cannot be opened: .*[Ee]xternal data"):
        open_runner(tmp_path / "model" / "model.onnx", manifest)
