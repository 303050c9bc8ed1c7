"""Values that cannot be meant are refused from the configuration alone."""

from functools import cache

import pytest

from tasks.common.errors import UserError
from tasks.config.rules import meant, number, one_of, optional, run, whole
from tasks.config.rules.values import check_stored, where_present
from tasks.config.tree import put, resolved
from tasks.engine.settings import Run
from tests.test_config import tree_of

DATA = {"segment": "cityscapes", "classify": "folders", "detect": "coco", "multitask": "streets"}
composed = cache(tree_of)
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
        "scheduler.warmup": (*NO_NUMBERS, 1.5, 2**31),
        "scheduler.warmup_from": (0, -0.1, 1.5, "x", True, float("nan")),
        "scheduler.staircase": ("x", 1, None),
        "optimizer.decay": (0.9, None, {"norm": True}),
        "optimizer.decay.depthwise": ("x", None, -1e-5, [True]),
        "backbone.width": (*NO_NUMBERS, 0),
        "backbone.norm_momentum": (5, 0, -1, "x", float("nan"), True),
        "task.loss.label_smoothing": (*NO_NUMBERS, 1),
        "task.loss.dice": NO_NUMBERS,
        "task.loss.lovasz": NO_NUMBERS,
        "task.loss.cross_entropy": NO_NUMBERS,
        "task.loss.ohem": (*NO_NUMBERS, 0, 1.5),
        "task.loss.ohem_threshold": (*NO_NUMBERS, 1),
        "task.mirror": ("x", 1, None),
        "task.boundary": (*NO_NUMBERS, 0.2),
        "task.scales": ([], 1.0, [0], [5], ["x"], None),
        "data.batch_size": (0, -1, 1.5, "x", True, 10**9),
        "data.global_batch": (0, -1, 1.5, "x", True, "auto", 10**9),
        "data.largest_batch": (0, -1, 1.5, "x", True, "auto"),
        "optimizer.batch": (0, -1, 1.5, "x", True, None),
        "optimizer.scaling": ("x", None, 1),
        "data.workers": (-1, "x", 10**6),
        "data.start_method": ("thread", 1),
        "data.cache": ("ram", 1, None),
        "data.cache_folder": (True, None, [1], "s3://bucket/cache"),
        "data.cache_side": (0, "x", 10**6, 1.5),
        "data.cache_gb": (0, -1, "x", float("inf")),
        "data.decode": ("gpu", True, None),
        "dataset.labels": ("x", 1),
        "dataset.train_split": ("val",),
        "distill.weight": (*NO_NUMBERS, 1.1),
        "distill.temperature": (*NO_NUMBERS, 0),
        "channels_last": ("x", 1, None),
        "compile": ("x", 1, None, "inductor"),
        "log": ("loud", None, True),
        "ema": (0, 1, -1, "x", True, float("nan")),
        "norm_start": ("x", 1, None, True),
    },
    ("segment", "scheduler=poly"): {"scheduler.power": (*NO_NUMBERS, -3, 0)},
    ("segment", "scheduler=step"): {"scheduler.factor": (*NO_NUMBERS, -0.1), "scheduler.milestones": ([30], 0.5, "x")},
    ("segment", "scheduler=exponential"): {"scheduler.decay": NO_NUMBERS, "scheduler.every": NO_NUMBERS},
    ("segment", "optimizer=sgd"): {"optimizer.momentum": (*NO_NUMBERS, 1), "optimizer.nesterov": ("x", 1)},
    ("classify",): {
        "task.mirror": ("x", 1, None),
        "task.calibrate": ("x", 1, None),
        "task.loss.binary": ("x", 1, None),
        "task.loss.target_threshold": ("x", True, 1, -0.1),
        "task.mix.cutmix": NO_NUMBERS,
        "task.mix.mixup": NO_NUMBERS,
        "head.dropout": (*NO_NUMBERS, 1),
    },
    ("detect",): {
        "image_size": (320, [320], [0, 320], [320.0, 320.0], ["a", 1], [True, True], [10**6, 1], {"a": 1}),
        "fitted.keys": ("image_size", None, ["head"], [1]),
        "fitted.pixels": (*NO_NUMBERS, 1023),
        "fitted.loss": ("mse", 1),
        "head.anchors.smallest": (*NO_NUMBERS, 0),
        "head.anchors.scales": ([0], [-1], [float("nan")], 0.5, "x"),
        "head.extras": ([1], [-1], None, "x", [1.5], [True]),
        "task.loss.negatives": NO_NUMBERS,
        "task.loss.box_weight": NO_NUMBERS,
        "task.select.overlap": (*NO_NUMBERS, 2),
    },
    ("detect", "loss=quality_focal", "match=task_aligned"): {
        "task.loss.box": ("eiou", 1, None),
        "task.loss.beta": (*NO_NUMBERS, 0.5),
        "task.loss.match.alpha": NO_NUMBERS,
        "task.loss.match.beta": NO_NUMBERS,
        "task.loss.match.topk": (*NO_NUMBERS, 0, 1.5),
        "task.loss.match.claim": ("x", 1, None),
    },
    ("multitask", "balance=fixed"): {"balance.weights.segment": NO_NUMBERS, "detect.task.select.threshold": NO_NUMBERS},
    ("multitask", "balance=uncertainty"): {"balance.start.detect": (float("inf"), "x", None)},
}


