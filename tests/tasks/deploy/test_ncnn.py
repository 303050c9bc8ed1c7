"""ncnn files: the network's numbers for one image at a time, described behind their layers; no torch to predict."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tasks.checkpoint.embedded import MARK, read_inside
from tasks.checkpoint.manifest import read_manifest
from tasks.common.errors import UserError
from tasks.data.transforms.letterbox import Stretch
from tasks.deploy.golden import write_golden
from tasks.deploy.model import open_model
from tasks.deploy.network import Traced, trace
from tasks.deploy.runners.opening import open_runner
from tasks.deploy.writers.ncnn import named, write_ncnn
from tests.tasks.deploy.conftest import SIZE, network, noise, ship, tensors

pytest.importorskip("ncnn")
pytest.importorskip("pnnx")
ROOT = Path(__file__).parents[3]
PHOTO = np.random.default_rng(0).integers(0, 256, (64, 128, 3)).astype(np.uint8)


@pytest.fixture
def copy(shipped, tmp_path):
    """A copy of the raw file of three heads, which a test may damage."""
    shutil.copytree(shipped("ncnn", "raw").folder, tmp_path / "copy")
    return tmp_path / "copy" / "model.param"


def losses(made, runner, form="raw"):
    """The largest difference of each output from the network's, relative to its largest value, for three images."""
    images = noise(3, seed=7)
    ours, theirs = tensors(made, images, form), runner.run(images.numpy())
    assert {name: values.shape for name, values in theirs.items()} == {name: each.shape for name, each in ours.items()}
    return [float(np.abs(ours[name] - theirs[name]).max() / np.abs(ours[name]).max()) for name in ours]


def test_boxes_and_probabilities_are_decoded_in_the_file(tmp_path):
    learner, made = network("heads=[detect,classify]", "export.format=ncnn", "export.outputs=decoded")
    traced = trace(learner, batch=1, size=SIZE, form="decoded")
    file = ship(tmp_path, learner, made.export, traced, Stretch(SIZE))
    assert file.runner.names == ["detect_boxes", "detect_scores", "classify_probabilities"]
    assert max(losses(file, file.runner, "decoded")) < 1e-5
    assert {path.name for path in tmp_path.iterdir()} == {"model.param", "model.bin", "model.json"}


def test_normalisation_is_one_layer_and_a_thread_is_the_default(shipped):
    made = shipped("ncnn", "raw")
    kinds = [line.split()[0] for line in (made.folder / "model.param").read_text().splitlines()[2:-1]]
    assert kinds[:3] == ["Input", "BatchNorm", "Convolution"]
    assert open_runner(made.folder / "model.param", made.manifest).net.opt.num_threads == 1
    assert open_runner(made.folder / "model.param", made.manifest, threads=2).net.opt.num_threads == 2


def test_pixels_as_a_program_on_a_phone_gives_them(shipped):
    import ncnn

    made, image = shipped("ncnn", "raw"), noise(1)[0]
    pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
    extractor = made.runner.net.create_extractor()
    extractor.input("image", ncnn.Mat.from_pixels(pixels, ncnn.Mat.PixelType.PIXEL_RGB, SIZE[1], SIZE[0]))
    ours = made.runner.run(image[None].numpy())["segment_logits"][0]
    np.testing.assert_array_equal(np.array(extractor.extract("segment_logits")[1]), ours)


@pytest.mark.parametrize("name", ["another", "model"])
def test_a_file_alone_is_its_own_description(shipped, tmp_path, name):
    folder = shipped("ncnn", "raw").folder
    beside = json.loads((folder / "model.json").read_text())
    path = tmp_path / f"{name}.param"
    shutil.copy(folder / "model.param", path)
    with pytest.raises(UserError, match=rf"{name}\.bin: no such file, though {name}\.param needs it"):
        read_manifest(path)
    shutil.copy(folder / "model.bin", path.with_suffix(".bin"))
    manifest = read_manifest(path)
    assert manifest | {"file": beside["file"], "sha256": beside["sha256"]} == beside
    ours, theirs = (open_model(each).predict(PHOTO) for each in (folder / "model.json", path))
    np.testing.assert_array_equal(ours["segment"]["labels"], theirs["segment"]["labels"])


def test_weights_of_sixteen_bits(shipped, tmp_path):
    made = shipped("ncnn", "raw")
    _, halved = network("export.format=ncnn", "export.precision=fp16")
    file = ship(tmp_path, made.learner, halved.export, trace(made.learner, batch=1, size=SIZE), Stretch(SIZE))
    small, whole = ((folder / "model.bin").stat().st_size for folder in (tmp_path, made.folder))
    assert small < 0.6 * whole
    assert 1e-5 < max(losses(file, file.runner)) < 0.02
    floats = open_runner(tmp_path / "model.param", file.manifest | {"precision": "fp32"})
    assert file.runner.net.opt.use_fp16_storage and not floats.net.opt.use_fp16_storage


