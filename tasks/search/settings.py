"""Settings of each kind of search. Validated on construction, without torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, NamedTuple, Self

from tasks.common.errors import UserError
from tasks.config.amounts import Amount, amount
from tasks.config.heads import is_multitask
from tasks.config.rules.values import check_values
from tasks.config.tree import Tree, arguments
from tasks.deploy.settings import ExportSettings
from tasks.latency.settings import LatencySettings
from tasks.search.rules import COSTS, KINDS, KNOBS


class Target(NamedTuple):
    """The cost that a network is fitted to.

    Attributes:
        name: latency, madds or params.
        amount: the most it may be.
        typed: the amount as typed.
    """

    name: str
    amount: Amount
    typed: str

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read from a complete, resolved configuration.

        Raises:
            UserError: unless there is exactly one target.
        """
        given = targets_of(tree)
        if len(given) != 1:
            what = f"{' and '.join(f'target.{name}' for name in given)} are given" if given else "no target is given"
            raise UserError(f"{what}: say one of target.latency=0.7x, target.madds=60M, target.params=3M")
        ((name, typed),) = given.items()
        found = amount(f"target.{name}", typed, milliseconds=name == "latency", relative=True)
        return cls(name, found, str(typed))


@dataclass(frozen=True)
class ProxySettings:
    """The short trainings by which networks are compared.

    Attributes:
        holdout: fraction of the training images held out for scoring.
        images: largest number of held-out images that are scored.
        subset: fraction of the remaining images that is trained on.
        side: length to which the shorter side of images is reduced, for images with class labels only; None keeps
            their size.
    """

    holdout: float
    images: int
    subset: float
    side: int | None


@dataclass(frozen=True)
class NarrowSettings:
    """search=netadapt.

    Attributes:
        score_on: the images that score proposals: "holdout" for those held out from the seed's training, "validation"
            for half of the validation images.
        images: largest number of these.
        step: fraction of the seed's cost that each step saves at least.
        steps: optimiser steps for each proposal.
        lr: learning rate of these steps, as a fraction of optimizer.lr.
        importance: number of training batches used to estimate the channels' importance.
        widths: width multipliers of the seed to compare with; "equal" for the one of the same cost.
        longer: whether to compare with the seed trained for longer.
        minutes: training time for each of these, including the seed's if it starts from it; None for as long as the
            seed, the search and the last training took together.
        repeats: number of last trainings, and of trainings of each of these, each with another seed.
        workers: number of processes; None for one per core.
    """

    target: Target
    latency: LatencySettings
    score_on: str
    images: int
    step: float
    steps: int
    lr: float
    importance: int
    widths: Sequence[float | str]
    longer: bool
    minutes: float | None
    repeats: int
    workers: int | None

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read from a complete, resolved and validated configuration."""
        if tree["checkpoint"] is None:
            raise UserError("search=netadapt narrows a trained network: checkpoint=<best.ckpt> is missing")
        own = tree["search"]
        return cls(
            target=Target.of(tree),
            latency=LatencySettings.of(tree),
            **arguments(cls, own),
        )


@dataclass(frozen=True)
class BlockSettings:
    """search=blocks.

    Attributes:
        choices: for each stage, by kernel, expansion, excite, act, filters and layers.
        widths: values of `filters` that are tried first.
        objective: product or pareto.
        exponent: of cost / target in the product.
        trials: number of candidates in the whole study.
        epochs: of each candidate's training.
        prune_after: epochs before a candidate below the median of the others is stopped; None trains all to the end.
        study: path of the journal to continue, or URL of a database; None for study.log of this run.
        weights: folder for the weights of the Pareto front; None for one next to the journal.
        workers: number of processes.
    """

    target: Target
    latency: LatencySettings
    proxy: ProxySettings
    choices: Mapping[str, Sequence[Any]]
    widths: Sequence[float]
    objective: str
    exponent: float
    trials: int
    epochs: int
    prune_after: int | None
    study: str | None
    weights: str | None
    workers: int

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read from a complete, resolved and validated configuration."""
        if find_spec("optuna") is None:
            raise UserError('search=blocks needs optuna: pip install "mobilevision[search]"')
        own = tree["search"]
        given = {**arguments(cls, own), "choices": choices_of(tree), "workers": own["workers"] or 1}
        return cls(
            target=Target.of(tree),
            latency=LatencySettings.of(tree),
            proxy=ProxySettings(**arguments(ProxySettings, own)),
            **given,
        )


@dataclass(frozen=True)
class WidthSettings:
    """search=width.

    Attributes:
        narrowest, widest, step: range of the multipliers that are tried.
        sizes: (height, width) of the images; None for the data's own.
    """

    target: Target
    latency: LatencySettings
    narrowest: float
    widest: float
    step: float
    sizes: Sequence[Sequence[int]] | None

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read from a complete, resolved and validated configuration."""
        return cls(target=Target.of(tree), latency=LatencySettings.of(tree), **arguments(cls, tree["search"]))


@dataclass(frozen=True)
class LatencyCheckSettings:
    """search=latency.

    Attributes:
        networks: number of networks compared.
        choices: from which they are made, as in BlockSettings.
    """

    latency: LatencySettings
    networks: int
    choices: Mapping[str, Sequence[Any]]

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read from a complete, resolved and validated configuration."""
        if given := targets_of(tree):
            name, typed = next(iter(given.items()))
            raise UserError(f"target.{name}={typed}: search=latency has no target")
        return cls(latency=LatencySettings.of(tree), networks=tree["search"]["networks"], choices=choices_of(tree))