@pytest.mark.parametrize("choices", WRONG)
def test_values_that_cannot_be_meant(choices):
    task, *groups = choices
    for key, values in WRONG[choices].items():
        for value in values:
            tree = put(composed(*groups, f"dataset={DATA[task]}", "logger=none", task=task), key, value)
            with pytest.raises(UserError, match=rf"^(image_size|dataset\.val_split|{key})="):
                Run.of(task, tree)


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
    tree = put(composed("dataset=cityscapes", "logger=none"), key, {"_target_": target})
    with pytest.raises(UserError, match=rf"^{key}: {target} does not belong there"):
        Run.of("segment", tree)


def test_an_own_class_has_values_of_its_own():
    own = {"_target_": "mine.Optimizer", "lr": "fast"}
    Run.of("segment", put(composed("dataset=cityscapes", "logger=none"), "optimizer", own))


@pytest.mark.parametrize(
    ("key", "value"), [("task.mix.mixup", [0.1]), ("data.fit.resize", "a"), ("backbone.width", {"a": 1}), ("ema", -1)]
)
def test_a_files_configuration_holds_to_the_rules(key, value):
    tree = resolved(tree_of("dataset=folders", task="classify"))
    check_stored(tree, "sound.ckpt")
    check_stored({"backbone": tree["backbone"], "wants": tree["wants"]}, "of_before.ckpt")
    with pytest.raises(UserError, match=rf"odd\.ckpt: {key}=.* is not a "):
        check_stored(put(tree, key, value), "odd.ckpt")


def test_a_files_configuration_with_an_unknown_key_of_the_data_names_the_closest():
    """As a file of a newer version may have; a typed one is refused before."""
    with pytest.raises(UserError, match=r"^data\.windw: no such key \(did you mean window\?\); there are global_batch"):
        Run.of("segment", put(resolved(tree_of("dataset=cityscapes")), "data.windw", 3))


def test_a_number_of_hundreds_of_digits_is_outside_its_rule():
    tree = resolved(tree_of("dataset=folders", task="classify"))
    with pytest.raises(UserError, match=r"odd\.ckpt: optimizer\.lr=10+ is not "):
        check_stored(put(tree, "optimizer.lr", 10**400), "odd.ckpt")
    with pytest.raises(UserError, match=r"odd\.ckpt: data\.own=10+ is not finite"):
        check_stored(put(tree, "data.own", 10**400), "odd.ckpt")
    check_stored(put(tree, "data.own", 2**40), "odd.ckpt")


def test_a_key_has_one_rule():
    assert not run.RULES.keys() & where_present().keys()
    tree = resolved(tree_of("dataset=folders", task="classify"))
    for key in ("white", "data.balance", "overwrite"):
        with pytest.raises(UserError, match=rf"odd\.ckpt: {key}=-1 is not"):
            check_stored(put(tree, key, -1), "odd.ckpt")


def test_adam_in_float16_needs_a_larger_eps():
    tree = put(composed("dataset=cityscapes", "logger=none"), "trainer.precision", "16-true")
    for odd in (tree, put(tree, "optimizer.eps", 1e-8), put(tree, "optimizer.eps", 1e-6)):
        with pytest.raises(UserError, match=r"^trainer\.precision=16-true: optimizer\.eps=1e-0[68] is too small"):
            Run.of("segment", odd)
    Run.of("segment", put(tree, "optimizer.eps", 1e-4))
    Run.of("segment", tree | {"mode": "evaluate", "weights": "any"})


@pytest.mark.parametrize(
    ("value", "rule", "told"),
    [
        ("cormel", one_of("onnx", "coreml", None), " (did you mean coreml?)"),
        ("dynamc", run.EXPORT["export.batch"], " (did you mean dynamic?)"),
        ("whole", optional(whole(1)), ""),  # a word of the description, no value
        (0.5, number(1), ""),
    ],
)
def test_a_value_close_to_one_that_its_rule_names(value, rule, told):
    assert meant(value, rule) == told
