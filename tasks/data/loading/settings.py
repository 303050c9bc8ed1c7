"""Settings of the data: which set, how images become batches. Checked on construction, without torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from multiprocessing import get_all_start_methods
from typing import Self

from tasks.common.errors import UserError, suggestion
from tasks.config.batch import BatchSettings
from tasks.config.rules import images
from tasks.config.rules.run import DATA, DATA_WHERE_PRESENT
from tasks.config.rules.values import check_splits, check_values
from tasks.config.targets import targets
from tasks.config.tree import Spec, Tree, select, spec_of

FLOATS = ("ToFloat", "FromFloat", "Normalize", "ToTensorV2", "ToTensor3D")  # albumentations whose result is not uint8


@dataclass(frozen=True)
class DataSettings:
    """The data set and the arguments of DataModule; objects to build are specs.

    Attributes:
        dataset: the data set.
        targets: the kinds of labels to read.
        white: the value of white in images of more than 8 bits per channel; None for what files declare.
        batch: what is said about the images of a step.
        batch_size: images at once in a single process; those of several are planned when they are known.
        augment, own_augment: specs by name, for all data and for single data sets of a mixture.
        holdout: share of the training images that are left out of training.
        share: of the rest that is trained on; see take_share.
    """

    dataset: Spec
    targets: Sequence[str]
    white: float | None
    batch: BatchSettings
    batch_size: int
    eval_batch_size: int
    repeat: int
    workers: int | None
    cache: bool | str
    max_broken: int
    augment: Mapping[str, Spec | None]
    crop: Spec | None = None
    fit: Spec | None = None
    progressive: Sequence[Sequence[float]] | None = None
    balance: float | None = None
    draw: Mapping[str, float] | None = None
    own_augment: Mapping[str, Mapping[str, Spec | None] | None] | None = None
    holdout: float = 0.0
    share: float = 1.0
    scales: Sequence[Sequence[int]] | None = None
    repeat_factor: float | None = None
    order: str = "random"
    window: int = 16
    start_method: str | None = None
    cache_folder: str = "outputs/cache"
    cache_side: int | None = None
    cache_gb: float | None = None
    decode: str = "cpu"

    @classmethod
    def of(cls, tree: Tree) -> Self:
        """Read the settings from a whole resolved configuration.

        Raises:
            UserError: for a value that breaks its rule, or a meaningless combination.
        """
        check_values(tree, DATA, DATA_WHERE_PRESENT | images.RULES)
        if select(tree, "dataset._target_") == "tasks.data.streets.dataset.Streets":
            check_values(tree, images.STREETS, {})
        check_splits(tree)
        check_augment(tree)
        known = {field.name for field in fields(cls)} - {"batch"} | {"global_batch", "largest_batch"}
        if unknown := next((name for name in tree["data"] if name not in known), None):
            names = [name for name in tree["data"] if name in known]
            raise UserError(f"data.{unknown}: no such key{suggestion(unknown, names)}; there are {', '.join(names)}")
        batch = BatchSettings.of(tree)
        given = {key: value for key, value in tree["data"].items() if key not in ("global_batch", "largest_batch")}
        given["cache_folder"] = str(given.get("cache_folder", cls.cache_folder))
        given["batch_size"] = batch.plan(1).size
        settings = cls(
            dataset=spec_of(tree, "dataset"), targets=tree["targets"], white=tree["white"], batch=batch, **given
        )
        if tree.get("datasets") and "sets" not in settings.dataset and not (tree["checkpoint"] or tree["resume"]):
            name = next(iter(tree["datasets"]))
            raise UserError(f"datasets.{name} is for a mixture, which datasets=[…] makes")
        if settings.start_method not in (None, *get_all_start_methods()):
            raise UserError(
                f"data.start_method={settings.start_method}: this system has {', '.join(get_all_start_methods())}"
            )
        if settings.scales and settings.progressive:
            raise UserError("data.scales and data.progressive both decide the size of training images: set one to null")
        if settings.cache_side and settings.cache != "disk":
            raise UserError(f"data.cache_side={settings.cache_side} shrinks what data.cache=disk keeps: set both")
        if settings.balance and settings.repeat_factor:
            raise UserError("data.balance and data.repeat_factor both decide how often images are drawn: set one to 0")
        return settings


def check_augment(tree: Tree) -> None:
    """Raises a UserError for a transform that would make training pixels differ from scored ones."""
    for key in ("augment", "own_augment"):
        for path, target in targets(tree["data"].get(key) or {}):
            if target.startswith("albumentations.") and (name := target.rpartition(".")[2]) in FLOATS:
                raise UserError(
                    f"data.{key}.{path}: {name} would train on other pixels than are scored; networks take uint8 and "
                    "normalise by themselves: leave it out"
                )
