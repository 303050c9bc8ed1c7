"""Core ML packages, written on any system: what their program computes, what they say, and where they are refused."""

import json
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tasks.checkpoint.embedded import PACKAGE, read_inside
from tasks.checkpoint.manifest import read_manifest, sha256
from tasks.common.errors import UserError
from tasks.data.transforms.letterbox import Stretch
from tasks.deploy import mil_operators, mil_runner
from tasks.deploy.export import clear
from tasks.deploy.model import open_model
from tasks.deploy.network import trace
from tasks.deploy.runners.opening import open_runner
from tasks.deploy.writers.by_format import WRITERS
from tasks.deploy.written import open_written
from tests.tasks.deploy.conftest import SIZE, network, noise, settings, ship, tensors

pytest.importorskip("coremltools")
if sys.platform == "darwin":
    pytest.skip("Core ML runs here: its packages are compared as others are", allow_module_level=True)
CLASSIFIER = ("heads=[classify]", "export.format=coreml", "backbone.minimalistic=true")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A classifier's package in fp32 with its graph."""
    learner, used = network(*CLASSIFIER)
    traced = trace(learner, batch=1, size=SIZE)
    return ship(tmp_path_factory.mktemp("coreml"), learner, used.export, traced, Stretch(SIZE)), traced


@pytest.fixture
def copy(made, tmp_path) -> Path:
    """A copy of it, which a test may damage."""
    shutil.copytree(made[0].folder, tmp_path / "copy")
    return tmp_path / "copy" / "model.unproved.mlpackage"


def loss(shipped, runner) -> float:
    """The largest difference from the network relative to its largest value, for three images."""
    images = noise(3, seed=7)
    ours, theirs = tensors(shipped, images, "raw")["logits"], runner.run(images.numpy())["logits"]
    assert ours.shape == theirs.shape and theirs.dtype == np.float32
    return float(np.abs(ours - theirs).max() / np.abs(ours).max())


def test_a_package_says_what_it_is(made):
    from coremltools.models.utils import load_spec

    shipped, _ = made
    assert shipped.manifest["file"] == "model.unproved.mlpackage" and "never run" in shipped.manifest["unproved"]
    said = load_spec(str(shipped.folder / "model.unproved.mlpackage")).description
    (image,), (logits,) = said.input, said.output
    pixels = image.type.imageType
    assert (image.name, pixels.height, pixels.width, pixels.colorSpace) == ("image", *SIZE, pixels.RGB)
    assert logits.name == "logits" and list(logits.type.multiArrayType.shape) == [1, 6]
    facts = said.metadata.userDefined
    assert json.loads(facts["mobilevision"]) == shipped.manifest
    assert json.loads(facts["classes"]) == shipped.manifest["tasks"]["classify"]["classes"]
    assert not any("date" in key for key in facts)


def test_the_program_gives_the_networks_numbers(made, copy):
    shipped, _ = made
    assert loss(shipped, shipped.runner) < 1e-5
    first = next(each for each in shipped.runner.operations if each.op_type == "conv").inputs["weight"].val.tobytes()
    weights = (copy / PACKAGE["weights"]).read_bytes()
    assert weights.count(first) == 1
    (copy / PACKAGE["weights"]).write_bytes(weights.replace(first, bytes(len(first))))
    assert loss(shipped, open_written(copy, shipped.manifest)) > 1e-3


def test_the_same_bytes_each_time_and_half_as_many_in_sixteen_bits(made, tmp_path):
    shipped, traced = made
    for name, precision in (("again", "fp32"), ("half", "fp16")):
        WRITERS["coreml"](traced, tmp_path / f"{name}.mlpackage", shipped.manifest, precision)
    first = shipped.folder / "model.unproved.mlpackage"
    assert sha256(tmp_path / "again.mlpackage") == sha256(first)
    half = tmp_path / "half.mlpackage"
    assert (half / PACKAGE["weights"]).stat().st_size < 0.6 * (first / PACKAGE["weights"]).stat().st_size
    assert 0 < loss(shipped, open_written(half, shipped.manifest)) < 0.02


@pytest.mark.parametrize("name", ["street", "model.unproved"])
def test_a_package_alone_is_its_own_description(made, tmp_path, name):
    shipped, _ = made
    beside = read_manifest(shipped.folder / "model.json")
    path = tmp_path / f"{name}.mlpackage"
    shutil.copytree(shipped.folder / "model.unproved.mlpackage", path)
    assert read_manifest(path) | {"file": beside["file"], "sha256": beside["sha256"]} == beside


def test_changed_packages_are_refused(copy, tmp_path):
    whole = tmp_path / "whole"
    shutil.copytree(copy.parent, whole)
    for part, content in ((PACKAGE["weights"], b"x"), (PACKAGE["contents"], b"{}"), ("Data/another", b"")):
        (copy / part).write_bytes(content)
        with pytest.raises(UserError, match="cut off or was changed"):
            read_manifest(copy)
        shutil.rmtree(copy)
        shutil.copytree(whole / copy.name, copy)
    (copy / "Data" / "link").symlink_to("/dev/zero")
    with pytest.raises(UserError, match="link in it is no file"):
        read_manifest(copy)


def test_a_package_that_names_another_specification_has_no_description(copy):
    assert read_inside(copy)["file"] == copy.name
    listed = (copy / PACKAGE["contents"]).read_text()
    (copy / PACKAGE["contents"]).write_text(listed.replace("CoreML/model.mlmodel", "CoreML/other.mlmodel"))
    assert read_inside(copy) is None
    assert read_inside(copy / "nowhere.mlpackage") is None


