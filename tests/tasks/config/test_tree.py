"""Configurations as nested dicts: keys, changes, and interpolations as OmegaConf resolves them."""

import pytest
from omegaconf import OmegaConf

from tasks.common.errors import UserError
from tasks.config.tree import OUTPUT_DIR, need, put, resolved, select
from tests.test_config import configuration, tree_of

CHOICES = {
    "segment": "crops of a size of their own",
    "segment dataset=cityscapes image_size=[96,128]": "whole images",
    "classify dataset=imagenet image_size=[96,96] scheduler=exponential": "squares, and a schedule by epochs",
    "detect experiment=detect_bccd": "boxes",
    "multitask experiment=multitask_camvid_coco": "a mixture",
    "segment dataset.root='${oc.env:DATA_ROOT}/mine' ema='${optimizer.lr}'": "typed ones",
}


@pytest.mark.parametrize("command", CHOICES)
def test_as_omegaconf_resolves(command, monkeypatch):
    monkeypatch.setenv("DATA_ROOT", "/elsewhere")
    task, *words = command.split()
    config = configuration(*words, "logger=none", task=task)
    tree = resolved(tree_of(*words, "logger=none", task=task))
    assert tree == OmegaConf.to_container(config, resolve=True)
    OmegaConf.resolve(config)  # as --cfg job --resolve does
    assert tree == OmegaConf.to_container(config, resolve=False)


def test_keys_and_changes():
    tree = {"a": {"b": None, "c": 1}, "logger": {"save_dir": OUTPUT_DIR}}
    assert select(tree, "a.c") == need(tree, "a.c") == 1 and need(tree, "a.b") is None
    assert select(tree, "a.c.d") is None and select(tree, "x") is None
    assert put(tree, "a.c", 2)["a"] == {"b": None, "c": 2} and put(tree, "x.y", 3)["x"] == {"y": 3}
    assert tree["a"]["c"] == 1, "the tree stays"
    assert resolved(tree, "out/1")["logger"]["save_dir"] == "out/1"
    with pytest.raises(UserError, match=r"^a\.d is missing"):
        need(tree, "a.d")
    with pytest.raises(UserError, match=r"there is no wants\.tail"):
        resolved({"backbone": {"tail": "${wants.tail}"}})