@dataclass(frozen=True)
class CandidateSettings:
    """search=candidates.

    Attributes:
        export: format, precision and outputs of the files.
        threads: of the device's programs.
        networks: number of random ones.
        widths: values of `filters` that are exported too.
        choices: from which they are made, as in BlockSettings.
    """

    export: ExportSettings
    threads: int
    networks: int
    widths: Sequence[float]
    choices: Mapping[str, Sequence[Any]]

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read from a complete, resolved and validated configuration.

        Raises:
            UserError: for a target, int8, and what the format does not support.
        """
        if given := targets_of(tree):
            name, typed = next(iter(given.items()))
            raise UserError(f"target.{name}={typed}: search=candidates has no target; the search that follows has")
        if tree["export"]["precision"] == "int8":
            raise UserError(
                "export.precision=int8: search=candidates exports networks without training, in fp32 or fp16"
            )
        export = ExportSettings.of({**tree, "mode": "export"})
        if export.batch != 1 or export.size is not None:
            raise UserError(
                "search=candidates exports files of one image of the data's size: leave out export.batch and .size"
            )
        own, threads = tree["search"], tree["latency"]["threads"]
        return cls(export, threads, own["networks"], own["widths"], choices_of(tree))


@dataclass(frozen=True)
class RecipeSettings:
    """search=recipe.

    Attributes:
        minutes: wall clock of the command; None for as long as `trials` take.
        trials: full trainings that the minutes are divided into, at most, or their number; with `study`, the number of
            the whole study's.
        epochs: of each training at the recipe's image size; None for as many as fit into the minutes.
        prune: whether trainings below the others' median end early.
        workers: number of processes.
        holdout: fraction of the training images that score, unless data.holdout keeps some.
        images: largest number of these.
        lr, decay, augment: (lowest, highest) multiple of the recipe's own; None leaves it.
        sizes: multiples of the image size.
        finetune: options of that group; None stands for none of them.
        study: path of the journal to share, or URL of a database; None for trials.log of this run.
    """

    minutes: float | None
    trials: int
    epochs: int | None
    prune: bool
    workers: int
    holdout: float
    images: int
    lr: Sequence[float] | None
    decay: Sequence[float] | None
    augment: Sequence[float] | None
    sizes: Sequence[float] | None
    finetune: Sequence[str | None] | None
    study: str | None

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read from a complete, resolved and validated configuration.

        Raises:
            UserError: without Optuna, or if nothing says how long a training is.
        """
        if find_spec("optuna") is None:
            raise UserError('search=recipe needs optuna: pip install "mobilevision[search]"')
        own = tree["search"]
        if own["minutes"] is None and own["epochs"] is None:
            raise UserError("search.minutes=null: search.epochs=… must say how long each training is")
        return cls(**arguments(cls, own) | {"workers": own["workers"] or 1})


NetworkSearch = NarrowSettings | BlockSettings | WidthSettings | LatencyCheckSettings | CandidateSettings
SearchSettings = NetworkSearch | RecipeSettings
BY_KIND: dict[str, type[SearchSettings]] = {
    "netadapt": NarrowSettings,
    "blocks": BlockSettings,
    "width": WidthSettings,
    "latency": LatencyCheckSettings,
    "candidates": CandidateSettings,
    "recipe": RecipeSettings,
}


def search_settings(tree: Tree) -> SearchSettings:
    """Read from a complete, resolved configuration.

    Raises:
        UserError: for a value that violates its rule, no target or more than one, or several heads.
    """
    if is_multitask(tree):
        raise UserError("a search is for one task: python -m tasks.search task=segment, detect or classify")
    if "search" not in tree:
        raise UserError(f"search=… is missing: one of {', '.join(KINDS)}")
    kind = tree["search"]["kind"]
    if kind not in KINDS:
        raise UserError(f"search.kind={kind}: choose it by search={', '.join(KINDS)}")
    check_values(tree, KINDS[kind], {})
    device = tree["latency"]["device"] if "latency" in tree else None
    if device is not None and (kind != "blocks" or tree["target"]["latency"] is None):
        raise UserError(
            f"latency.device={device}: a device has measured whole networks, which search=blocks target.latency=… "
            "chooses from; other searches make networks that it has not"
        )
    if tree["data"].get("share", 1) != 1:
        share = tree["data"]["share"]
        raise UserError(f"data.share={share:g} is for trainings; a search takes all images: data.share=1")
    return BY_KIND[kind].of(tree)


def targets_of(tree: Tree) -> dict[str, Any]:
    """The given targets, by name."""
    return {name: tree["target"][name] for name in COSTS if tree["target"][name] is not None}


def choices_of(tree: Tree) -> dict[str, list[Any]]:
    """The choices for each stage, see tasks/search/block/space.py."""
    return {knob: list(tree["search"][knob]) for knob in KNOBS}
