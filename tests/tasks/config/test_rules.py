"""Values that cannot be meant are refused from the configuration alone."""

from functools import cache

import pytest
from omegaconf import OmegaConf

from tasks.common.errors import UserError
from tasks.config.rules import run
from tasks.config.rules.places import check_places
from tasks.config.rules.values import check_stored, check_values, where_present
from tests.test_config import configuration

DATA = {"segment": "cityscapes", "classify": "folders", "detect": "coco", "multitask": "streets"}
composed = cache(configuration)
NO_NUMBERS = ("x", None, True, float("nan"), -1)
WRONG = {  # task and choices of groups, then a key with values that cannot be meant
    ("segment",): {
        "seed": (-1, 2**32, 1.5, True, "x"),
        "trainer.precision": ("64-true", 64, "8", None),
        "trainer.gradient_clip_val": (float("nan"), -1, 0, "x"),
        "trainer.detect_anomaly": ("x", 1, None),
        "trainer.devices": (0, -2, "x", [], [-1], True),
        "trainer.limit_train_batches": (0, 0.0, 1.5, -1, True, float("nan")),
        "trainer.fast_dev_run": (True, 1, "x"),
        "trainer.overfit_batches": (1, 0.5, "x"),
        "trainer.barebones": (True,),
        "optimizer.lr": (*NO_NUMBERS, 0),
        "optimizer.betas": ([0.9], [0.9, 1.0], [-0.1, 0.9], 0.9, None),
        "optimizer.weight_decay": NO_NUMBERS,
        "scheduler.warmup": (*NO_NUMBERS, 1),
        "backbone.width": (*NO_NUMBERS, 0),
        "backbone.norm_momentum": (5, 0, -1, "x", float("nan"), True),
        "task.loss.label_smoothing": (*NO_NUMBERS, 1),
        "data.batch_size": (0, -1, 1.5, "x", None, 10**9),
        "data.workers": (-1, "x", 10**6),
        "dataset.labels": ("x", None, 1),
        "dataset.train_split": ("val",),
        "distill.weight": (*NO_NUMBERS, 1.1),
        "distill.temperature": (*NO_NUMBERS, 0),
        "channels_last": ("x", 1, None),
        "ema": (0, 1, -1, "x", True, float("nan")),
    },
    ("segment", "scheduler=poly"): {"scheduler.power": (*NO_NUMBERS, -3, 0)},
    ("segment", "scheduler=step"): {"scheduler.factor": (*NO_NUMBERS, -0.1), "scheduler.milestones": ([30], 0.5, "x")},
    ("segment", "scheduler=exponential"): {"scheduler.decay": NO_NUMBERS, "scheduler.every": NO_NUMBERS},
    ("segment", "optimizer=sgd"): {"optimizer.momentum": (*NO_NUMBERS, 1), "optimizer.nesterov": ("x", 1)},
    ("classify",): {
        "task.mirror": ("x", 1, None),
        "task.mix.cutmix": NO_NUMBERS,
        "task.mix.mixup": NO_NUMBERS,
        "head.dropout": (*NO_NUMBERS, 1),
    },
    ("detect",): {
        "image_size": (320, [320], [0, 320], [320.0, 320.0], ["a", 1], [True, True], [10**6, 1], {"a": 1}),
        "head.anchors.smallest": (*NO_NUMBERS, 0),
        "head.anchors.scales": ([0], [-1], [float("nan")], 0.5, "x"),
        "head.extras": ([1], [-1], None, "x", [1.5], [True]),
        "task.loss.negatives": NO_NUMBERS,
        "task.loss.box_weight": NO_NUMBERS,
        "task.select.overlap": (*NO_NUMBERS, 2),
    },
    ("multitask", "balance=fixed"): {"balance.weights.segment": NO_NUMBERS, "detect.task.select.threshold": NO_NUMBERS},
    ("multitask", "balance=uncertainty"): {"balance.start.detect": (float("inf"), "x", None)},
}


