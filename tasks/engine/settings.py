"""Typed settings of a run: what is built, trained and scored. Validated on construction, without torch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from backbones.weight_files import OURS, WEIGHTS, published_file
from tasks.common.errors import UserError, check_file
from tasks.common.formats import check_runs_here
from tasks.common.ranks import machines
from tasks.common.task_info import infos
from tasks.config.batch import OF_BATCH, BatchSettings, known_processes
from tasks.config.heads import check_heads, is_multitask
from tasks.config.image_size import check_square
from tasks.config.rules import learning, networks, run, trainer
from tasks.config.rules.compiling import check_compile
from tasks.config.rules.decoding import check_decode
from tasks.config.rules.places import check_places
from tasks.config.rules.values import check_finite, check_half, check_instead, check_values
from tasks.config.tree import Spec, Tree, need, resolved, select, spec_of
from tasks.data.loading.settings import DataSettings
from tasks.engine.finetune import OF_OPTIMIZER, Finetune, check_finetune
from tasks.engine.loggers.needs import check_logger
from tasks.engine.rounding.settings import RoundingSettings, check_rounding

BUILT = ("trainer", "dataset", "backbone", "optimizer", "scheduler")


@dataclass(frozen=True)
class Source:
    """Where weights come from. At most one is set, except that `model` may have a `checkpoint` to compare with.

    Attributes:
        checkpoint: one of our checkpoints, to start from, score or predict with.
        resume: one of our checkpoints, of the run to resume.
        weights: by name (torchvision's, timm:…, hf://…), or a file.
        model: an exported file.
    """

    checkpoint: str | None = None
    resume: str | None = None
    weights: str | None = None
    model: str | None = None

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read from a complete configuration. Lists of files, which mode=benchmark allows, are ignored.

        Raises:
            UserError: for a meaningless combination, or a checkpoint that does not exist.
        """
        mode = tree["mode"]
        for key in ("checkpoint", "model"):
            if isinstance(tree[key], list) and mode != "benchmark":
                raise UserError(f"{key}={tree[key]}: several files are for mode=benchmark")
        given = {key: tree[key] for key in ("checkpoint", "resume", "weights", "model") if tree[key] is not None}
        for key in given.keys() & {"checkpoint", "weights"}:
            if not isinstance(given[key], list):
                given[key] = str(published_file(Path(str(given[key]))) if "://" not in str(given[key]) else given[key])
        if mode in ("evaluate", "predict", "export") and not given.keys() & {"checkpoint", "model"}:
            if "weights" not in given:
                raise UserError(f"mode={mode} needs checkpoint=<file.ckpt>, or weights=<of a whole network>")
            if is_multitask(tree):
                raise UserError(
                    f"mode={mode} of several heads needs checkpoint=<file.ckpt>: weights=… knows one at most"
                )
        if "checkpoint" in given and "weights" in given:
            raise UserError("checkpoint=… and weights=… both say where the weights come from; leave one out")
        if "resume" in given and mode != "train":
            raise UserError("resume=… continues a training; use checkpoint=… to evaluate or predict")
        if "resume" in given and given.keys() & {"checkpoint", "weights"}:
            raise UserError("resume=… brings its own weights; leave out checkpoint=… and weights=…")
        for key in ("checkpoint", "resume"):
            value = given.get(key)
            for path in value if isinstance(value, list) else [value]:
                if path is not None:
                    check_file(key, str(path))
        models = given.get("model", [])
        for path in models if isinstance(models, list) else [models]:
            check_runs_here(Path(str(path)))
        weights = str(given.get("weights", ""))
        if weights.endswith(WEIGHTS) and "://" not in weights:
            check_file("weights", weights)
        return cls(**{key: str(value) for key, value in given.items() if not isinstance(value, list)})


@dataclass(frozen=True)
class HeadSettings:
    """Specs of a head and its task, and whether its weights are frozen."""

    head: Spec
    task: Spec
    frozen: bool = False


@dataclass(frozen=True)
class LearnerSettings:
    """Everything a Learner is built from.

    Attributes:
        backbone: its spec, without `frozen`.
        frozen: whether the backbone's weights are frozen.
        heads: by name; the head of a single-task run is named "".
        balance: of the losses of several heads; None for one head.
        decay: which parameters decay, see engine/weight_decay.py; empty in configurations of before.
        finetune: how fast the parts learn, and when they start to.
        datasets: names of the data sets of a mixture.
        separate_statistics: whether batch normalisation keeps statistics per data set of a mixture.
        confirmed: whether the network may be disproportionately large.
        rounding: of quantisation-aware training; None for none.
    """

    backbone: Spec
    frozen: bool
    heads: Mapping[str, HeadSettings]
    balance: Spec | None
    optimizer: Spec
    decay: Mapping[str, bool | float]
    finetune: Finetune
    scheduler: Spec
    datasets: Sequence[str]
    separate_statistics: bool
    channels_last: bool
    confirmed: bool
    rounding: RoundingSettings | None = None

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read from a complete, resolved configuration, including one stored in a checkpoint.

        Raises:
            UserError: for a value that violates its rule, or if there is nothing to build.
        """
        check_values(tree, {}, run.NETWORK | run.RUN_WHERE_PRESENT | run.BATCH | networks.RULES)
        check_values(tree, {}, learning.RULES | learning.of_each_task(infos()))
        backbone = spec_of(tree, "backbone")
        optimizer, decay = split_optimizer(spec_of(tree, "optimizer"))
        if (batch := BatchSettings.of(tree)).lr is not None:
            optimizer = {**optimizer, "lr": batch.lr * batch.factor}
        return cls(
            backbone={key: value for key, value in backbone.items() if key != "frozen"},
            frozen=bool(backbone.get("frozen")),
            heads=heads_of(tree),
            balance=balance_of(tree) if is_multitask(tree) else None,
            optimizer=optimizer,
            decay=decay,
            finetune=Finetune.of(tree),
            scheduler=spec_of(tree, "scheduler"),
            datasets=list(tree.get("datasets") or ()),
            separate_statistics=tree.get("batchnorm") == "separate",
            channels_last=tree["channels_last"],
            confirmed=tree["confirm"],
            rounding=RoundingSettings.of(tree),
        )

    @property
    def names_of_frozen(self) -> list[str]:
        """Names of the frozen heads, and "backbone" if it is frozen."""
        heads = [name for name, part in self.heads.items() if part.frozen]
        return heads + (["backbone"] if self.frozen else [])


def split_optimizer(spec: Spec) -> tuple[Spec, Mapping[str, bool | float]]:
    """An optimiser's own arguments, and which parameters decay. A `decay` that is a number is an argument."""
    decay = spec.get("decay")
    kinds = decay if isinstance(decay, Mapping) else {}
    ours = (*OF_OPTIMIZER, *OF_BATCH, *(["decay"] if isinstance(decay, Mapping) else []))
    return {key: value for key, value in spec.items() if key not in ours}, kinds


def balance_of(tree: Tree) -> Spec:
    """How the losses of several heads are combined; fixed weights of plug-in tasks come from `loss_weights`."""
    spec = spec_of(tree, "balance")
    weights = spec.get("weights")
    if not isinstance(weights, Mapping):
        return spec
    known = {name: weight for name, weight in (tree.get("loss_weights") or {}).items() if name in infos()}
    return {**spec, "weights": {**known, **weights}}


def heads_of(tree: Tree) -> dict[str, HeadSettings]:
    """Settings of each head; of all known heads if the list is not resolved yet."""
    if not is_multitask(tree):
        return {"": HeadSettings(spec_of(tree, "head"), spec_of(tree, "task"))}
    names = infos() if tree["heads"] is None else tree["heads"]
    return {
        name: HeadSettings(spec_of(tree, f"{name}.head"), spec_of(tree, f"{name}.task"), tree[name]["frozen"])
        for name in names
    }


@dataclass(frozen=True)
class DistillationSettings:
    """A teacher, and how strongly the student learns from it."""

    teacher: str
    weights: str | None
    weight: float
    temperature: float

    @classmethod
    def of(cls, tree: Tree) -> Self | None:
        """Read from a complete configuration; None without a teacher.

        Raises:
            UserError: if there are several heads, if the teacher is a .ckpt that does not exist (checked only for
                training), or if it is a .ckpt and `distill.weights` is set too.
        """
        if select(tree, "distill.teacher") is None:
            return None
        if is_multitask(tree):
            raise UserError(
                f"distill.teacher={tree['distill']['teacher']}: a teacher is for one task, not for several heads"
            )
        own = cls(
            teacher=str(tree["distill"]["teacher"]),
            weights=select(tree, "distill.weights"),
            weight=need(tree, "distill.weight"),
            temperature=need(tree, "distill.temperature"),
        )
        if own.teacher.endswith(OURS):
            if own.weights is not None:
                raise UserError(
                    "distill.weights=… is for torchvision's networks; distill.teacher=<file.ckpt> brings its own"
                )
            if tree["mode"] == "train":  # in other modes it may be gone
                check_file("distill.teacher", own.teacher)
        return own


@dataclass(frozen=True)
class TrainerSettings:
    """The trainer's spec, and the arguments that our code reads.

    Attributes:
        spec: with all arguments.
        logger: None for no logger.
        minutes: that a process waits for the others.
    """

    spec: Spec
    logger: Spec | None
    accelerator: str
    max_epochs: int
    check_every: int
    sync_batchnorm: bool
    minutes: float = 30.0

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read from a complete, resolved configuration.

        Raises:
            UserError: for a value that violates its rule, a trainer argument that another key of ours replaces, or a
                logger whose package is missing.
        """
        check_values(tree, {}, trainer.RULES)
        check_instead(tree)
        if tree["mode"] == "train":
            check_logger(tree)
        spec = as_launched(spec_of(tree, "trainer"))
        return cls(
            spec=spec,
            logger=tree.get("logger"),
            accelerator=need(tree, "trainer.accelerator"),
            max_epochs=need(tree, "trainer.max_epochs"),
            check_every=need(tree, "trainer.check_val_every_n_epoch"),
            sync_batchnorm=need(tree, "trainer.sync_batchnorm"),
            minutes=select(tree, "processes.timeout") or 30.0,
        )


def as_launched(spec: Spec) -> Spec:
    """The trainer's spec for the processes that torchrun or SLURM has started, unless devices or machines are typed."""
    started = machines()
    if started is None or math.prod(started) == 1 or (spec.get("devices"), spec.get("num_nodes")) != ("auto", 1):
        return spec
    return {**spec, "num_nodes": started[0], "devices": started[1]}


@dataclass(frozen=True)
class Run:
    """One run of a command: trains, scores, predicts with or exports this network on this data.

    Attributes:
        task: the command: segment, detect, classify, multitask, or the name of a plug-in task.
        mode: train, evaluate, predict, export, benchmark or search.
        seed: of weights, order and augmentation.
        ema: decay of the weights' running average; None for no average.
        start_from_mean: whether batch norm's running statistics begin as the plain mean of all batches.
        stop_after: number of epochs after which training ends as if interrupted; None to finish.
        compiled: whether training steps are compiled: False, True or "graphs".
        save_minutes: interval at which last.ckpt is written within an epoch; None for never.
        quiet: whether libraries' reports and those of their warnings that do not apply are not shown.
        pictures: number of validation images drawn at the end.
        upright: whether mode=predict turns photos by their EXIF orientation, as those were that the network was trained
            on; None as long as the data is not opened.
        output_dir: where loggers write.
        stored: the configuration as stored in checkpoints: nested dicts with a few interpolations left.
    """

    task: str
    mode: str
    seed: int
    source: Source
    learner: LearnerSettings
    data: DataSettings
    trainer: TrainerSettings
    distillation: DistillationSettings | None
    ema: float | None
    start_from_mean: bool
    compiled: bool | str
    stop_after: int | None
    save_minutes: float | None
    quiet: bool
    pictures: int
    keep_freed_memory: bool
    upright: bool | None
    output_dir: str
    stored: Mapping[str, Any]

    @property
    def trains(self) -> bool:
        """Whether it trains as mode=train does, as the trials of search=recipe do too."""
        return self.mode == "train" or (self.mode == "search" and select(self.stored, "search.kind") == "recipe")

    @classmethod
    def of(cls, task: str, tree: Tree, output_dir: object = "") -> Self:
        """Read from a complete configuration in its stored form.

        Args:
            output_dir: where loggers write.

        Raises:
            UserError: for a value that violates its rule, a class in the wrong place, a meaningless combination, or a
                file that does not exist.
        """
        whole = resolved(tree, output_dir)
        parts = [f"{name}." for name in infos()] if is_multitask(whole) else [""]
        for key in (*BUILT, *(f"{part}{key}" for part in parts for key in ("head", "task"))):
            spec_of(whole, key)
        check_places(whole)
        check_values(whole, run.RUN | run.LEARNING, {})
        check_half(whole)
        check_rounding(whole)
        check_finetune(whole)
        check_heads(whole)
        settings = cls(
            task=task,
            mode=whole["mode"],
            seed=whole["seed"],
            trainer=TrainerSettings.of(whole),
            learner=LearnerSettings.of(whole),
            data=DataSettings.of(whole),
            source=Source.of(whole),
            distillation=DistillationSettings.of(whole),
            ema=whole["ema"],
            start_from_mean=whole.get("norm_start", "mean") == "mean",
            compiled=whole.get("compile", False),
            stop_after=whole["stop_after"],
            save_minutes=select(whole, "saving.minutes"),
            quiet=whole.get("log", "quiet") == "quiet",
            pictures=whole["pictures"],
            keep_freed_memory=whole["cpu"]["keep_freed_memory"],
            upright=whole.get("upright"),
            output_dir=str(output_dir),
            stored=tree,
        )
        check_square(tree)
        check_finite(whole)
        if settings.trains:
            check_compile(whole)
            check_decode(whole)
        if settings.mode == "train" and settings.source.resume is None:  # what resumes has its batch in the checkpoint
            settings.data.batch.plan(known_processes(whole) or 1)
        return settings

    def changed(self, **keys: Any) -> Self:
        """Copy with other values for top-level keys of the configuration, validated again."""
        return type(self).of(self.task, {**self.stored, **keys}, self.output_dir)
