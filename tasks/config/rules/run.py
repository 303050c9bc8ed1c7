"""Rules for what every command has: the mode, the data's loading, export and benchmark."""

from typing import Any

from omegaconf import DictConfig

from tasks.common.formats import FORMATS, OUTPUTS, PRECISIONS
from tasks.config.rules import (
    FROM_ZERO,
    POSITIVE,
    SIZE,
    SWITCH,
    TEXT,
    Rule,
    Rules,
    either,
    is_list,
    number,
    one_of,
    optional,
    whole,
)

MODES = ("train", "evaluate", "predict", "export", "benchmark", "search")
METRICS = ("mobilevision", "pycocotools")  # of detection
THREADS = 1024


def of_transforms(value: Any) -> bool:
    """Whether a value has for each key settings by name, each of a transform or null."""
    return isinstance(value, DictConfig) and all(
        isinstance(own, DictConfig)
        and all(step is None or (isinstance(step, DictConfig) and "_target_" in step) for step in own.values())
        for own in value.values()
    )


IS_BUILT: Rule = (
    lambda v: v is None or (isinstance(v, DictConfig) and "_target_" in v),
    "a _target_ with its arguments, or null",
)
A_PATH = optional(either(TEXT, whole(0)))  # a folder may be called 2024
RULES: Rules = {  # every command has these keys
    "image_size": optional(SIZE),  # first: others are derived from it
    "mode": one_of(*MODES),
    "seed": whole(0, most=2**32 - 1),  # NumPy's and Lightning's bound
    "ema": optional(number(above=0, below=1)),
    "stop_after": whole(1, optional=True),
    "pictures": whole(0),
    "check": SWITCH,
    "overwrite": SWITCH,
    "confirm": SWITCH,
    "traceback": SWITCH,
    "resume": A_PATH,
    "weights": A_PATH,
    "input": A_PATH,
    "upright": SWITCH,
    "white": optional(number(above=0, below=2**32)),
    "channels_last": SWITCH,
    "cpu.bind_threads": SWITCH,
    "cpu.keep_freed_memory": SWITCH,
    "wants.output_stride": one_of(8, 16, 32),
    "wants.tail": one_of("full", "segmentation", "detection"),
    "wants.skip_strides": one_of(0, 1, 2, 3),
    "data.batch_size": whole(1, most=65_536),
    "data.eval_batch_size": whole(1, most=65_536),
    "data.repeat": whole(1),
    "data.balance": optional(number(0, 1)),  # older checkpoints lack it
    "data.workers": whole(0, optional=True, most=THREADS),
    "data.cache": SWITCH,
    "data.augment": (lambda v: isinstance(v, DictConfig), "transforms by name"),
    "data.draw": (lambda v: v is None or isinstance(v, DictConfig), "a number for each data set of a mixture"),
    "data.own_augment": (lambda v: v is None or of_transforms(v), "transforms by name for data sets by name"),
    "data.max_broken": whole(0),
    "targets": (lambda v: is_list(v) and len(v) > 0, "a list of kinds of labels, such as [boxes]"),
    "runtime.threads": whole(1, optional=True, most=THREADS),
    "export.format": one_of(*FORMATS),
    "export.precision": one_of(*PRECISIONS),
    "export.outputs": one_of(*OUTPUTS),
    "export.batch": either(whole(1, most=4096), one_of("dynamic")),
    "export.size": optional(either(SIZE, one_of("dynamic"))),
    "export.images": whole(1),
    "export.metric": SWITCH,
    "export.gate": one_of("fail", "warn"),
    "export.mixed": SWITCH,
    "export.tolerance": optional(POSITIVE),
    "export.budget": FROM_ZERO,
    "export.calibration": whole(8),
    "benchmark.threads": whole(1, most=THREADS),
    "benchmark.warmup": whole(0, most=10_000),
    "benchmark.seconds": number(above=0, most=86_400),
    "benchmark.photo": either(SIZE, TEXT),
    "benchmark.size": optional(SIZE),
    "benchmark.classes": whole(1, optional=True, most=100_000),
}
WHERE_PRESENT: Rules = {
    "data.crop": IS_BUILT,
    "data.fit": IS_BUILT,
    "batchnorm": optional(one_of("shared", "separate")),
    "saving.minutes": optional(POSITIVE),
}
