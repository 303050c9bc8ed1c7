"""Where a data set's images and label files are: the usual folders are found, others are named by keys."""

from pathlib import Path
from typing import NamedTuple

from tasks.common.errors import UserError
from tasks.data.datasets.mask_lists import is_list, named
from tasks.data.files.pairs import Pairs, find_template
from tasks.data.files.patterns import ANY, Pattern
from tasks.data.files.split_names import TRAIN, VAL
from tasks.data.files.walk import folders_in, found_in, images_in

IMAGES = ("images", "image", "imgs", "img", "jpegimages", "photos")
MASKS = (
    "masks", "mask", "labels", "label", "annotations", "annotation", "segmentationclass", "segmentations",
    "groundtruth", "ground_truth", "gt",
)  # fmt: skip
BESIDE = ("annot", "_labels", "_masks", "masks", "_mask", "_annot", "labels")  # train with trainannot, train_labels


class Folders(NamedTuple):
    """Patterns of the paths below root, and the splits.

    Attributes:
        images, masks: may hold {split}.
        train, val: texts for {split}, or lists; '' if there is no split.
        splits: those that exist.
        found: what was not given, as key=value.
    """

    root: Path
    images: Pattern
    masks: Pattern
    train: str
    val: str
    splits: list[str]
    found: list[str]

    @property
    def by_class(self) -> bool:
        """Whether there is a label file for each class."""
        return "class" in self.masks.names

    def images_of(self, split: str) -> Pattern:
        return self.images.filled({"split": split})

    def masks_of(self, split: str) -> Pattern:
        return self.masks.filled({"split": split})

    def chosen(self, pairs: Pairs, split: str) -> Pairs:
        """Those pairs that the split's list names; all if it is no list."""
        return named(pairs, self.root / split) if is_list(split) else pairs


def find_folders(
    root: Path,
    images: str | None,
    masks: str | None,
    template: str | None,
    train: str | None,
    val: str | None,
    drawn: bool,
) -> Folders:
    """The patterns and splits of a data set.

    Args:
        root: its folder.
        images, masks, template, train, val: as the user has them; None for what is found.
        drawn: whether validation images are drawn from the training images.

    Raises:
        UserError: if the folder does not tell, with what it has.
    """
    if not root.is_dir():
        raise UserError(f"no data set at {root}: no such folder; set dataset.root=…")
    given = images, masks, template, train, val
    split = train if train and not is_list(train) else usual_split(root, images)
    if images is None and masks is None:
        images, masks = usual_folders(root, split)
    elif images is None or masks is None:
        raise UserError(f"dataset.images={images} and dataset.masks={masks}: set both, or none for the usual folders")
    images, masks = images.rstrip("/") or ".", masks.rstrip("/") or "."
    if "{" not in images and split and not is_list(train or "") and (root / images / split).is_dir():
        both = (root / masks / split).is_dir() and "{" not in masks
        images, masks = f"{images}/{{split}}", f"{masks}/{{split}}" if both else masks
    images = images.removeprefix("./")
    train, val = find_splits(root, images, train, val, split, drawn)
    whole = images if "{stem}" in images else f"{images}/{{stem}}{ANY}".removeprefix("./")
    first = train or val
    if "{stem}" not in masks and "{class}" not in masks:
        if template is None:
            pattern = Pattern(whole, "dataset.images")
            template = find_template(root, pattern, masks, {"split": first} if first else {})
        masks = f"{masks}/{template}".removeprefix("./")
    elif template is not None:
        raise UserError(f"dataset.template={template}: dataset.masks={masks} holds whole paths already")
    said = (images, masks.removesuffix(f"/{template}"), template, train, val)
    names = ("images", "masks", "template", "train_split", "val_split")
    found = [f"dataset.{name}={now}" for name, was, now in zip(names, given, said, strict=True) if now and was != now]
    patterns = Pattern(whole, "dataset.images"), Pattern(masks, "dataset.masks")
    splits = list(dict.fromkeys([train] if drawn else [one for one in (train, val) if exists(root, images, one)]))
    return Folders(root, *patterns, train, val, splits or [train], found)


