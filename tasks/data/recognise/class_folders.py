"""Images of each class in a folder of its name: by splits, with the splits inside, or without a split."""

from tasks.data.datasets.folder_layouts import below_wrappers, misread, places_by_words
from tasks.data.recognise.label_maps import IMAGES, MASKS
from tasks.data.recognise.listing import Listing, join, known, low
from tasks.data.recognise.reading import DRAWN, Reading, listed, said, splits_or_drawn

LABEL = frozenset({"label"})
OTHERS = (
    *IMAGES,
    *MASKS,
    "jpegimages",
    "segmentationclass",
    "segmentationobject",
    "imagesets",
    "leftimg8bit",
    "gtfine",
)


def find(listing: Listing) -> list[Reading]:
    """Class folders, unless the folder names are those of other layouts.

    If one folder alone has images (PetImages, or images beside meta), they are looked for in it; not if it is called
    images and a table may be about them.
    """
    place = below_wrappers(listing.root)
    tables = low(place.name) in IMAGES and any(listing.every(".csv", depth=1))
    if place != listing.root and low(place.name) not in MASKS and not tables:
        return find(Listing(place))
    splits, root = listing.splits(), listing.root
    if "train" in splits:
        names = classes_in(listing, splits["train"])
        if not names:
            return []
        counts = {role: listing.images_below(name) for role, name in splits.items()}
        keys = {"root": root, "layout": "split_first"} | splits_or_drawn(splits)
        return [Reading("class folders", "folders", keys, LABEL, [said(splits, counts), listed(names)])]
    names = classes_in(listing, "")
    inside = [listing.splits(name) for name in names]
    if len(names) > 1 and all("train" in found for found in inside):
        splits = {role: name for role, name in inside[0].items() if all(found.get(role) == name for found in inside)}
        counts = {role: sum(listing.images_below(join(one, name)) for one in names) for role, name in splits.items()}
        keys = {"root": root, "layout": "class_first"} | splits_or_drawn(splits)
        return [Reading("class folders", "folders", keys, LABEL, [said(splits, counts), listed(names)])]
    if misread(root, names):  # seg_train/seg_train, seg_test/seg_test
        splits = places_by_words(root, names)
        counts = {role: listing.images_below(name) for role, name in splits.items()}
        keys = {"root": root, "layout": "split_first"} | splits_or_drawn(splits)
        inside_train = listing.folders[splits["train"]]
        return [Reading("class folders", "folders", keys, LABEL, [said(splits, counts), listed(inside_train)])]
    if len(names) > 1:
        keys = {"root": root, "layout": "split_first"} | DRAWN
        return [
            Reading(
                "class folders",
                "folders",
                keys,
                LABEL,
                [f"{listing.images_below(''):,} images, {said({}, {})}", listed(names)],
            )
        ]
    return []


def classes_in(listing: Listing, folder: str) -> list[str]:
    """The folders with images below them; [] if one is named as in other layouts, or images lie beside them."""
    names = [name for name in listing.folders.get(folder, []) if listing.images_below(join(folder, name))]
    if any(low(name) in OTHERS or (known(name) and not folder) for name in names):
        return []
    return names if len(listing.images(folder)) <= len(names) else []
