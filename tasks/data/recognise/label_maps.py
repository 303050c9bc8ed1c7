"""Images and label maps in folders: beside each other, by splits, in one folder, or a file for each class."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tasks.common.errors import UserError
from tasks.data.files.opening import opened
from tasks.data.recognise import mask_pairs
from tasks.data.recognise.listing import Listing, join, low, sample
from tasks.data.recognise.reading import Reading, said, splits_or_drawn
from tasks.data.recognise.split_texts import SPLITS

IMAGES = ("images", "image", "imgs", "img", "jpegimages", "photos", "original_images")
MASKS = (
    "masks", "mask", "labels", "label", "annotations", "annotation", "segmentations", "groundtruth", "ground_truth",
    "gt", "label_images_semantic",
)  # fmt: skip
BESIDE = ("annot", "_labels", "_masks", "masks", "_mask", "_annot", "labels")  # train with trainannot, train_labels
LISTS = ("class_dict.csv", "_classes.csv", "label_colors.txt", "labelmap.txt")
NAMES_OF_PHOTOS = ("image", "photo", "img", "rgb", "picture")
MOST_VALUES = 8


class Place(NamedTuple):
    """Folders of images and of label maps; {split} where `splits` has names."""

    images: str
    masks: str
    splits: dict[str, str]


def find(listing: Listing) -> list[Reading]:
    """Folders of images with folders of label maps of the same names."""
    if (by_class := per_class(listing)) is not None:
        return [by_class]
    found: dict[tuple[str, str], Reading] = {}
    for place in places(listing):
        first = place.splits.get("train") or next(iter(place.splits.values()), "")
        images, masks = (text.replace("{split}", first) for text in (place.images, place.masks))
        template = template_of(listing, images, masks)
        if template is None:
            continue
        counts = {role: labelled(listing, place, name, template) for role, name in place.splits.items()}
        whole = labelled(listing, place, "", template)
        facts = [said(place.splits, counts) if place.splits else f"{whole:,} images, {said({}, {})}"]
        keys = {"root": listing.root, "images": place.images or ".", "masks": place.masks or ".", "template": template}
        keys |= splits_or_drawn(place.splits)
        file, fact = classes_of(listing, masks, first, template)
        found.setdefault(
            (images, masks), Reading("label maps", "masks", keys | {"classes": file}, MASK, [*facts, fact])
        )
    readings = list(found.values())
    likely = [one for one in mask_pairs.find(listing) if not readings or one.rank > 0]
    return readings + [of_pairs(listing, one) for one in likely if one.folder not in {masks for _, masks in found}]


def of_pairs(listing: Listing, found: mask_pairs.Found) -> Reading:
    """The reading of folders of unusual names."""
    splits: dict[str, str] = {}
    for text in found.counts:
        if (role := SPLITS.get(low(text))) is not None:
            splits.setdefault(role, text)
    counts = {role: found.counts[text] for role, text in splits.items()}
    whole = sum(found.counts.values())
    facts = [said(splits, counts) if splits else f"{whole:,} images, {said({}, {})}"]
    keys = {"root": listing.root, "images": found.images, "masks": found.masks} | splits_or_drawn(splits)
    file, fact = classes_of(listing, found.folder, splits.get("train", ""), found.end)
    return Reading("label maps", "masks", keys | {"classes": file}, MASK, [*facts, fact])


MASK = frozenset({"mask"})


def places(listing: Listing) -> Iterator[Place]:
    """Folders that may hold images and label maps, the most telling first."""
    names = listing.folders.get("", [])
    splits = listing.splits()
    for images in (name for name in names if low(name) in IMAGES):
        for masks in (name for name in names if low(name) in MASKS):
            inside = {
                role: name for role, name in listing.splits(images).items() if listing.images_below(join(images, name))
            }
            both = inside and all(name in listing.folders.get(masks, []) for name in inside.values())
            yield Place(f"{images}/{{split}}", f"{masks}/{{split}}", inside) if both else Place(images, masks, {})
    if "train" not in splits:
        if listing.images(""):
            yield Place("", "", {})
        return
    below = listing.folders.get(splits["train"], [])
    for images in (name for name in below if low(name) in IMAGES):
        for masks in (name for name in below if low(name) in MASKS):
            yield Place(f"{{split}}/{images}", f"{{split}}/{masks}", splits)
    for end in BESIDE:
        if f"{splits['train']}{end}" in names:
            yield Place("{split}", f"{{split}}{end}", splits)
    if listing.images(splits["train"]):
        yield Place("{split}", "{split}", splits)


def template_of(listing: Listing, images: str, masks: str) -> str | None:
    """File names of the label maps, seen from the images'; None if most images have none."""
    photos, labels = listing.images(images), listing.images(masks)
    if images != masks and set(listing.files.get(masks, [])) - set(labels) and len(labels) < len(photos) / 2:
        return None
    stems = {name.rpartition(".")[0]: name for name in photos}
    ends: Counter[tuple[str, str]] = Counter()
    for name in labels if len(labels) < 2000 else labels[:2000]:
        stem, _, suffix = name.rpartition(".")
        for length in range(len(stem), 0, -1):
            if stem[:length] in stems and not (images == masks and stems[stem[:length]] == name):
                ends[stem[length:], suffix] += 1
                break
    if not ends:
        return None
    (end, suffix), count = ends.most_common(1)[0]
    owners = len(photos) - (count if images == masks else 0)
    return f"{{stem}}{end}.{suffix}" if 10 * count >= 8 * min(owners, 2000) else None


