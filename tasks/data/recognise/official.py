"""Cityscapes and ADE20K, by their folders."""

from tasks.data.recognise.listing import Listing, join
from tasks.data.recognise.reading import Reading, said, splits_or_drawn


def find_cityscapes(listing: Listing) -> list[Reading]:
    """leftImg8bit beside gtFine."""
    if not {"leftImg8bit", "gtFine"} <= {*listing.folders.get("", [])}:
        return []
    splits = listing.splits("leftImg8bit")
    counts = {role: listing.images_below(f"leftImg8bit/{name}") for role, name in splits.items()}
    keys = {"root": listing.root} | splits_or_drawn(splits)
    objects = next(listing.every("_instanceids.png"), None)
    kinds = frozenset({"mask", "boxes"} if objects else {"mask"})
    return [Reading("Cityscapes", "cityscapes", keys, kinds, [said(splits, counts)])]


def find_ade20k(listing: Listing) -> list[Reading]:
    """images/training beside annotations/training, with objectInfo150.txt or names like ADE_train_1.png: others
    have classes of their own."""
    for home in ("", "ADEChallengeData2016"):
        images, maps = join(home, "images"), join(home, "annotations")
        labels = listing.images(f"{maps}/training")
        named = "objectInfo150.txt" in listing.files.get(home, []) or any(name.startswith("ADE_") for name in labels)
        if "training" in listing.folders.get(images, []) and named:
            splits = listing.splits(images)
            counts = {role: len(listing.images(f"{images}/{name}")) for role, name in splits.items()}
            keys = {"root": listing.root / home} | splits_or_drawn(splits)
            return [Reading("ADE20K", "ade20k", keys, frozenset({"mask"}), [said(splits, counts)])]
    return []
