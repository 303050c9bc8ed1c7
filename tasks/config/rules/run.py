"""Rules for general keys: mode, seed, data loading, prediction, export, benchmark.

RULES are for keys that every command has; the *_WHERE_PRESENT rules are for keys that only some commands or newer
checkpoints have.
"""

from collections.abc import Mapping
from typing import Any

from tasks.common.cpu import MOST_THREADS
from tasks.common.delegates import FORMAT_OF
from tasks.common.formats import FORMATS, LAYOUTS, OUTPUTS, PRECISIONS
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
    list_of,
    number,
    one_of,
    optional,
    whole,
)

START_METHODS = ("fork", "forkserver", "spawn")  # of multiprocessing, on any system
MODES = ("train", "evaluate", "predict", "export", "benchmark", "search")
METRICS = ("mobilevision", "pycocotools")  # of detection
FITTED = ("image_size", "head.maps", "head.extras", "head.anchors", "data.augment.crop.ratio", "trainer.max_epochs")
LOSSES = ("focal", "quality_focal", "softmax", "varifocal")  # conf/loss
ROUNDED = ("onnx", "openvino", "litert")  # formats whose rounding a training can imitate


def of_transforms(value: Any) -> bool:
    """Whether a value maps each key to named transforms, each with settings or null."""
    return isinstance(value, Mapping) and all(
        isinstance(own, Mapping)
        and all(step is None or (isinstance(step, Mapping) and "_target_" in step) for step in own.values())
        for own in value.values()
    )