def labelled(listing: Listing, place: Place, split: str, template: str) -> int:
    """Number of the label maps of a split."""
    end = template.removeprefix("{stem}")
    return sum(name.endswith(end) for name in listing.images(place.masks.replace("{split}", split)))


def classes_of(listing: Listing, masks: str, split: str, template: str) -> tuple[str, str]:
    """Value of the key classes, and a fact about what the label maps hold."""
    end = template.removeprefix("{stem}")
    labels = [name for name in listing.images(masks) if name.endswith(end)]
    fact = contents(listing, [join(masks, name) for name in sample(labels)[:8]], len(labels))
    for folder in ("", split, masks):
        for name in LISTS:
            if name in listing.files.get(folder, []):
                return join(folder, name), f"{fact}; classes of {join(folder, name)}"
    return "found", f"{fact}; classes are named by number or colour"


def contents(listing: Listing, paths: Sequence[str], every: int) -> str:
    """What some label maps hold, in a few words."""
    modes: Counter[str] = Counter()
    values: set[Any] = set()
    for path in paths:
        try:
            with opened(listing.root / path) as image:
                modes[image.mode] += 1
                pixels = np.asarray(image)
        except UserError as error:
            return f"{error}"
        flat = pixels.reshape(len(pixels) * pixels.shape[1], -1)
        values |= {tuple(row) if len(row) > 1 else row[0] for row in np.unique(flat, axis=0).tolist()}
    shown = ", ".join(str(value) for value in sorted(values, key=str)[:MOST_VALUES])
    more = ", …" if len(values) > MOST_VALUES else ""
    return (
        f"label maps of mode {'/'.join(modes)} with {len(values)} values ({shown}{more}) in {len(paths)} of {every:,}"
    )


def per_class(listing: Listing) -> Reading | None:
    """A folder for each image, with the photo and a label map for each class."""
    folders = [folder for folder in listing.folders.get("", []) if listing.images(folder)]
    if len(folders) < 2 or listing.splits():
        return None
    common = set.intersection(*(set(listing.images(folder)) for folder in sample(folders)))
    photo = next((name for name in sorted(common) if low(name.rpartition(".")[0]) in NAMES_OF_PHOTOS), None)
    others = {name for folder in sample(folders) for name in listing.images(folder)} - {photo}
    if photo is None or not others or len(others) > 64:
        return None
    suffix = sorted(others)[0].rpartition(".")[2]
    classes = sorted(name.rpartition(".")[0] for name in others)
    keys = {"root": listing.root, "images": f"{{stem}}/{photo}", "masks": f"{{stem}}/{{class}}.{suffix}"}
    facts = [f"{len(folders):,} images, {said({}, {})}", f"a label map for each of {', '.join(classes[:8])}"]
    return Reading("a label map for each class", "masks", keys | splits_or_drawn({}), MASK, facts)
