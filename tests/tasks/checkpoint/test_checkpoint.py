"""Weights carried over to another class count, and to nothing else."""

import pytest
import torch

from backbones.mobilenet_v3 import MobileNetV3
from heads.lraspp import LRASPP
from tasks.checkpoint.checkpoint import start_from
from tasks.checkpoint.reading import forget, read_file
from tasks.common.errors import UserError


def network(classes: int, width: float = 0.35) -> torch.nn.ModuleDict:
    backbone = MobileNetV3(size="small", width=width)
    return torch.nn.ModuleDict({"backbone": backbone, "head": LRASPP(backbone.features, classes)})


def saved(old: torch.nn.Module) -> dict:
    return {"state_dict": old.state_dict(), "mobilevision": {"tasks": {}}}


def test_only_the_last_layers_are_made_anew_for_other_classes():
    old, new = network(19), network(5)
    fresh = new.head.classify_low.weight.clone()
    names = start_from(new, saved(old), "old.ckpt")
    assert names == [f"head.classify_{which}.{kind}" for which in ("low", "high") for kind in ("weight", "bias")]
    assert torch.equal(new.head.classify_low.weight, fresh)
    assert torch.equal(new.head.gate.weight, old.head.gate.weight)
    assert start_from(network(19), saved(old), "old.ckpt") == []


def test_another_network_is_no_start():
    with pytest.raises(UserError, match=r"old\.ckpt is of another network: its backbone"):
        start_from(network(19, width=0.5), saved(network(19)), "old.ckpt")


def test_a_file_is_read_once_until_it_changes(tmp_path, reads):
    path = tmp_path / "a.ckpt"
    torch.save({"state_dict": {"a": torch.zeros(2)}}, path)
    assert read_file(path) is read_file(str(path)) and reads == [path]
    torch.save({"state_dict": {"a": torch.ones(2)}}, path)
    assert read_file(path)["state_dict"]["a"].tolist() == [1, 1] and len(reads) == 2
    forget()
    assert read_file(path)["state_dict"]["a"].tolist() == [1, 1] and len(reads) == 3
    path.unlink()
    with pytest.raises(ValueError, match="no checkpoint at"):
        read_file(path)
