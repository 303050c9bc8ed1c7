"""Which keys of dataset=folders read the class folders that are there."""

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from tasks.data.files.walk import folders_in, images_in, is_image, is_of_data

TRAIN = ("train", "training", "trn", "tr")
VAL = ("val", "valid", "validation", "dev", "eval")
TEST = ("test", "testing", "tst")


def named_as_split(name: str) -> bool:
    """Whether a folder has the name of a split, in any case."""
    return name.lower() in (*TRAIN, *VAL, *TEST)


def role_of(name: str) -> str:
    """train, val or test if a word of a folder's name is a split's, as in seg_train; '' otherwise."""
    words = re.split(r"[^a-z]+", name.lower())
    roles = {role for role, usual in (("train", TRAIN), ("val", VAL), ("test", TEST)) if any(w in usual for w in words)}
    return roles.pop() if len(roles) == 1 else ""


def has_image(folder: Path) -> bool:
    """Whether an image lies in a folder or below it."""
    for _, folders, names in os.walk(folder):
        folders[:] = filter(is_of_data, folders)
        if any(map(is_image, names)):
            return True
    return False


def below_wrappers(folder: Path) -> Path:
    """The folder itself, or the one below it that alone has images, and has them in folders of its own."""
    while not images_in(folder):
        inner = [name for name in folders_in(folder) if has_image(folder / name)]
        if len(inner) != 1 or not folders_in(folder / inner[0]):
            break
        folder = folder / inner[0]
    return folder


def misread(folder: Path, names: Sequence[str]) -> str:
    """The keys that read what lies in `folder`, if its folders are no classes but what holds them; '' otherwise.

    They are not if one alone has images, in folders of its own (PetImages/Cat), or if they are splits by their names
    (seg_train/seg_train/sea).
    """
    if any(images_in(folder / name) for name in names):
        return ""
    return by_words(folder, names) or wrapped(folder)


def by_words(folder: Path, names: Iterable[str]) -> str:
    """The keys for folders whose names hold the words of splits; '' if there is none to train on or none to score."""
    places = places_by_words(folder, names)
    val = places.get("val") or places.get("test")
    return f"dataset.train_split={places['train']} dataset.val_split={val}" if "train" in places and val else ""


def places_by_words(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Paths of folders whose names hold the words of splits, by role; seg_train/seg_train where one wraps another."""
    by_role = {role: name for name in names if (role := role_of(name))}
    return {role: below_wrappers(folder / name).relative_to(folder).as_posix() for role, name in by_role.items()}


def wrapped(folder: Path, train_split: str = "train") -> str:
    """The keys for class folders that lie deeper, in the only folder with images; '' if there are none."""
    place = below_wrappers(folder)
    if place == folder or len(folders_in(place)) < 2:
        return ""
    keys = advice(place, train_split)
    return f"dataset.root={place}{f' {keys}' if keys else ''}"


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
    return (by_words(root, names) or wrapped(root, train_split)) if names else ""


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