def test_another_input_or_output_than_described_is_refused(made, monkeypatch):
    shipped, _ = made
    path = shipped.folder / shipped.manifest["file"]
    larger = shipped.manifest | {"input": shipped.manifest["input"] | {"width": 100}}
    with pytest.raises(UserError, match=r"takes image of 48×96; its description says an RGB image of 48×100"):
        open_written(path, larger)
    named = shipped.manifest | {"tasks": {"classify": {"outputs": {"logits": "scores"}}}}
    with pytest.raises(UserError, match="gives logits; its description says scores"):
        open_written(path, named)
    monkeypatch.delitem(mil_runner.OPERATORS, "conv")
    with pytest.raises(UserError, match="how to compute conv is not known here"):
        open_written(path, shipped.manifest)


def test_a_program_that_returns_another_tensor_is_refused(made, copy):
    """Core ML refuses it too: the tensor of the output's name is computed, but not returned."""
    from coremltools.proto.Model_pb2 import Model

    said = Model.FromString((copy / PACKAGE["specification"]).read_bytes())
    (block,) = said.mlProgram.functions["main"].block_specializations.values()
    other = next(step.outputs[0].name for step in reversed(block.operations[:-1]) if step.type == "conv")
    block.outputs[:] = [other]
    (copy / PACKAGE["specification"]).write_bytes(said.SerializeToString())
    with pytest.raises(UserError, match=rf"its program returns {other}, not logits"):
        open_written(copy, made[0].manifest)


def another_type(said):
    """Core ML would round the logits, or refuse the package."""
    said.output[0].type.multiArrayType.dataType = 131104


def another_shape(said):
    said.output[0].type.multiArrayType.shape[:] = [6, 1]


def another_image(said):
    said.input[0].type.imageType.width = 100


@pytest.mark.parametrize(
    ("change", "width", "named"),
    [(another_type, 96, "logits is"), (another_shape, 96, "logits is"), (another_image, 100, "image is")],
)
def test_a_program_of_other_shapes_or_types_than_described_is_refused(made, copy, change, width, named):
    from coremltools.proto.Model_pb2 import Model

    said = Model.FromString((copy / PACKAGE["specification"]).read_bytes())
    change(said.description)
    (copy / PACKAGE["specification"]).write_bytes(said.SerializeToString())
    manifest = made[0].manifest | {"input": made[0].manifest["input"] | {"width": width}}
    with pytest.raises(UserError, match=rf"{named} .* in its program, .* in its description"):
        open_written(copy, manifest)


def test_a_value_of_another_shape_than_coremltools_has_is_found(made, monkeypatch):
    """A mistake in how an operator is computed here, which the mean over the whole map would hide."""
    monkeypatch.setitem(mil_runner.OPERATORS, "conv", lambda **given: mil_operators.conv(**given)[..., ::2])
    with pytest.raises(UserError, match=r"conv: .*, and coremltools has "):
        loss(made[0], made[0].runner)


@pytest.mark.parametrize(("factor", "side"), [(np.float32(15.0001 / 4), 15), (np.float32(14.9999 / 4), 14)])
def test_an_enlarged_side_is_rounded_down(factor, side):
    enlarged = mil_operators.upsample_bilinear(torch.ones(1, 1, 4, 4), factor, np.float32(2), False)
    assert enlarged.shape == (1, 1, side, 8)


def test_it_needs_macos(made, tmp_path):
    shipped, _ = made
    path = shipped.folder / shipped.manifest["file"]
    with pytest.raises(UserError, match=r"needs macOS, where Core ML runs; here do files of export.format=onnx"):
        open_model(path)
    for mode in ("evaluate", "benchmark"):
        with pytest.raises(UserError, match="needs macOS"):
            settings(f"mode={mode}", f"model={path}")


def test_on_macos_images_go_through_coremltools(made, monkeypatch):
    """With a model in place of Core ML's, which gives back what it sees."""
    shipped, _ = made
    manifest = shipped.manifest | {"tasks": {"classify": {"outputs": {"logits": "logits"}, "classes": ["a", "b", "c"]}}}
    asked = []

    class Model:
        def __init__(self, path, compute_units):
            asked.append((path, compute_units))

        def get_spec(self):
            return SimpleNamespace(description=SimpleNamespace(output=[SimpleNamespace(name="logits")]))

        def predict(self, given):
            pixels = np.asarray(given["image"], np.float16)
            assert given["image"].mode == "RGB"
            return {"logits": pixels[0, :1]}  # the colours of the first pixel

    units = SimpleNamespace(CPU_ONLY="cpu")
    monkeypatch.setitem(sys.modules, "coremltools", SimpleNamespace(ComputeUnit=units))
    monkeypatch.setitem(sys.modules, "coremltools.models", SimpleNamespace(MLModel=Model))
    monkeypatch.setattr(sys, "platform", "darwin")
    runner = open_runner(shipped.folder / "model.unproved.mlpackage", manifest, threads=1)
    images = noise(2, seed=3).numpy()
    np.testing.assert_array_equal(runner.run(images)["logits"], images[:, :, 0, 0].astype(np.float32))
    assert asked == [(str(shipped.folder / "model.unproved.mlpackage"), "cpu")]
    lost = manifest | {"tasks": {"classify": {"outputs": {"logits": "scores"}}}}
    with pytest.raises(UserError, match="has no output scores, which its description names; it has logits"):
        open_runner(shipped.folder / "model.unproved.mlpackage", lost)


def test_an_earlier_package_is_removed(copy):
    proved = copy.with_name("model.mlpackage")
    shutil.copytree(copy, proved)
    clear(copy.parent)
    assert not copy.exists() and not proved.exists()
