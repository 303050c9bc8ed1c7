"""How a picture's EXIF orientation says it is to be turned, and whether labels lie on the turned or the stored one."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TAG, WIDTH, LENGTH = 0x0112, 256, 257  # of EXIF and TIFF 6.0
WITH_EXIF = ("exif", "xmp", "XML:com.adobe.xmp")  # where Pillow finds an orientation, but for TIFF and MPO
TURNS = {2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False)}
BACK = {6: 8, 8: 6}  # the turns that undo these; every other undoes itself
SIDEWAYS = 5  # orientations from here on swap height and width
Upright = bool | Literal["auto"]
Size = tuple[int, int]  # height, width
Array = TypeVar("Array", bound=NDArray[Any])


class Turned(NamedTuple):
    """A picture's (height, width) as stored, and its EXIF orientation, 1 to 8; 1 is as stored."""

    size: Size
    turn: int = 1

    @property
    def upright(self) -> Size:
        """(height, width) of the upright picture."""
        return self.size[::-1] if self.turn >= SIDEWAYS else self.size

    def seen(self, upright: bool) -> Size:
        """(height, width) of the picture, upright or as stored."""
        return self.upright if upright else self.size


def fits(image: Turned, labels: Sequence[Turned], upright: bool) -> bool:
    """Whether labels have the size of their image, all turned by their own orientation or all as stored."""
    return all(each.seen(upright) == image.seen(upright) for each in labels)


def is_upright(image: Turned, labels: Sequence[Turned]) -> bool | None:
    """Whether labels lie on the upright image, as far as their sizes tell; None if they do not.

    False as well if they fit neither the upright nor the stored image.

    Args:
        labels: sizes that boxes and label maps say; a label map may have an orientation of its own.
    """
    if image.turn == 1 and all(each.turn == 1 for each in labels):
        return False  # the usual case: there is nothing to turn
    if fits(image, labels, True) != fits(image, labels, False):
        return fits(image, labels, True)
    if not fits(image, labels, True):
        return False
    if labels and all(each.turn == image.turn for each in labels):
        return True  # they are turned alike: the label stays on its pixel either way
    return None


def orientation(image: Image.Image) -> int:
    """The EXIF orientation of an opened file that is not decoded yet, 1 to 8; 1 is as stored."""
    if image.format not in ("TIFF", "MPO") and not any(key in image.info for key in WITH_EXIF):
        return 1
    value = image.getexif().get(TAG, 1)
    return value if value in TURNS else 1


def stored_size(image: Image.Image) -> Size:
    """(height, width) of an opened file as stored; for a TIFF Pillow says that of the upright picture."""
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]
        return int(tags[LENGTH]), int(tags[WIDTH])
    return image.height, image.width


def turned(pixels: Array, turn: int) -> Array:
    """Turn pixels (H, W, …) stored with this EXIF orientation upright."""
    if turn == 1:
        return pixels
    quarters, mirrored = TURNS[turn]
    result = np.rot90(pixels, quarters)
    return np.ascontiguousarray(result[:, ::-1] if mirrored else result)  # type: ignore[return-value]


def as_stored(pixels: Array, turn: int) -> Array:
    """Turn upright pixels (H, W, …) back to how a file with this EXIF orientation stores them."""
    return turned(pixels, BACK.get(turn, turn))
