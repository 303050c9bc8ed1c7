"""Quantisation-aware training: where it rounds, what it keeps, and what is refused."""

import json

import pytest
import torch
from torch import nn

from tasks.checkpoint.checkpoint import load_state
from tasks.common.errors import UserError
from tasks.engine.learner import Learner
from tasks.engine.rounding.attach import attach, record
from tasks.engine.rounding.rounding import calibrate
from tasks.engine.rounding.settings import RoundingSettings
from tests.tasks.classify.test_command import TINY, same_state
from tests.tasks.deploy.conftest import network, noise

torchao = pytest.importorskip("torchao")
SHORT = tuple(word for word in TINY if not word.startswith(("ema=", "trainer.max_epochs=", "optimizer.lr=")))
AWARE = ("quantise.aware=true", "quantise.images=8", "data.augment={}")


@pytest.fixture(scope="module")
def classifier() -> Learner:
    learner, _ = network("heads=[classify]")
    return learner


def rounded(learner: Learner, form: str = "onnx") -> Learner:
    learner.rounding = None
    calibrate(learner, attach(learner, RoundingSettings(form, 8)), [noise(8)])
    return learner.eval()


def test_each_format_has_its_own_places(classifier):
    onnx, openvino, litert = (record(classifier, form) for form in ("onnx", "openvino", "litert"))
    layers = [module for module in classifier.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    wide = [each for each in layers if getattr(each, "groups", 1) == 1][1:]
    assert {id(weight) for weight in onnx.weights.values()} == {id(each.weight) for each in layers}
    assert openvino.weights.keys() == onnx.weights.keys()
    assert {id(weight) for weight in litert.weights.values()} == {id(each.weight) for each in wide}
    assert "backbone/batch_norm/0" in onnx.tensors and "backbone/batch_norm/0" not in litert.tensors, "the first layer"
    assert onnx.floors["backbone/batch_norm/0"] == -3 and "backbone/hardswish/0" in onnx.gates
    assert litert.factors == {name: 6.0 for name in litert.tensors if "hardsigmoid" in name} != {}
    assert (
        set(openvino.tensors.values()) == {"affine", "symmetric"} and openvino.tensors["backbone/div/0"] == "symmetric"
    )


def test_heads_and_further_passes_are_named_alike():
    learner, _ = network()
    one, three = record(learner, "onnx"), dict(learner.tasks.items())
    learner.tasks = nn.ModuleDict({"classify": three["classify"]})
    alone = record(learner, "onnx")
    assert {name for name in one.weights if name.startswith("classify/")} == {
        name for name in alone.weights if name.startswith("classify/")
    }


def test_one_head_of_several_has_their_ranges():
    """Where another head's convolution reads a result too, openvino has one range for it, not one for each channel."""
    several, (one, _) = (
        rounded(network("backbone=mobilenet_v4_conv_small")[0], "openvino"),
        network("backbone=mobilenet_v4_conv_small", "heads=[classify]"),
    )
    rounding = attach(one.eval(), RoundingSettings("openvino", 8))
    shapes = {name: (each.scale.numel(), rounding.tensors[name].scale.numel()) for name, each in
              several.rounding.tensors.items() if name in rounding.tensors}  # fmt: skip
    assert (1, 16) in shapes.values()
    load_state(one, {"mobilevision": {"tasks": dict(several.tasks)}, "state_dict": several.state_dict()}, "x.ckpt")
    with torch.no_grad():
        torch.testing.assert_close(one(noise(2))["classify"], several(noise(2))["classify"], rtol=0, atol=0)


def test_weights_have_255_values_per_channel_and_results_256(classifier):
    rounding = rounded(classifier).rounding
    weight = record(classifier, "onnx").weights["backbone/conv2d/3"].detach()
    seen = rounding.weights["backbone/conv2d/3"](weight)
    steps = seen / (weight.abs().amax((1, 2, 3), keepdim=True) / 127)
    torch.testing.assert_close(steps, steps.round(), atol=1e-3, rtol=0)
    assert (seen - weight).abs().max() > 0
    values = rounding.tensors["backbone/batch_norm/0"](torch.linspace(-50, 50, 5000))
    low, high = rounding.ranges()["backbone/batch_norm/0"]
    assert 200 < len(values.unique()) <= 256 and low == -3 and abs(float(values.max()) - high) < (high - low) / 255


def test_only_training_moves_ranges_and_nothing_moves_statistics(classifier):
    learner, images = rounded(classifier), noise(4, seed=3)
    from tasks.engine.freezing import freeze

    freeze(learner)
    before = {name: value.clone() for name, value in learner.state_dict().items()}
    with torch.no_grad():
        learner(images)
        same = {name for name, value in learner.state_dict().items() if torch.equal(value, before[name])}
        assert same == before.keys(), "scoring changes nothing"
        learner.train()(images)
    moved = {name for name, value in learner.state_dict().items() if not torch.equal(value, before[name])}
    assert any(name.endswith("min_val") for name in moved) and all(name.startswith("rounding.") for name in moved)
    learner.eval()


def test_gradients_pass_the_rounding(classifier):
    learner = rounded(classifier)
    learner.zero_grad()
    learner.maps(noise(2), None)["c5"].square().mean().backward()
    weights = [weight for name, weight in learner.backbone.named_parameters() if weight.ndim == 4]
    assert all(weight.grad is not None and bool(weight.grad.abs().sum() > 0) for weight in weights)


def test_a_network_that_takes_no_image_of_its_own_is_one_line(classifier):
    class Picky(nn.Module):
        def forward(self, images, counts=None):
            raise RuntimeError("wants 100×100")

    learner, _ = network("heads=[classify]")
    learner.backbone.forward = Picky().forward
    with pytest.raises(UserError, match="this network cannot be traced: wants 100×100"):
        record(learner, "onnx")


@pytest.fixture
def trained(command, folders, tmp_path):
    """The command on the tiny data set, and a checkpoint of two epochs to start from."""

    def go(folder: str, *arguments: str):
        result = command(
            "classify", *SHORT, f"dataset.root={folders}", f"hydra.run.dir={tmp_path / folder}", *arguments
        )
        return result, tmp_path / folder

    result, folder = go("start", "trainer.max_epochs=2", "trainer.check_val_every_n_epoch=2", "pictures=0")
    assert result.status == 0, result.err
    return go, folder / "checkpoints" / "best.ckpt"


def test_a_resumed_training_equals_one_that_was_not_stopped(trained, command, tmp_path):
    run, start = trained
    typed = (*AWARE, "pictures=0", "quantise.epochs=2", "trainer.check_val_every_n_epoch=1")
    result, whole = run("whole", *typed, f"checkpoint={start}")
    assert result.status == 0, result.err
    assert "finetune=int8, as quantise.aware=true: finetune.lr=0.1, 2 epochs, no ema" in result.out
    assert "as int8 files of onnx" in result.out and "batch norm: statistics as loaded" in result.out
    _, half = run("half", *typed, f"checkpoint={start}", "stop_after=1")
    result, resumed = run("resumed", f"resume={half / 'checkpoints' / 'last.ckpt'}", *typed[:2], "trainer.max_epochs=2",
                          "finetune=int8", "ema=null", *typed[2:])  # fmt: skip
    assert result.status == 0, result.err
    assert same_state(whole / "checkpoints" / "last.ckpt", resumed / "checkpoints" / "last.ckpt")
    best = whole / "checkpoints" / "best.ckpt"
    result = command("classify", "mode=evaluate", f"checkpoint={best}", f"hydra.run.dir={tmp_path / 'again'}")
    assert "as int8 files of onnx round; quantise.aware=false: the network in float" in result.out
    scores = [json.loads((folder / "metrics.json").read_text()) for folder in (whole, tmp_path / "again")]
    assert scores[0]["top1"] == scores[1]["top1"]
    result = command(
        "classify", "mode=evaluate", f"checkpoint={best}", "quantise.aware=false", f"hydra.run.dir={tmp_path / 'float'}"
    )
    assert result.status == 0 and "int8" not in result.out
    assert "rounded as int8 files of onnx" in (whole / "report.html").read_text()


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (("quantise.aware=true",), "quantise.aware=true needs checkpoint=<file.ckpt>"),
        (("quantise.aware=true", "quantise.format=executorch"), "quantise.format=executorch"),
        (("quantise.aware=true", "mode=export", "checkpoint=x.ckpt"), "quantise.aware=true is for mode=train"),
        (("quantise.aware=true", "checkpoint=x.ckpt", "ema=0.9"), "ema=0.9 would mix networks of different ranges"),
        (
            ("quantise.aware=true", "checkpoint=x.ckpt", "ema=null", "trainer.precision=bf16-mixed"),
            "trainer.precision=32",
        ),
    ],
)
def test_what_cannot_be_is_refused_before_torch_is_needed(command, tmp_path, monkeypatch, typed, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.ckpt").touch()
    result = command("classify", *typed, f"hydra.run.dir={tmp_path / 'run'}")
    assert result.status == 2 and message in result.err and result.err.count("\n") == 1


def test_a_missing_package_is_named_with_its_extra(command, tmp_path, monkeypatch):
    monkeypatch.setattr("tasks.engine.rounding.settings.find_spec", lambda _: None)
    (tmp_path / "x.ckpt").touch()
    typed = (
        "quantise.aware=true",
        f"checkpoint={tmp_path / 'x.ckpt'}",
        "ema=null",
        f"hydra.run.dir={tmp_path / 'run'}",
    )
    assert 'needs torchao: pip install "mobilevision[quantise]"' in command("classify", *typed).err
