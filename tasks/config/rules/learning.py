"""Rules for optimiser, schedule, losses, image mixing, loss balance of several tasks, and distillation.

Applied to keys that are present; the same rules hold for `head` and `task` within tasks.multitask.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from tasks.common.labels import is_number
from tasks.config.rules import (
    FROM_ZERO,
    POSITIVE,
    SHARE,
    SWITCH,
    TEXT,
    Rules,
    ascending,
    either,
    list_of,
    number,
    one_of,
    optional,
    whole,
)

BELOW_ONE = number(0, below=1)
DECAY: dict[str, bool] = {"norms": False, "depthwise": True, "biases": False}  # as in conf/base.yaml
FINETUNE: dict[str, Any] = {  # as in conf/base.yaml: everything learns alike, as before these keys
    "optimizer.backbone": 1.0,
    "optimizer.layer_decay": 1.0,
    "optimizer.towards_start": 0.0,
    "finetune.name": None,
    "finetune.lr": 1.0,
    "finetune.thaw": 0,
    "finetune.warmup": 0.0,
    "finetune.frozen_until": None,
    "finetune.norms": "train",
}
RULES: Rules = {
    "optimizer.lr": POSITIVE,
    "optimizer.batch": whole(1, most=2**20),
    "optimizer.scaling": one_of("linear", "sqrt", "none"),
    "optimizer.backbone": POSITIVE,
    "optimizer.layer_decay": number(above=0, most=1),
    "optimizer.towards_start": FROM_ZERO,
    "finetune": (lambda v: isinstance(v, Mapping), "a section of keys"),
    "finetune.name": optional(TEXT),
    "finetune.lr": POSITIVE,
    "finetune.thaw": either((BELOW_ONE[0], "a share of all steps, from 0 and below 1"), ascending(number(0, below=1))),
    "finetune.warmup": BELOW_ONE,
    "finetune.frozen_until": optional(TEXT),
    "finetune.norms": one_of("train", "keep", "adapt", "reestimate"),
    "optimizer.betas": list_of(BELOW_ONE, 2),
    "optimizer.eps": FROM_ZERO,
    "optimizer.epsilon": POSITIVE,
    "optimizer.alpha": SHARE,
    "optimizer.decay": (
        lambda v: isinstance(v, Mapping) and v.keys() <= DECAY.keys(),
        f"for some of {', '.join(DECAY)} whether they decay",
    ),
    **{f"optimizer.decay.{kind}": either(SWITCH, FROM_ZERO) for kind in DECAY},
    "optimizer.momentum": BELOW_ONE,
    "optimizer.dampening": SHARE,
    "optimizer.weight_decay": FROM_ZERO,
    **{f"optimizer.{name}": optional(SWITCH) for name in ("foreach", "fused", "capturable", "differentiable")},
    **{f"optimizer.{name}": SWITCH for name in ("nesterov", "amsgrad", "maximize", "centered")},
    "scheduler.warmup": either(
        (BELOW_ONE[0], "a share of all steps, from 0 and below 1"),
        (lambda v: is_number(v) and 1 <= v < 2**31 and v == int(v), "a whole number of steps"),
    ),
    "scheduler.warmup_from": optional(number(above=0, most=1)),
    "scheduler.power": POSITIVE,  # below 0 the rate grows without bound
    "scheduler.factor": number(above=0, most=1),  # below 0 the rate becomes negative
    "scheduler.decay": number(above=0, most=1),
    "scheduler.every": POSITIVE,
    "scheduler.epochs": POSITIVE,
    "scheduler.staircase": SWITCH,
    "scheduler.milestones": list_of(number(above=0, below=1)),
    "task.mirror": SWITCH,
    "task.calibrate": SWITCH,
    "task.loss.binary": SWITCH,
    "task.loss.target_threshold": optional(BELOW_ONE),
    "task.boundary": number(0, most=0.1),
    "task.scales": list_of(number(above=0, most=4)),
    "task.evaluator": one_of("mobilevision", "pycocotools"),
    "task.loss.label_smoothing": BELOW_ONE,
    **{f"task.loss.{term}": FROM_ZERO for term in ("cross_entropy", "dice", "lovasz")},
    "task.loss.ohem": number(above=0, most=1),
    "task.loss.ohem_threshold": BELOW_ONE,
    "task.loss.stride": whole(1, most=64),
    "task.loss.balance": SHARE,
    "task.loss.weight": optional(either(list_of(FROM_ZERO), one_of("balanced"))),
    "task.loss.positive_weight": optional(list_of(POSITIVE)),
    "task.threshold": number(above=0, below=1),
    "task.loss.reduction": one_of("mean"),
    "task.loss.threshold": number(above=0, most=1),
    "task.loss.box": one_of("smooth_l1", "giou", "diou", "ciou"),
    "task.loss.box_weight": FROM_ZERO,
    "task.loss.alpha": SHARE,
    "task.loss.gamma": number(1),  # below 1 the gradient is infinite at a loss of 0
    "task.loss.beta": number(1),
    "task.loss.match.alpha": FROM_ZERO,
    "task.loss.match.beta": FROM_ZERO,
    "task.loss.match.topk": whole(1, most=100_000),
    "task.loss.match.claim": SWITCH,
    "task.loss.negatives": FROM_ZERO,
    "task.loss.least_negatives": whole(0),
    "task.mix.mixup": FROM_ZERO,
    "task.mix.cutmix": FROM_ZERO,
    "task.mix.probability": SHARE,
    "task.mix.until": SHARE,
    "task.select.threshold": SHARE,
    "task.select.overlap": SHARE,
    "task.select.per_class": whole(1, most=100_000),
    "task.select.detections": whole(1, most=100_000),
    "balance.alpha": FROM_ZERO,
    "balance.rate": FROM_ZERO,
    "balance.every": whole(1),
    "distill.teacher": optional(TEXT),
    "distill.weights": optional(TEXT),
    "distill.weight": SHARE,
    "distill.temperature": POSITIVE,
}


def of_each_task(names: Iterable[str]) -> Rules:
    """Rules for values that exist once per task."""
    rules = {"loss_weights": FROM_ZERO, "balance.weights": FROM_ZERO, "balance.start": number()}
    return {f"{key}.{name}": rule for key, rule in rules.items() for name in names}
