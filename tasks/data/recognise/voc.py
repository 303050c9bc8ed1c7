"""Pascal VOC's XML and label maps, and LabelMe's JSON: a file for each image, by splits or not."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from tasks.data.recognise.listing import ROLES, Listing, join, low, sample
from tasks.data.recognise.reading import Reading, listed, said, splits_or_drawn

OBJECT = re.compile(r"<annotation[\s>].*<(size|object|filename)>", re.DOTALL)
NAME = re.compile(r"<object>.*?<name>\s*([^<]*?)\s*</name>", re.DOTALL)
SHAPE = re.compile(r'"label"\s*:\s*"([^"]*)"')
MASKS = ("SegmentationClass", "SegmentationClassPNG")


def find_voc(listing: Listing) -> list[Reading]:
    """XML files of VOC's form in Annotations or beside the images, and label maps in SegmentationClass."""
    usual = ("", "VOC2012", "VOC2007", "VOCdevkit/VOC2012")
    home = next((place for place in usual if is_home(listing, place)), None)
    homes = [place for place in listing.folders if is_home(listing, place)]
    home = homes[0] if home is None and len(homes) == 1 else home
    folders = {folder for folder in listing.files if is_annotated(listing, folder)}
    masks = None if home is None else next((name for name in MASKS if listing.images(join(home, name))), None)
    if not folders and masks is None:
        return []
    kinds = frozenset({*(["boxes"] if folders else []), *(["mask"] if masks else [])})
    names = classes_of(listing, folders, ".xml", NAME)
    facts = [listed(names)] if names else []
    if home is not None:
        lists = lists_of(listing, home, "Main" if folders else "Segmentation")
        counts = {role: listing.head(path).count("\n") for role, path in lists.items()}
        splits = {role: path.rpartition("/")[2].removesuffix(".txt") for role, path in lists.items()}
        keys = {"root": listing.root / home} | splits_or_drawn(splits)
        label_maps = [f"label maps in {masks}"] if masks else []
        boxes = [f"XML files in {', '.join(sorted(folders))}"] if folders else []
        return [Reading("Pascal VOC", "voc", keys, kinds, [said(splits, counts), *boxes, *label_maps, *facts])]
    keys, fact = in_folders(listing, folders)
    return [Reading("Pascal VOC's XML", "voc", keys, kinds, [fact, *facts])]


def find_labelme(listing: Listing) -> list[Reading]:
    """LabelMe's JSON files beside the images."""
    folders = {
        folder
        for folder in listing.files
        if any(is_labelme(listing.head(join(folder, name))) for name in listing.with_suffix(folder, ".json")[:3])
    }
    if not folders:
        return []
    keys, fact = in_folders(listing, folders)
    names = classes_of(listing, folders, ".json", SHAPE)
    return [Reading("LabelMe", "labelme", keys, frozenset({"boxes", "mask"}), [fact, listed(names)])]


def is_home(listing: Listing, place: str) -> bool:
    """Whether a folder has VOC's own folders."""
    return "JPEGImages" in listing.folders.get(place, [])


def is_annotated(listing: Listing, folder: str) -> bool:
    """Whether a folder has XML files of VOC's form."""
    return any(OBJECT.search(listing.head(join(folder, name))) for name in listing.with_suffix(folder, ".xml")[:3])


def is_labelme(head: str) -> bool:
    return '"shapes"' in head and ('"imagePath"' in head or '"version"' in head)


def lists_of(listing: Listing, home: str, kind: str) -> dict[str, str]:
    """Paths of the lists of images by role."""
    folder = join(home, f"ImageSets/{kind}")
    found: dict[str, str] = {}
    for name in listing.with_suffix(folder, ".txt"):
        if (stem := low(name[:-4])) in ROLES:
            found.setdefault(ROLES[stem], join(folder, name))
    whole = join(folder, "trainval.txt")
    if "train" not in found and "trainval.txt" in listing.files.get(folder, []):
        found["train"] = whole
    return found


def in_folders(listing: Listing, folders: set[str]) -> tuple[dict[str, Any], str]:
    """The keys and a fact about label files in a folder for each split, or all together."""
    splits = listing.splits()
    if "train" in splits and any(place.split("/")[0] == splits["train"] for place in folders):
        counts = {role: listing.images_below(name) for role, name in splits.items()}
        return {"root": listing.root} | splits_or_drawn(splits), said(splits, counts)
    images = sum(map(len, map(listing.images, listing.files)))
    return {"root": listing.root} | splits_or_drawn({}), f"{images:,} images, {said({}, {})}"


def classes_of(listing: Listing, folders: set[str], suffix: str, pattern: "re.Pattern[str]") -> Sequence[str]:
    """Class names in some of the files, the most frequent first."""
    paths = [join(folder, name) for folder in sorted(folders) for name in listing.with_suffix(folder, suffix)]
    counts: Mapping[str, int] = Counter(name for path in sample(paths) for name in pattern.findall(listing.head(path)))
    return sorted(counts, key=lambda name: (-counts[name], name))