def exists(root: Path, images: str, split: str) -> bool:
    """Whether a split has a folder or a list."""
    return (root / split).is_file() if is_list(split) else split in splits_in(root, images)


def splits_in(root: Path, images: str) -> list[str]:
    """The texts for {split} for which there is a folder; [] if the pattern has no folder with {split}."""
    *folders, _ = f"{images}/".split("/")
    place = next((k for k, name in enumerate(folders) if "{split}" in name), None)
    before = root.joinpath(*folders[:place])
    if place is None or not before.is_dir():
        return []
    start, _, end = folders[place].partition("{split}")
    names = folders_in(before)
    if "{" in end:  # of another name: any text
        return [name.removeprefix(start) for name in names if name.startswith(start)]
    fit = (name for name in names if name.startswith(start) and name.endswith(end))
    return [name[len(start) : len(name) - len(end)] for name in fit if len(name) > len(start + end)]


def usual_split(root: Path, images: str | None) -> str:
    """The training split's folder of a usual name, in root or in a usual folder; '' for none."""
    if images and "{split}" in images:
        there = splits_in(root, images)
    else:
        places = [images] if images else ["", *(name for name in folders_in(root) if name.lower() in IMAGES)]
        there = [name for place in places if (root / place).is_dir() for name in folders_in(root / place)]
    return next((name for usual in TRAIN for name in there if name.lower() == usual), "")


def usual_folders(root: Path, split: str) -> tuple[str, str]:
    """Patterns of the folders of images and of label files that have usual names.

    Raises:
        UserError: if there are none, or several.
    """
    for place, before in ((root, ""), *([(root / split, "{split}/")] if split else [])):
        names = folders_in(place) if place.is_dir() else []
        images, masks = ([name for name in names if name.lower() in usual] for usual in (IMAGES, MASKS))
        if len(images) == 1 and len(masks) == 1:
            return before + images[0], before + masks[0]
        if len(images) == 1 and len(masks) > 1:
            raise UserError(f"{place} has {', '.join(masks)}: set dataset.images={before}{images[0]} and dataset.masks")
    if split and (root / split).is_dir():
        beside = [end for end in BESIDE if (root / f"{split}{end}").is_dir()]
        if len(beside) == 1:
            return "{split}", f"{{split}}{beside[0]}"
        if not beside and images_in(root / split):
            return "{split}", "{split}"
    if not split and images_in(root):
        return ".", "."
    raise UserError(
        f"no folders of images and of label files in {root} ({found_in(root)}): set dataset.images and dataset.masks, "
        "such as dataset.images=photos/{split} dataset.masks=labels/{split}; dataset=auto looks for equal names"
    )


def find_splits(
    root: Path, images: str, train: str | None, val: str | None, split: str, drawn: bool
) -> tuple[str, str]:
    """Names or lists of the training and the validation split; '' if there is none.

    Raises:
        UserError: for a split that is missing, or if there is none and none is drawn.
    """
    for key, name in (("train_split", train), ("val_split", val)):
        if name and is_list(name) and not (root / name).is_file():
            raise UserError(f"dataset.{key}={name}: no such file in {root}")
        if name and not is_list(name) and "{split}" not in images:
            raise UserError(
                f"dataset.{key}={name}, but dataset.images={images} has no {{split}}, nor a folder of that name; a "
                "list of images is a .txt file"
            )
    before, there = root / images.partition("{split}")[0], splits_in(root, images)
    train = train or (split if split in there else "")
    if val is None and not drawn:
        fit = [name for usual in VAL for name in there if name.lower() == usual]
        if len(fit) > 1:
            raise UserError(f"{before} has {' and '.join(fit)}: set dataset.val_split to one")
        val = fit[0] if fit else None
    if not drawn and not val:
        among = f" (there: {', '.join(there)})" if there else ""
        raise UserError(
            f"no validation images in {root}: dataset.val.share=0.2 draws a fifth of the training images, or name them "
            f"by dataset.val_split{among}"
        )
    if "{split}" in images and not train and drawn:
        raise UserError(
            f"no training images in {before}: set dataset.train_split{f' to one of {there}' if there else ''}"
        )
    return train, val or ""
