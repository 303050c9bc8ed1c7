"""Keys that take effect only with certain values of other keys: typed without these, they are refused.

A key of conf/ that needs another one stands in NEEDS, with its condition (conditions.py); one that takes effect by
itself in ALONE of tests/tasks/config/test_needs.py. One that trainings alone read is also in OF_TRAINING.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from tasks.common.task_info import infos
from tasks.config.conditions import Term, alternatives, holds, is_set, shown, terms
from tasks.config.tree import Tree, select

DISK, VAL_SHARE, TEACHER = "data.cache=disk", "dataset.val.share=…", "distill.teacher=…"
EXPORTED = "mode=export or search.kind=candidates"
COMPARED = "mode=export or mode=evaluate and model=… and checkpoint=…"  # a file with its checkpoint
MEASURED = "target.latency=… or search.kind=latency"
MASKS = "targets=…mask…"
NEEDS = {
    # of a mode
    "input": "mode=predict",
    "predict.every": "mode=predict",
    "predict.frames": "mode=predict",
    "runtime.threads": "mode=evaluate|predict and model=…",
    **{f"export.{name}": EXPORTED for name in ("format", "outputs", "precision", "layout")},
    **{f"export.{name}": "mode=export" for name in ("batch", "size", "rewrite", "page")},
    **{f"export.{name}": COMPARED for name in ("images", "metric", "gate", "tolerance")},
    "export.budget": "mode=export and export.precision=int8 or mode=export and export.precision=fp16|bf16 and "
    "export.metric=true or mode=evaluate and model=… and checkpoint=…",
    **{
        f"export.{name}": "mode=export and export.precision=int8 or search.kind=candidates"
        for name in ("calibration", "mixed", "slower")
    },
    "export.page_runtime": "mode=export and export.page=true",
    **{
        f"benchmark.{name}": "mode=benchmark"
        for name in ("threads", "warmup", "seconds", "photo", "size", "score", "rank", "latency")
    },
    "benchmark.classes": "mode=benchmark and checkpoint=null and model=null",
    # of the data
    "data.window": "data.order=shards",
    "data.cache_folder": DISK,
    "data.cache_side": DISK,
    "data.cache_gb": DISK,
    "data.largest_batch": "data.batch_size=null",
    "data.start_method": "data.workers!=0",
    "dataset.cache": "dataset.root=…://…",
    "dataset.cache_gb": "dataset.root=…://…",
    "dataset.val.seed": VAL_SHARE,
    "dataset.val.group": VAL_SHARE,
    "dataset.val_split": "dataset.val.share=null",
    "dataset.val.images": "dataset.val.table=… or dataset.val.annotations=…",
    "dataset.background": MASKS,
    "dataset.merge": "targets=…multilabel…",
    # of a training
    "optimizer.scaling": "data.global_batch=…",
    "scheduler.warmup_from": "scheduler.warmup=…",
    "trainer.gradient_clip_algorithm": "trainer.gradient_clip_val=…",
    "processes.port": "processes.silence=…",
    "budget.params": "mode=train",
    "budget.madds": "mode=train or search.kind=recipe",
    "budget.latency_ms": "mode=train or search.kind=recipe",
    "distill.weights": TEACHER,
    "distill.weight": TEACHER,
    "distill.temperature": TEACHER,
    "quantise.format": "quantise.aware=true",
    "quantise.epochs": "quantise.aware=true",
    "quantise.images": "quantise.aware=true",
    "fitted.pixels": "fitted.keys=…image_size…",
    "finetune.warmup": "finetune.thaw=…",
    # of a head and its task
    "head.pool_stride": "head.pool_kernel=…",
    "head.anchors.smallest": "head.anchors.scales=null",
    "head.anchors.largest": "head.anchors.scales=null",
    "task.loss.threshold": "task.loss.match=null or task.loss.match._target_=tasks.detect.matchers.ByIoU",
    "task.loss.ohem_threshold": "task.loss.ohem!=1",
    "task.loss.target_threshold": "task.loss.binary=true",
    "task.mix.probability": "task.mix.mixup=… or task.mix.cutmix=…",
    "task.mix.until": "task.mix.mixup=… or task.mix.cutmix=…",
    # of a search
    **{f"latency.{name}": MEASURED for name in ("runtime", "precision")},
    "latency.threads": f"{MEASURED} or search.kind=candidates",
    **{
        f"latency.{name}": "target.latency=… and latency.device=null or search.kind=latency"
        for name in ("table", "other_machine", "seconds")
    },
    "search.exponent": "search.objective=product",
    "search.prune_after": "search.objective=product",
    "search.holdout": "search.kind=blocks or data.holdout=0",
    "search.minutes": "search.kind=recipe or search.widths=… or search.longer=true",
}
SAID = {  # how a message says a term that nobody types as it stands
    "mode=train": "a training by itself",
    "dataset.root=…://…": "an address as dataset.root (https://…, s3://…)",
    "search.kind=candidates": "search=candidates",
    "search.kind=latency": "search=latency",
    "search.kind=blocks": "search=blocks",
    "search.kind=recipe": "search=recipe",
    "targets=…mask…": "a head that learns from label maps",
    "targets=…multilabel…": "tasks.multilabel",
    "task.loss.match._target_=tasks.detect.matchers.ByIoU": "match=iou",
}
OF_TRAINING = (  # keys and sections that only trainings read; in another mode a line names them, and nothing is refused
    *("optimizer", "scheduler", "finetune", "fitted", "distill", "quantise", "budget", "balance", "loss_weights"),
    *("compile", "norm_start", "stop_after", "saving"),
    *(f"data.{name}" for name in ("repeat", "balance", "repeat_factor", "draw", "order", "window", "decode")),
    *(f"data.{name}" for name in ("augment", "own_augment", "crop", "progressive", "scales")),
    *(f"trainer.{name}" for name in ("max_epochs", "accumulate_grad_batches", "gradient_clip_val")),
    *(f"trainer.{name}" for name in ("check_val_every_n_epoch", "limit_train_batches", "num_sanity_val_steps")),
)


def idle(tree: Tree, typed: Iterable[str], only: Iterable[str] = ()) -> Iterator[str]:
    """A line for each typed key without effect. A key that is null, false, 0, none or empty asks for nothing.

    Args:
        only: sections of the keys that may be known so far; by default all are.
    """
    known = tuple(only)
    for key in sorted(typed):
        value = select(tree, key)
        if isinstance(value, Mapping) or not is_set(value) or is_of_training(tree, key):
            continue
        need = need_of(key)
        if known and not all(is_below(term.key, known) for term in terms(need)):
            continue
        if need and not holds(need, tree):
            yield f"{key}={shown(value)} has no effect without {said(need, tree)}"


def unused_here(tree: Tree, typed: Iterable[str]) -> list[str]:
    """A line with the typed keys of a training in another mode, and one with those of heads that are not trained.

    Neither is refused: commands are repeated with another mode, and tasks.multitask.compare trains each head alone.
    """
    keys = [key for key in sorted(typed) if is_set(select(tree, key)) and not isinstance(select(tree, key), Mapping)]
    heads = tree.get("heads")
    lines = []
    if of_training := [key for key in keys if is_of_training(tree, key)]:
        lines.append(f"{', '.join(of_training)}: no effect with mode={tree['mode']}, which does not train")
    if not isinstance(heads, list | tuple):  # one head, or those that the data has labels for
        return lines
    if of_heads := [key for key in keys if head_of(key) not in ("", *heads)]:
        lines.append(f"{', '.join(of_heads)}: no effect with heads={shown(heads)}")
    return lines


def is_of_training(tree: Tree, key: str) -> bool:
    """Whether only trainings read a key, and this mode does not train."""
    return tree["mode"] not in ("train", "search") and is_below(key, OF_TRAINING)


def is_below(key: str, sections: Iterable[str]) -> bool:
    return any(f"{key}.".startswith(f"{section}.") for section in sections)


def need_of(key: str) -> str:
    """The need of a key; '' for none. Heads of tasks.multitask and data sets of a mixture have those of single ones."""
    if need := NEEDS.get(key):
        return need
    section, _, rest = key.partition(".")
    if section in infos():
        return placed(NEEDS.get(rest, ""), rest, section)
    if section == "datasets" and "." in rest:
        name, _, own = rest.partition(".")
        return re.sub(r"\bdataset\.", f"datasets.{name}.", NEEDS.get(f"dataset.{own}", ""))
    return ""


def head_of(key: str) -> str:
    """The head of tasks.multitask that reads a key alone; '' for none."""
    section, _, rest = key.partition(".")
    if section in ("loss_weights", "balance"):
        section = rest.rpartition(".")[2]
    return "detect" if key == "metric" else section if section in infos() else ""


def placed(need: str, key: str, head: str) -> str:
    """The need of a head's key, whose other keys are in the same place."""
    section = key.partition(".")[0]
    return re.sub(rf"\b{section}\.", f"{head}.{section}.", need)


def in_words(term: Term) -> str:
    """A term as a message says it."""
    other = f"{term.key} other than {'|'.join(term.values)}" if term.negated else term.text
    return SAID.get(term.text, other)


def said(need: str, tree: Tree) -> str:
    """What a need lacks, in words. Alternatives of another kind of command are left out, if there are others."""
    other = "mode" if tree["mode"] == "search" else "search.kind"
    here: list[str] = []
    elsewhere: list[str] = []
    for each in alternatives(need):
        lacking = [term for term in each if not term.holds(tree)]
        words = " ".join(map(in_words, lacking))
        (elsewhere if any(term.key == other for term in lacking) else here).append(words)
    return " or ".join(dict.fromkeys(here or elsewhere))