IS_BUILT: Rule = (
    lambda v: v is None or (isinstance(v, Mapping) and "_target_" in v),
    "a _target_ with its arguments, or null",
)
PATH = either(TEXT, whole(0))  # a folder may be called 2024
A_FOLDER: Rule = (lambda v: PATH[0](v) and "://" not in str(v), "a folder of this machine's")
A_PATH = optional(PATH)
PATHS = optional(either(PATH, list_of(PATH)))
# Keys that every command has, by the package that uses them:
RUN: Rules = {
    "mode": one_of(*MODES),
    "seed": whole(0, most=2**32 - 1),  # NumPy's and Lightning's bound
    "pictures": whole(0),
    "channels_last": SWITCH,
    "checkpoint": PATHS,
    "model": PATHS,
    "resume": A_PATH,
    "weights": A_PATH,
    "confirm": SWITCH,
    "cpu.keep_freed_memory": SWITCH,
}
LEARNING: Rules = {
    "ema": optional(number(above=0, below=1)),
    "stop_after": whole(1, optional=True),
}
NETWORK: Rules = {
    "wants.output_stride": one_of(8, 16, 32),
    "wants.tail": one_of("full", "segmentation", "detection"),
    "wants.skip_strides": one_of(0, 1, 2, 3),
}
DATA: Rules = {
    "image_size": optional(SIZE),  # checked first: others are derived from it
    "white": optional(number(above=0, below=2**32)),
    "data.batch_size": optional(either(whole(1, most=65_536), one_of("auto"))),
    "data.eval_batch_size": whole(1, most=65_536),
    "data.repeat": whole(1),
    "data.workers": whole(0, optional=True, most=MOST_THREADS),
    "data.cache": either(SWITCH, one_of("memory", "disk")),
    "data.augment": (lambda v: isinstance(v, Mapping), "transforms by name"),
    "data.max_broken": whole(0),
    "targets": (lambda v: is_list(v) and len(v) > 0, "a list of kinds of labels, such as [boxes]"),
}
COMMAND: Rules = {
    "check": SWITCH,
    "overwrite": SWITCH,
    "traceback": SWITCH,
    "cpu.bind_threads": SWITCH,
}
PREDICTION: Rules = {
    "input": A_PATH,
    "upright": optional(SWITCH),
    "predict.every": whole(1),
    "predict.frames": whole(1, optional=True),
}
EXPORT: Rules = {
    "runtime.threads": whole(1, optional=True, most=MOST_THREADS),
    "export.format": one_of(*FORMATS),
    "export.precision": one_of(*PRECISIONS),
    "export.outputs": one_of(*OUTPUTS),
    "export.layout": optional(one_of(*LAYOUTS)),
    "export.batch": either(whole(1, most=4096), one_of("dynamic")),
    "export.size": optional(either(SIZE, one_of("dynamic"))),
    "export.images": whole(1),
    "export.metric": SWITCH,
    "export.gate": one_of("fail", "warn"),
    "export.mixed": SWITCH,
    "export.slower": SWITCH,
    "export.tolerance": optional(POSITIVE),
    "export.budget": FROM_ZERO,
    "export.calibration": whole(8),
    "export.rewrite": either(SWITCH, one_of(*FORMAT_OF)),
    "export.page": SWITCH,
    "export.page_runtime": A_PATH,
}
BENCHMARK: Rules = {
    "benchmark.threads": whole(1, most=MOST_THREADS),
    "benchmark.warmup": whole(0, most=10_000),
    "benchmark.seconds": number(above=0, most=86_400),
    "benchmark.photo": either(SIZE, TEXT),
    "benchmark.size": optional(SIZE),
    "benchmark.classes": whole(1, optional=True, most=100_000),
    "benchmark.score": SWITCH,
    "benchmark.rank": optional(TEXT),
    "benchmark.latency": optional(one_of("network", "whole")),
    "device": PATHS,
}
RULES: Rules = RUN | LEARNING | NETWORK | DATA | COMMAND | PREDICTION | EXPORT | BENCHMARK
# Keys of some commands, and keys missing in older checkpoints:
DATA_WHERE_PRESENT: Rules = {
    "data.global_batch": whole(1, optional=True, most=2**20),
    "data.largest_batch": whole(1, optional=True, most=65_536),
    "data.balance": optional(number(0, 1)),
    "data.repeat_factor": optional(number(0, 1)),
    "data.order": one_of("random", "shards"),
    "data.window": whole(1, most=10_000),
    "data.draw": (lambda v: v is None or isinstance(v, Mapping), "a number for each data set of a mixture"),
    "data.own_augment": (lambda v: v is None or of_transforms(v), "transforms by name for data sets by name"),
    "data.crop": IS_BUILT,
    "data.fit": IS_BUILT,
    "data.holdout": number(0, below=1),
    "data.share": number(above=0, most=1),
    "data.start_method": optional(one_of(*START_METHODS)),
    "data.cache_folder": A_FOLDER,
    "data.cache_side": whole(16, optional=True, most=16_384),
    "data.cache_gb": optional(number(above=0)),
    "data.decode": one_of("cpu", "cuda"),
}
BATCH: Rules = {  # checked before the learning rate, which may follow
    key: (DATA | DATA_WHERE_PRESENT)[key] for key in ("data.batch_size", "data.global_batch", "data.largest_batch")
}
QUANTISE: Rules = {
    "quantise": (lambda v: isinstance(v, Mapping), "a section of keys"),
    "quantise.aware": SWITCH,
    "quantise.format": one_of(*ROUNDED),
    "quantise.epochs": whole(1),
    "quantise.images": whole(8),
}
RUN_WHERE_PRESENT: Rules = {
    "batchnorm": optional(one_of("shared", "separate")),
    "saving.minutes": optional(POSITIVE),
    "processes.timeout": POSITIVE,
    "processes.silence": optional(number(2)),
    "processes.port": whole(1, optional=True, most=65_535),
    "log": one_of("quiet", "all"),
    **QUANTISE,
    "metric": one_of(*METRICS),
    "norm_start": one_of("mean", "initial"),
    "compile": either(SWITCH, one_of("graphs")),
    "fitted.keys": list_of(one_of(*FITTED), least=0),
    "fitted.pixels": whole(32 * 32, most=2**26),
    "fitted.loss": optional(one_of(*LOSSES)),
}
