"""Which keys of dataset=folders read the class folders that are there."""

from collections.abc import Iterable
from pathlib import Path

from tasks.data.files.walk import folders_in, images_in

TRAIN = ("train", "training", "trn", "tr")
VAL = ("val", "valid", "validation", "dev", "eval")
TEST = ("test", "testing", "tst")


def named_as_split(name: str) -> bool:
    """Whether a folder has the name of a split, in any case."""
    return name.lower() in (*TRAIN, *VAL, *TEST)


def advice(root: Path, train_split: str) -> str:
    """The keys that read the class folders at `root`, with what they would mean; '' if there are none.

    Test images are proposed for scoring with a note: they would choose the best checkpoint.
    """
    names = folders_in(root) if root.is_dir() else []
    if train_split in names and not folders_in(root / train_split) and len(names) > 1:
        return f"dataset.train_split=. dataset.val.share=0.2, if {train_split} is a class and not a split"
    if any(map(named_as_split, names)):
        return keys_of(names)
    below = sorted({name for folder in names for name in folders_in(root / folder)})
    if any(map(named_as_split, below)):
        keys = keys_of(below)
        return f"dataset.layout=class_first {keys}" if keys else ""
    if tables := sorted(path.name for path in root.glob("*.csv")) if root.is_dir() else []:
        return f"dataset=table dataset.table={tables[0]}, if it lists the images and their labels"
    if len(names) > 1 and all(images_in(root / name) for name in names):
        return "dataset.val.share=0.2, which draws a fifth of each class to score"
    return ""


def keys_of(names: Iterable[str]) -> str:
    """The keys for folders of splits with these names; '' if none is for training."""

    def first(choices: Iterable[str]) -> str | None:
        return next((name for choice in choices for name in names if name.lower() == choice), None)

    names = list(names)
    train, val, test = first(TRAIN), first(VAL), first(TEST)
    if train is None:
        return ""
    drawn = f"dataset.train_split={train} dataset.val.share=0.2"
    if val is not None:
        return f"dataset.train_split={train} dataset.val_split={val}"
    if test is not None:
        return (
            f"dataset.train_split={train} dataset.val_split={test} (then test images choose the best checkpoint), "
            f"or {drawn}"
        )
    return drawn
