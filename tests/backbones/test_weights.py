"""Checkpoints into backbones: strict, with clear refusals."""

import itertools

import pytest
import torch
from torchvision.models import mobilenet_v2, mobilenet_v3_small

from backbones.mobilenet_v2 import MobileNetV2
from backbones.mobilenet_v3 import MobileNetV3
from backbones.weights import load_weights, read_checkpoint


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "mobilenet_v2.pth"
    torch.save(mobilenet_v2().state_dict(), path)
    return path


def test_a_file_of_torchvisions_layout_loads_and_is_reported(checkpoint):
    backbone = MobileNetV2()
    backbone.keep(["c5_bottleneck"])
    loaded = load_weights(backbone, str(checkpoint))
    state = torch.load(checkpoint, weights_only=True)
    assert loaded.matched == list(backbone.state_dict()) and backbone.deepest == "c5_bottleneck"
    assert {name.rpartition(".")[0] for name in loaded.not_needed} == {"features.18.0", "features.18.1"}
    assert list(loaded.rest) == ["classifier.1.weight", "classifier.1.bias"]
    assert all(torch.equal(a, b) for a, b in zip(backbone.state_dict().values(), state.values(), strict=False))


def test_layers_that_no_head_reads_are_not_needed(tmp_path):
    """A file with BatchNorm's counters and one without; the backbone has dropped all after block 6."""
    whole = MobileNetV3(size="small")
    state = {name: tensor.clone() for name, tensor in whole.state_dict().items()} | {"fc.weight": torch.zeros(3, 9)}
    plain = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    for content, same_names in itertools.product((state, plain), (True, False)):
        names = {name: name if same_names else name.replace("blocks", "features") for name in content}
        torch.save({names[name]: tensor for name, tensor in content.items()}, tmp_path / "a.pth")
        backbone = MobileNetV3(size="small")
        backbone.keep(["c3"])
        loaded = load_weights(backbone, str(tmp_path / "a.pth"))
        assert loaded.matched == [name for name in backbone.state_dict() if name in content]
        needed = {*loaded.matched, "fc.weight"}
        assert list(loaded.not_needed) == [names[name] for name in content if name not in needed]
        assert list(loaded.rest) == ["fc.weight"]


def test_another_network_is_refused_with_both_shapes(checkpoint):
    shapes = r"features\.0\.0\.weight \(32, 3, 3, 3\) does not fit .* \(16, 3, 3, 3\)"
    with pytest.raises(ValueError, match=f"{shapes}.*; these weights fit backbone=mobilenet_v2$"):
        load_weights(MobileNetV3(size="large"), str(checkpoint))


def test_another_width_is_refused(tmp_path):
    path = tmp_path / "small.pth"
    torch.save(mobilenet_v3_small(width_mult=0.75).state_dict(), path)
    fits = r"backbone=mobilenet_v3_small \(width 0\.75, torchvision's rule\)"
    with pytest.raises(ValueError, match=f"does not fit .*; these weights fit {fits}$"):
        load_weights(MobileNetV3(size="small", width=0.75), str(path))  # the paper's 0.75 is another network


def test_truncated_empty_and_missing_files_are_named(checkpoint, tmp_path):
    data = checkpoint.read_bytes()
    for name, content in (("half.pth", data[: len(data) // 2]), ("empty.pth", b""), ("text.pth", b"hello" * 100)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ValueError, match=f"{name} cannot be read as a checkpoint"):
            read_checkpoint(tmp_path / name)
    with pytest.raises(ValueError, match=r"no checkpoint at .*absent\.pth"):
        read_checkpoint(tmp_path / "absent.pth")


def test_unknown_torchvision_name_lists_the_known():
    with pytest.raises(ValueError, match=r"MobileNet_V3_Small_Weights\.IMAGENET1K_V1"):
        load_weights(MobileNetV2(), "imagenet")


def test_the_backbone_of_our_own_checkpoint(tmp_path):
    trained = MobileNetV3(size="small")
    state = {f"backbone.{name}": tensor for name, tensor in trained.state_dict().items()}
    torch.save({"state_dict": {**state, "tasks.segment.head.weight": torch.zeros(3)}}, tmp_path / "best.ckpt")
    backbone = MobileNetV3(size="small")
    assert not load_weights(backbone, str(tmp_path / "best.ckpt")).rest
    assert all(torch.equal(a, b) for a, b in zip(backbone.state_dict().values(), state.values(), strict=True))


def test_a_file_without_tensors_is_refused(tmp_path):
    torch.save({"epoch": 3, "notes": "hello"}, tmp_path / "notes.pth")
    with pytest.raises(ValueError, match="tensors"):
        load_weights(MobileNetV2(), str(tmp_path / "notes.pth"))