@pytest.mark.parametrize("choices", WRONG)
def test_values_that_cannot_be_meant(choices):
    task, *groups = choices
    for key, values in WRONG[choices].items():
        for value in values:
            config = composed(*groups, f"dataset={DATA[task]}", "logger=none", task=task).copy()
            OmegaConf.set_struct(config, False)
            OmegaConf.update(config, key, value, merge=False)
            with pytest.raises(UserError, match=rf"^(image_size|dataset\.val_split|{key})="):
                check_values(config)


@pytest.mark.parametrize(
    ("key", "target"),
    [
        ("data.fit", "albumentations.HorizontalFlip"),
        ("data.fit", "heads.select.Select"),
        ("data.crop", "tasks.data.transforms.letterbox.Stretch"),
        ("backbone", "heads.lraspp.LRASPP"),
        ("optimizer", "torch.nn.Linear"),
        ("scheduler", "torch.optim.SGD"),
        ("task.loss", "torch.nn.ReLU"),
    ],
)
def test_a_class_of_another_place(key, target):
    config = composed("dataset=cityscapes", "logger=none").copy()
    OmegaConf.update(config, key, {"_target_": target}, merge=False)
    with pytest.raises(UserError, match=rf"^{key}: {target} does not belong there"):
        check_places(config)


def test_an_own_class_has_values_of_its_own():
    config = composed("dataset=cityscapes", "logger=none").copy()
    OmegaConf.update(config, "optimizer", {"_target_": "mine.Optimizer", "lr": "fast"}, merge=False)
    check_places(config)
    check_values(config)


@pytest.mark.parametrize(
    ("key", "value"), [("task.mix.mixup", [0.1]), ("data.fit.resize", "a"), ("backbone.width", {"a": 1}), ("ema", -1)]
)
def test_a_files_configuration_holds_to_the_rules(key, value):
    config = configuration("dataset=folders", task="classify")
    check_stored(config, "sound.ckpt")
    check_stored(OmegaConf.create({"backbone": config.backbone, "wants": config.wants}), "of_before.ckpt")
    OmegaConf.update(config, key, value, merge=False)
    with pytest.raises(UserError, match=rf"odd\.ckpt: {key}=.* is not a "):
        check_stored(config, "odd.ckpt")


def test_a_number_of_hundreds_of_digits_is_outside_its_rule():
    config = configuration("dataset=folders", task="classify")
    OmegaConf.update(config, "optimizer.lr", 10**400)
    with pytest.raises(UserError, match=r"odd\.ckpt: optimizer\.lr=10+ is not "):
        check_stored(config, "odd.ckpt")
    OmegaConf.update(config, "optimizer.lr", 0.1)
    OmegaConf.update(config, "data.own", 10**400, force_add=True)
    with pytest.raises(UserError, match=r"odd\.ckpt: data\.own=10+ is no finite number"):
        check_stored(config, "odd.ckpt")
    config.data.own = 2**40
    check_stored(config, "odd.ckpt")


def test_a_key_has_one_rule():
    assert not run.RULES.keys() & where_present().keys()
    config = configuration("dataset=folders", task="classify")
    for key in ("white", "data.balance", "overwrite"):
        odd = OmegaConf.merge(config, OmegaConf.from_dotlist([f"{key}=-1"]))
        with pytest.raises(UserError, match=rf"odd\.ckpt: {key}=-1 is not"):
            check_stored(odd, "odd.ckpt")


def test_adam_in_float16_needs_a_larger_eps():
    config = composed("dataset=cityscapes", "logger=none").copy()
    OmegaConf.set_struct(config, False)
    config.trainer.precision = "16-true"
    for eps in (None, 1e-8, 1e-6):
        if eps is not None:
            config.optimizer.eps = eps
        with pytest.raises(UserError, match=r"^trainer\.precision=16-true: optimizer\.eps=1e-0[68] is too small"):
            check_values(config)
    config.optimizer.eps = 1e-4
    check_values(config)
    del config.optimizer["eps"]
    config.mode = "evaluate"
    check_values(config)
