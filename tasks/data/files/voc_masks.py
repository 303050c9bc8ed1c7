"""Label maps of Pascal VOC's format: indices of classes with a palette, or the classes' colours."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.common.labels import VOID, Pixels
from tasks.common.palette import Colour, colour
from tasks.data.files.images import LOSSY, read_labels
from tasks.data.files.opening import opened, shown

BACKGROUND = ("background", "_background_")
IGNORED = ("ignored", "__ignore__")  # of CVAT and LabelMe
BORDER = (224, 224, 192)  # colour of VOC's index 255
UNKNOWN = 254
LABELMAP = re.compile(r"(?P<name>.+?):(?P<colour>\d+,\d+,\d+)?:[^:]*:[^:]*")


class MaskClass(NamedTuple):
    """One class of the files: its name, index in them and colour."""

    name: str
    label_id: int
    colour: Colour


class Legend(NamedTuple):
    """What the files' indices and colours mean.

    Attributes:
        classes: in the order of the files' indices.
        source: the file that says so, for messages; '' for none.
        coloured: whether the colours decide, also in files with a palette.
    """

    classes: Sequence[MaskClass]
    source: str = ""
    coloured: bool = False


def legend_in(folder: Path) -> Legend | None:
    """The legend of CVAT's labelmap.txt or labelme2voc's class_names.txt; None if there is neither.

    Raises:
        UserError: for a line that is none of its format.
    """
    for name, coloured in (("labelmap.txt", True), ("class_names.txt", False)):
        path = folder / name
        if not path.is_file():
            continue
        try:
            lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cannot read {path}: {error}") from error
        lines = [line for line in lines if line and not (coloured and line.startswith("#"))]
        if lines[:1] == ["__ignore__"] and not coloured:
            lines = lines[1:]  # LabelMe's labels.txt, whose first line is no index of the files
        if not lines or len(lines) > UNKNOWN:
            raise UserError(f"{path} has {len(lines)} classes; label maps have 1 to {UNKNOWN}")
        if not coloured:
            return Legend([MaskClass(line, place, colour(place)) for place, line in enumerate(lines)], name)
        return Legend([labelmap_line(line, place, path) for place, line in enumerate(lines)], name, coloured)
    return None


def labelmap_line(line: str, place: int, path: Path) -> MaskClass:
    """A class of CVAT's labelmap.txt, `name:r,g,b:parts:actions`."""
    match = LABELMAP.fullmatch(line)
    values = [int(value) for value in (match["colour"] or "").split(",") if value] if match else []
    if match is None or any(value > 255 for value in values):
        raise UserError(f"{path}: {line} is not of the form name:red,green,blue::")
    return MaskClass(match["name"], place, (values[0], values[1], values[2]) if values else colour(place))


class VocLabels:
    """Reads a label file as class numbers.

    Args:
        legend: what the files hold.
        background: name of the class of the background; None if it is void.
        order: names of the classes that are no background, in the order of their numbers; None for the legend's.
    """

    def __init__(self, legend: Legend, *, background: str | None, order: Sequence[str] | None = None) -> None:
        self.legend = legend
        things = [one for one in legend.classes if one.name not in (*BACKGROUND, *IGNORED)]
        if order is not None:
            place = {name: number for number, name in enumerate(order)}
            things.sort(key=lambda one: place[one.name])
        rest = [one for one in legend.classes if one.name in BACKGROUND]
        self.classes = [one._replace(name=background) for one in rest if background is not None] + things
        void = [one for one in legend.classes if one.name in IGNORED or (background is None and one in rest)]
        self.table: Pixels = np.full(256, UNKNOWN, np.uint8)
        self.table[[VOID, *(one.label_id for one in void)]] = VOID
        self.table[[one.label_id for one in self.classes]] = np.arange(len(self.classes))
        numbers = {code_of(BORDER): VOID} | {code_of(one.colour): VOID for one in void}
        for number, one in enumerate(self.classes):
            if numbers.setdefault(code_of(one.colour), number) not in (number, VOID):
                raise UserError(f"{legend.source or 'VOC'}: {one.name} and another class have the colour {one.colour}")
            numbers[code_of(one.colour)] = number
        self.codes: NDArray[np.int32] = np.array(sorted(numbers), np.int32)
        self.numbers: Pixels = np.array([numbers[code] for code in self.codes.tolist()], np.uint8)

    def __call__(self, path: Path) -> Pixels:
        """(H, W) class numbers, 255 for void.

        Raises:
            UserError: for a file that cannot be decoded, or an index or colour that is no class.
        """
        with opened(path, "labels") as image:
            if image.format not in LOSSY and image.mode in (
                ("P", "RGB", "RGBA") if self.legend.coloured else ("RGB", "RGBA")
            ):
                return self.of_colours(np.asarray(image.convert("RGB")), path)
        indices = read_labels(path)
        mask = self.table[indices]
        if (wrong := mask == UNKNOWN).any():
            raise self.unknown(f"index {indices[wrong][0]}", wrong, path)
        return mask

    def of_colours(self, pixels: Pixels, path: Path) -> Pixels:
        """Class numbers of colours (H, W, 3)."""
        codes = pixels.astype(np.int32) @ np.array([1 << 16, 1 << 8, 1], np.int32)
        places = np.searchsorted(self.codes, codes).clip(max=len(self.codes) - 1)
        if (wrong := self.codes[places] != codes).any():
            red, green, blue = pixels[wrong][0].tolist()
            raise self.unknown(f"colour {red},{green},{blue}", wrong, path)
        mask: Pixels = self.numbers[places]
        return mask

    def unknown(self, value: str, wrong: NDArray[np.bool_], path: Path) -> UserError:
        """Error for an index or a colour that is no class."""
        known = self.legend.source or f"the {len(self.classes)} classes"
        names = ", ".join(one.name for one in self.classes[:4])
        return UserError(
            f"{shown(path)} has {value} in {wrong.mean():.2%} of its pixels, which {known} ({names}, …) does not have: "
            "name the classes of your files by dataset.classes=[name of 1, name of 2, …] or a labelmap.txt "
            "(name:red,green,blue::), or read them with dataset=masks"
        )


def code_of(colour: Colour) -> int:
    """A colour as one number."""
    return colour[0] << 16 | colour[1] << 8 | colour[2]
