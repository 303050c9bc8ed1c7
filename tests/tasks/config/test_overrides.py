"""A checkpoint's configuration under what is typed: which of the two decides over which key."""

from functools import cache

import pytest

from tasks.common.errors import UserError
from tasks.config.overrides import add_heads, apply_overrides, deep_merge, resume_signature, typed_keys
from tasks.config.tree import put
from tests.test_config import tree_of


@cache
def composed(*overrides, task="segment"):
    return tree_of("recipe=none", *overrides, task=task)


def together(saved, typed, resume=None):
    """The configuration of a command that has these words, with a checkpoint that was trained with those."""
    return apply_overrides(composed(*saved), composed(*typed) | {"resume": resume}, typed)


def test_what_is_built_is_taken_whole_and_settings_are_merged():
    below = {"backbone": {"_target_": "a", "size": 1}, "data": {"new_key": 1, "augment": {"x": 1}, "batch": 2}}
    above = {"backbone": {"_target_": "b"}, "data": {"augment": {"y": 1}, "batch": 3}}
    merged = deep_merge(below, above)
    assert merged == {"backbone": {"_target_": "b"}, "data": {"new_key": 1, "augment": {"y": 1}, "batch": 3}}


def test_what_is_typed_decides_then_the_checkpoint_then_this_command():
    config = together(("optimizer.lr=0.5", "ema=0.5", "data.batch_size=7"), ("data.batch_size=3",))
    assert (config["optimizer"]["lr"], config["ema"], config["data"]["batch_size"]) == (0.5, 0.5, 3)
    config = together(("optimizer.lr=0.5",), ("optimizer.lr=0.25", "mode=predict", "input=photos"))
    assert (config["optimizer"]["lr"], config["mode"], config["input"]) == (0.25, "predict", "photos")
    config = together(("mode=evaluate", "stop_after=2"), ())
    assert (config["mode"], config["stop_after"]) == ("train", None), "these are never the checkpoint's"


def test_a_group_is_typed_as_a_whole():
    optimizer = together(("optimizer.lr=0.5",), ("optimizer=sgd", "optimizer.momentum=0.7"))["optimizer"]
    assert optimizer["_target_"] == "torch.optim.SGD" and optimizer["momentum"] == 0.7
    assert "betas" not in optimizer and optimizer["lr"] != 0.5


@pytest.mark.parametrize(
    ("words", "keys"),
    [
        (["a.b=1", "+c=2", "~d"], {"a.b", "c", "d"}),
        (["optimizer=sgd"], {"optimizer"}),
        (["loss=focal"], {"task.loss"}),
        (["match=atss"], {"task.loss.match"}),
        (["dataset=coco"], {"dataset", "datasets", "data.draw", "data.own_augment"}),
        (["+dataset@datasets.town=coco"], {"dataset", "datasets", "data.draw", "data.own_augment"}),
        (["hydra.run.dir=x", "hydra/launcher=y"], set()),
        (["head@segment.head=raspp"], {"segment.head"}),
    ],
)
def test_typed_keys(words, keys):
    assert typed_keys(words) == keys


@pytest.mark.parametrize("word", ["optimizer.lr=0.25", "backbone.width=0.5", "seed=3", "data.batch_size=3"])
def test_a_resumed_run_refuses_what_would_change_it(word):
    key = word.split("=")[0]
    with pytest.raises(UserError, match=rf"^{key}: resume=… goes on with .*use checkpoint=last\.ckpt$"):
        together(("optimizer.lr=0.5",), (word,), resume="last.ckpt")


def test_a_resumed_run_may_be_longer_and_be_told_what_it_knows():
    saved = ("optimizer.lr=0.5", "trainer.max_epochs=2")
    config = together(saved, ("trainer.max_epochs=9", "optimizer.lr=0.5"), resume="last.ckpt")
    assert config["trainer"]["max_epochs"] == 9 and config["optimizer"]["lr"] == 0.5


def test_what_a_resumed_run_shares_with_its_beginning_is_compared_as_it_resolves():
    found = resume_signature(composed("backbone.width=0.5"))
    assert found["backbone.width"] == 0.5 and found["ema"] == composed()["ema"]
    assert found["names of datasets"] == [] and not any(key.startswith("trainer.max") for key in found)
    assert "${" not in str({key: value for key, value in found.items() if not key.startswith("scheduler")})


def test_a_checkpoint_builds_nothing_of_another_place():
    saved = put(composed(), "backbone._target_", "os.system")
    with pytest.raises(UserError, match=r"^backbone: os\.system is outside tasks, heads, "):
        apply_overrides(saved, composed(), ())


def test_a_network_that_grows_keeps_its_layers_and_takes_this_commands_training():
    words = ("backbone.width=0.5", "segment.head.hidden=16", "optimizer.lr=0.5", "heads=[segment]")
    saved = {"config": composed(*words, task="multitask"), "tasks": {"segment": {}}}
    config = composed("segment.frozen=true", "optimizer.lr=0.25", task="multitask")
    config = add_heads(saved, config, ("segment.frozen=true", "optimizer.lr=0.25"))
    assert (config["backbone"]["width"], config["segment"]["head"]["hidden"]) == (0.5, 16)
    assert (config["optimizer"]["lr"], config["segment"]["frozen"], config["heads"]) == (0.25, True, None)
