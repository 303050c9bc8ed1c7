"""LiteRT files: pixels or planes in, the network's numbers out, in three precisions; what a stranger sends is data."""

import json
import shutil
import struct
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

from tasks.checkpoint.embedded import read_inside
from tasks.checkpoint.manifest import read_manifest
from tasks.common.errors import UserError
from tasks.data.transforms.letterbox import Stretch
from tasks.deploy.decode import arranged
from tasks.deploy.golden import write_golden
from tasks.deploy.model import open_model
from tasks.deploy.network import trace
from tasks.deploy.quantise.plan import open_quantiser, sensitivity
from tasks.deploy.runners.opening import open_runner
from tasks.deploy.writers.litert import allow_forks
from tests.tasks.deploy.conftest import SIZE, network, noise, ship, tensors

pytest.importorskip("litert_torch")
ROOT = Path(__file__).parents[3]
CLASSIFIER = ("heads=[classify]", "export.format=litert", "backbone.minimalistic=true")


@pytest.fixture(scope="module")
def pixels(tmp_path_factory):
    """A classifier's file in fp32 that takes pixels, the default."""
    learner, made = network(*CLASSIFIER)
    traced = trace(learner, batch=2, size=SIZE, layout=made.export.input_layout)
    return ship(tmp_path_factory.mktemp("litert"), learner, made.export, traced, Stretch(SIZE))


@pytest.fixture
def copy(pixels, tmp_path):
    """A copy of it, which a test may damage."""
    shutil.copytree(pixels.folder, tmp_path / "copy")
    return tmp_path / "copy" / "model.tflite"


def loss(made, runner):
    """The largest difference from the network relative to its largest value, for three images."""
    images = noise(3, seed=7)
    ours, theirs = tensors(made, images, "raw")["logits"], runner.run(images.numpy())["logits"]
    assert ours.shape == theirs.shape and theirs.dtype == np.float32
    return np.abs(ours - theirs).max() / np.abs(ours).max()


def test_a_file_takes_pixels_and_gives_the_networks_numbers(pixels):
    assert pixels.manifest["input"]["layout"] == "NHWC" and pixels.runner.shape == (2, 3, *SIZE)
    assert pixels.runner.interpreter.get_input_details()[0]["shape"].tolist() == [2, *SIZE, 3]
    assert loss(pixels, pixels.runner) < 1e-5


@pytest.mark.parametrize("name", ["another", "model"])
def test_a_file_alone_is_its_own_description(pixels, tmp_path, name):
    beside = json.loads((pixels.folder / "model.json").read_text())
    path = tmp_path / f"{name}.tflite"
    shutil.copy(pixels.folder / "model.tflite", path)
    manifest = read_manifest(path)
    assert manifest | {"file": beside["file"], "sha256": beside["sha256"]} == beside
    photo = np.random.default_rng(0).integers(0, 256, (64, 128, 3)).astype(np.uint8)
    ours, theirs = (open_model(each).predict(photo) for each in (pixels.folder / "model.json", path))
    np.testing.assert_array_equal(ours["classify"]["logits"], theirs["classify"]["logits"])


def test_weights_of_sixteen_bits(pixels, copy):
    from tasks.deploy.writers.litert import halve

    halve(copy)
    assert copy.stat().st_size < 0.75 * (pixels.folder / "model.tflite").stat().st_size
    assert 0 < loss(pixels, open_runner(copy, pixels.manifest)) < 0.02


