"""What a folder is: all layouts that fit, and the answer for one task."""

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from tasks.data.files.walk import found_in
from tasks.data.recognise import class_folders, coco, foreign, label_maps, official, tables, voc, yolo
from tasks.data.recognise.label_maps import IMAGES, MASKS
from tasks.data.recognise.listing import Listing, known, low
from tasks.data.recognise.reading import Foreign, Reading

EXACT = (yolo.find, coco.find, voc.find_voc, voc.find_labelme, official.find_cityscapes, official.find_ade20k)
LOOSE = (label_maps.find, tables.find, class_folders.find)  # what their folders' names say


class Found(NamedTuple):
    """All that fits a folder.

    Attributes:
        root: the folder, or the only one in it.
        there: its content, for messages.
    """

    root: Path
    readings: Sequence[Reading]
    others: Sequence[Foreign]
    there: str

    def of(self, kinds: Collection[str]) -> list[Reading]:
        """The readings that have labels of one of these kinds."""
        return [one for one in self.readings if one.kinds & set(kinds)]


def recognise(root: Path) -> Found:
    """Find the layouts that fit a folder, from its names and some of its files.

    A layout that its files prove excludes those that folder names suggest: VOC's JPEGImages and SegmentationClass are
    no class folders.

    Raises:
        UserError: if there is no such folder.
    """
    listing = Listing(below_wrappers(root))
    readings = [reading for find in EXACT for reading in find(listing)]
    others = foreign.find(listing)
    for find in LOOSE:
        taken = {kind for reading in readings for kind in reading.kinds}
        if all(one.layout == foreign.TABLE for one in others):
            readings += [one for one in find(listing) if not excluded(one, taken)]
    return Found(listing.root, readings, others, found_in(listing.root))


def excluded(reading: Reading, taken: set[str]) -> bool:
    """Whether a layout that names suggest is explained by another one already: a set with masks or boxes has no class
    folders, and one whose label maps have names of their own has no others."""
    return (reading.option == "folders" and bool(taken)) or (reading.option == "masks" and "mask" in taken)


def below_wrappers(root: Path) -> Path:
    """The folder itself, or the one that an archive wrapped it in, unless its name means something."""
    while root.is_dir():
        names = [path for path in sorted(root.iterdir()) if not path.name.startswith(".") and path.name != "__MACOSX"]
        if len(names) != 1 or not names[0].is_dir() or known(names[0].name) or low(names[0].name) in (*IMAGES, *MASKS):
            break
        root = names[0]
    return root
