"""From a configuration to objects: what is built, what is refused in one line, what the trainer does."""

import pytest
import torch

from backbones.domain_norm import separate_domains
from tasks.common.errors import UserError
from tasks.config.tree import resolved
from tasks.data.loading.splits import Splits
from tasks.engine.build import build, build_data, make_backbone, make_trainer
from tasks.engine.settings import LearnerSettings
from tests.test_config import run_of, tree_of

SMALL = ("recipe=none", "backbone=mobilenet_v3_small", "backbone.width=0.35")
HEADS = ("heads=[segment,detect]", "segment.head.hidden=16", "detect.head.extras=[32]")
CLASSES = {"mask": [["a", 1, [0, 0, 0]], ["b", 2, [9, 9, 9]]], "boxes": [["x", 1], ["y", 2]]}


def settings_of(*words, task="segment"):
    return LearnerSettings.of(resolved(tree_of(*SMALL, *words, task=task)))


def test_a_network_has_its_heads_for_the_data_sets_classes():
    learner = build(settings_of(*HEADS, task="multitask"), CLASSES)
    assert list(learner.tasks) == ["segment", "detect"] and learner.main_score == "score"
    assert learner.task("segment").head.classify_low.out_channels == 2
    assert learner.task("detect").head.outputs == 3, "and the background"
    assert set(learner.backbone.features) == {name for name, task in learner.each_task() for name in task.head.maps}


def test_the_same_seed_makes_the_same_weights():
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(build(settings_of(), CLASSES).state_dict())
    first, second, third = (state["backbone.blocks.0.0.weight"] for state in states)
    assert torch.equal(first, second) and not torch.equal(first, third)


def test_channels_last_is_how_the_weights_lie():
    for wanted in (True, False):
        learner = build(settings_of(f"channels_last={str(wanted).lower()}"), CLASSES)
        weight = learner.backbone.blocks[0][0].weight
        assert weight.is_contiguous(memory_format=torch.channels_last) is wanted


def test_frozen_parts_by_name():
    settings = settings_of(*HEADS, "backbone.frozen=true", "detect.frozen=true", task="multitask")
    assert settings.names_of_frozen == ["detect", "backbone"]
    assert settings_of().names_of_frozen == []
    assert make_backbone(settings.backbone).features, "frozen is nothing that the network itself is told"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("head.low=c9",), r"^the head reads c9; this backbone has c1, "),
        (("head.hidden=0",), r"^head.hidden=0 is not a whole number, 1 or more"),
        (("optimizer.lr=-1",), r"Invalid learning rate: -1"),
        (("scheduler.warmup=1.5",), r"scheduler\.warmup=1\.5 is neither a share of all steps"),
        (("+backbone.depth=3",), r"unexpected keyword argument 'depth'"),
        (("task.loss.stride=0",), r"stride=0 must be 1 or more"),
    ],
)
def test_what_does_not_fit_is_one_line(words, message, monkeypatch):
    monkeypatch.setattr("tasks.engine.settings.check_values", lambda *_: None)  # the rules would say so before
    with pytest.raises(UserError, match=message) as caught:
        build(settings_of(*words), CLASSES)
    assert "\n" not in str(caught.value)


def test_statistics_apart_need_a_mixture():
    with pytest.raises(UserError, match=r"batchnorm=separate is for several data sets"):
        build(settings_of(*HEADS, "batchnorm=separate", task="multitask"), CLASSES)


def test_each_head_normalises_by_the_statistics_of_a_data_set_that_has_its_labels():
    words = ("batchnorm=separate", "+datasets={town:{},coco:{}}")
    learner = build(settings_of(*HEADS, *words, task="multitask"), CLASSES, {"mask": ["town"], "boxes": ["coco"]})
    assert learner.domains == {"segment": 0, "detect": 1}
    alike = build(settings_of(*HEADS, task="multitask"), CLASSES)
    separate_domains(alike.backbone, 2)
    assert learner.state_dict().keys() == alike.state_dict().keys()


@pytest.mark.parametrize(
    ("epochs", "every", "is_validated"), [(10, 1, 1), (10, 3, 2), (10, 4, 2), (7, 3, 1), (12, 5, 4), (3, 9, 3)]
)
def test_the_last_epoch_is_always_validated(epochs, every, is_validated):
    words = (f"trainer.max_epochs={epochs}", f"trainer.check_val_every_n_epoch={every}", "trainer.accelerator=cpu")
    trainer = make_trainer(run_of(*words).trainer, [])
    assert trainer.check_val_every_n_epoch == is_validated and epochs % is_validated == 0


def test_what_lightning_refuses_is_one_line():
    with pytest.raises(UserError, match=r"^trainer: .*torch_xla") as caught:
        make_trainer(run_of("trainer.accelerator=tpu").trainer, [])
    assert "\n" not in str(caught.value)


def test_an_argument_that_a_transform_does_not_take_is_an_error():
    words = ("+data.augment.x._target_=albumentations.HorizontalFlip", "+data.augment.x.often=0.5")
    with pytest.raises(UserError, match=r"'often' are not valid for transform"):
        build_data(run_of("recipe=none", *words).data, 0, Splits({}, None, None))