def test_int8_says_what_stays_in_float(pixels, tmp_path):
    quantiser = open_quantiser(pixels.folder / "model.tflite", [noise(16).numpy()])
    pair = np.concatenate([noise(16)[4:6].numpy()] * 4)
    for name, alone in open_quantiser(pixels.folder / "model.tflite", [pair]).ranges.items():
        every = quantiser.ranges[name]
        assert (every["min"] <= alone["min"]).all() and (every["max"] >= alone["max"]).all(), "extremes, not means"
    target = tmp_path / "model.tflite"
    done = quantiser.write(target)
    assert done.floats["DEPTHWISE_CONV_2D"] == 11 and "DEPTHWISE_CONV_2D" not in done.int8
    assert done.floats["CONV_2D"] == 1 < done.int8["CONV_2D"], "the first layer stays in float"
    assert done.conversions["QUANTIZE"] > 10 and done.conversions["DEQUANTIZE"] > 10 and done.conversions["CAST"] == 1
    assert read_inside(target) == read_inside(pixels.folder / "model.tflite")
    whole = loss(pixels, open_runner(target, pixels.manifest))
    assert 0 < whole < 0.3

    ranked = sensitivity(quantiser)
    assert len(ranked) == len(quantiser.layers) and ranked[0][1] > 0
    kept = [layer.name for layer, _ in ranked[: len(ranked) // 2]]
    mixed = quantiser.write(target, kept)
    assert sum(mixed.int8.values()) == sum(done.int8.values()) - len(kept)
    assert 0 < loss(pixels, open_runner(target, pixels.manifest)) < whole
    quantiser.write(target, [layer.name for layer in quantiser.layers])
    assert loss(pixels, open_runner(target, pixels.manifest)) < 1e-5
    with pytest.raises(UserError, match="has no layer nowhere"):
        quantiser.write(target, ["nowhere"])


def test_golden_inputs_are_as_the_file_takes_them(pixels, tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (64, 128, 3)).astype(np.uint8)
    manifest = pixels.manifest | {"input": pixels.manifest["input"] | {"batch": 1}}
    write_golden(manifest, pixels.runner, [image], tmp_path)
    seen = np.load(tmp_path / "000" / "input.npy")
    assert seen.shape == (1, *SIZE, 3)
    planes = seen.transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(arranged(planes, manifest), seen)
    assert arranged(planes, {"input": {}}) is planes


def test_prediction_imports_neither_torch_nor_tensorflow(pixels):
    code = (
        "import sys, numpy\n"
        "from tasks.deploy.model import open_model\n"
        "open_model(sys.argv[1], threads=1).predict(numpy.zeros((64, 128, 3), numpy.uint8))\n"
        "print(sorted({'torch', 'tensorflow', 'jax', 'litert_torch', 'ai_edge_quantizer'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, pixels.folder / "model.tflite"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0 and done.stdout == "[]\n", done.stderr


@pytest.mark.parametrize("share", [0, 0.3, 0.9])
def test_a_file_that_is_cut_off_is_refused_in_one_line(pixels, copy, share):
    content = copy.read_bytes()
    copy.write_bytes(content[: int(share * len(content))])
    with pytest.raises(UserError, match="cut off or was changed"):
        read_manifest(copy)
    with pytest.raises(UserError, match=r"model\.tflite cannot be opened: ") as refused:
        open_runner(copy, pixels.manifest)
    assert "\n" not in str(refused.value)


def test_a_description_of_another_file_is_refused(pixels):
    path = pixels.folder / "model.tflite"
    planes = pixels.manifest | {"input": pixels.manifest["input"] | {"layout": "NCHW"}}
    with pytest.raises(UserError, match="takes uint8 2×48×96×3; its description says uint8 NCHW"):
        open_runner(path, planes)
    named = pixels.manifest | {"tasks": {"classify": {"outputs": {"logits": "scores"}}}}
    with pytest.raises(UserError, match="has no output scores, which its description names; it has logits"):
        open_runner(path, named)


def test_no_bytes_are_too_strange(pixels, tmp_path):
    content = (pixels.folder / "model.tflite").read_bytes()
    at = content.index(b'{"format"')
    assert read_inside(pixels.folder / "model.tflite") is not None
    random, path = np.random.default_rng(0), tmp_path / "model.tflite"
    for trial in range(300):
        changed = bytearray(content[: random.integers(len(content))] if trial % 2 else content)
        near = (0, 64) if trial % 3 else (max(0, at - 200), at + 8)  # the root, and what is around the description
        for place in random.integers(*near, 20):
            if place < len(changed):
                changed[place] = random.integers(256)
        path.write_bytes(changed)
        read_inside(path)
    for start in (0xFFFFFFFF, 0x7FFFFFFF, len(content), 0):
        path.write_bytes(struct.pack("<I", start) + content[4:])
        assert read_inside(path) is None


def test_data_workers_are_forked_after_an_export_without_jaxs_warning():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        allow_forks()
        warnings.warn(
            "os.fork() was called. JAX is multithreaded, so a deadlock is likely.", RuntimeWarning, stacklevel=1
        )
        warnings.warn("another", RuntimeWarning, stacklevel=1)
    assert [str(each.message) for each in told] == ["another"]
