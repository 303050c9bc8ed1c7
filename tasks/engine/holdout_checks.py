"""Checks that images held out by `data.holdout` were never trained on."""

from collections.abc import Iterator, Mapping
from typing import Any

from backbones.weight_files import OURS
from tasks.checkpoint.checkpoint import read_ours
from tasks.checkpoint.reading import read_file
from tasks.common.errors import UserError
from tasks.config.tree import Tree, resolved
from tasks.engine.settings import Source

Record = Mapping[str, Any]  # see record_of in tasks/data/loading/holdout.py


def check_same_split(trained: Record | None, here: Record | None, path: str) -> None:
    """Check that a checkpoint's split is that of the data set as it is now; None stands for no split.

    Raises:
        UserError: if share or images differ.
    """
    then, now = (0 if record is None else record["share"] for record in (trained, here))
    if then != now:
        raise UserError(f"data.holdout={now:g}: {path} was trained with {then:g}")
    if trained is not None and here is not None and dict(trained) != dict(here):
        same = trained["images"] == here["images"]
        what = "other names than" if same else f"{here['images']:,} training images, not the {trained['images']:,} as"
        raise UserError(
            f"{path}: the data set has changed, so that held-out images may have been trained on: it has {what} "
            "when the checkpoint was trained"
        )


def check_unseen(source: Source, dataset: Tree, here: Record) -> None:
    """Check that the weights that a training starts from have not seen its held-out images.

    Args:
        dataset: the data set's spec.
        here: the split's record.

    Raises:
        UserError: for a checkpoint of ours that was trained on the same data set with another split.
    """
    for key, path in (("checkpoint", source.checkpoint), ("weights", source.weights)):
        if path is None or not path.endswith(OURS) or "://" in path or "mobilevision" not in read_file(path):
            continue
        metadata = read_ours(path)["mobilevision"]
        theirs = set(folders_of(resolved(metadata["config"])["dataset"]))
        if metadata.get("holdout") != here and theirs & set(folders_of(dataset)):
            raise UserError(
                f"data.holdout={here['share']:g}: {key}={path} was trained on this data set without holding these "
                "images out; leave it out, or train it with the same data.holdout"
            )


def folders_of(dataset: Tree) -> Iterator[tuple[str, str]]:
    """Class and folder of a data set, or of each in a mixture."""
    for spec in (dataset, *(dataset.get("sets") or {}).values()):
        yield str(spec.get("_target_")), str(spec.get("root"))
