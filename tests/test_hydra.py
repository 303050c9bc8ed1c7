"""The tests' quick composition (conftest.quick_hydra) gives what Hydra gives."""

import pytest
from hydra import compose, initialize_config_module
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

CHOICES = [
    ("segment", []),
    ("segment", ["experiment=segment_camvid", "optimizer.lr=0.5", "+trainer.max_steps=3", "~ema"]),
    ("segment", ["optimizer.lr=0.25", "experiment=segment_camvid", "data.augment={}"]),
    ("detect", ["dataset=coco", "loss=focal", "backbone=mobilenet_v2", "backbone.width=0.5"]),
    ("multitask", ["dataset=mixed", "balance=uncertainty", "+dataset@datasets.town=cityscapes"]),
]


def composed(name: str, overrides: list[str]):
    with initialize_config_module("conf", version_base="1.3"):
        return compose(name, overrides, return_hydra_config=True)


@pytest.mark.parametrize(("name", "overrides"), CHOICES)
def test_a_quick_composition_is_hydras(name, overrides, monkeypatch):
    first, again = composed(name, overrides), composed(name, overrides)
    monkeypatch.undo()  # Hydra as it is
    expected = composed(name, overrides)
    assert OmegaConf.to_yaml(first) == OmegaConf.to_yaml(again) == OmegaConf.to_yaml(expected)
    assert str(first) == str(expected) and OmegaConf.is_struct(first) and OmegaConf.is_struct(expected)
    keys = ("ema", "optimizer", "data.augment", "hydra.run", "hydra.sweep.dir", "hydra.job")
    nodes = [[OmegaConf.select(config, key, throw_on_missing=False) for key in keys] for config in (first, expected)]
    assert [type(node) for node in nodes[0]] == [type(node) for node in nodes[1]]
    assert list(first.hydra.runtime.choices.items()) == list(expected.hydra.runtime.choices.items())


def test_an_earlier_composition_is_not_changed_by_a_later_one():
    first = composed("segment", [])
    first.optimizer.lr = 7
    assert composed("segment", []).optimizer.lr != 7


def test_a_wrong_option_is_refused_every_time():
    for _ in range(2):
        with pytest.raises(ConfigCompositionException, match="config group 'nonsense' does not exist"):
            composed("segment", ["nonsense@x=1", "optimizer.lr=1"])
        with pytest.raises(ConfigCompositionException, match="backbone/mobilenet_v9"):
            composed("segment", ["backbone=mobilenet_v9"])