def test_the_self_test_of_the_decoder(copy, shipped):
    made = shipped("ncnn", "raw")
    write_golden(made.manifest, made.runner, [PHOTO], copy.parent / "golden")
    shutil.copy(ROOT / "tasks" / "deploy" / "decode.py", copy.parent)
    done = subprocess.run([sys.executable, "decode.py"], cwd=copy.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "segment_logits" in done.stdout, done.stdout + done.stderr
    content = bytearray(copy.with_suffix(".bin").read_bytes())
    content[-400:] = bytes(400)
    copy.with_suffix(".bin").write_bytes(content)
    done = subprocess.run([sys.executable, "decode.py"], cwd=copy.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "more than" in done.stdout


def test_prediction_imports_no_torch(shipped):
    code = (
        "import sys, numpy\n"
        "from tasks.deploy.model import open_model\n"
        "open_model(sys.argv[1], threads=1).predict(numpy.zeros((64, 128, 3), numpy.uint8))\n"
        "print(sorted({'torch', 'pnnx', 'requests', 'tqdm'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, shipped("ncnn", "raw").folder / "model.param"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("suffix", [".param", ".bin"])
@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_a_file_that_is_cut_off_is_refused_in_one_line(copy, suffix, share, capfd):
    manifest, path = read_manifest(copy), copy.with_suffix(suffix)
    if suffix == ".param":
        path.write_text(path.read_text().rpartition(MARK)[0])  # what only describes may be missing
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match="cut off or was changed"):
        read_manifest(copy)
    with pytest.raises(UserError, match=rf"model\.param cannot be opened: ncnn cannot read model\{suffix}") as refused:
        open_runner(copy, manifest)
    assert "\n" not in str(refused.value) and capfd.readouterr() == ("", "")


def test_a_description_of_another_file_is_refused(copy):
    manifest = read_manifest(copy)
    scores = {"segment": {"outputs": {"logits": "scores"}}}
    with pytest.raises(UserError, match="has no output scores, which its description names; it has segment_logits, "):
        open_runner(copy, manifest | {"tasks": scores})
    copy.write_text(copy.read_text().replace(" image", " data"))
    with pytest.raises(UserError, match="takes data; its description says image"):
        open_runner(copy, manifest)


def test_a_changed_description_is_refused(copy):
    copy.with_name("model.json").write_text(copy.with_name("model.json").read_text().replace('"RGB"', '"BGR"'))
    with pytest.raises(UserError, match=r"colours"):
        read_manifest(copy)


def test_no_bytes_are_too_strange(copy):
    content = copy.read_bytes()
    assert read_inside(copy) is not None
    random = np.random.default_rng(0)
    for trial in range(200):
        changed = bytearray(content[: random.integers(len(content))] if trial % 2 else content)
        for place in random.integers(0, max(1, len(changed)), 20):
            if changed:
                changed[place] = random.integers(256)
        copy.write_bytes(changed)
        read_inside(copy)
    for strange in (b"", b"\n", MARK.encode(), MARK.encode() + b"\xff", MARK.encode() + b"[" * 100_000):
        copy.write_bytes(strange)
        assert read_inside(copy) is None


def of(function, count=1) -> Traced:
    """A graph of a function of the image (1, 3, 8, 8) in floats."""

    class Network(nn.Module):
        def forward(self, image):
            return function(image.float())

    example = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    names = {"segment": {f"out{number}": f"name{number}" for number in range(count)}}
    return Traced(torch.export.export(Network(), (example,)), names, tuple(example.shape), 0)


def test_what_ncnn_does_not_have_is_refused_in_one_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with pytest.raises(UserError, match=r"ncnn has no operator torch\.topk, which this network needs$"):
        write_ncnn(of(lambda image: image.topk(2, 1)[:1]), tmp_path / "model.param", {}, "fp32")
    import pnnx

    monkeypatch.setattr(pnnx, "EXEC_PATH", shutil.which("false"))
    with pytest.raises(UserError, match=r"pnnx cannot convert this network: it ended with status 1$"):
        write_ncnn(of(lambda image: (image + 1,)), tmp_path / "model.param", {}, "fp32")
    assert not list(tmp_path.iterdir())


def test_tensors_are_named():
    lines = ["7767517", "2 3", "Input in0 0 1 in0", "Split s 1 2 in0 out0 out1 0=1"]
    assert named(lines, ["a", "b"])[2:] == ["Input in0 0 1 image", "Split s 1 2 image a b 0=1"]
    with pytest.raises(UserError, match="pnnx lost c, which this network has"):
        named(lines, ["a", "b", "c"])
