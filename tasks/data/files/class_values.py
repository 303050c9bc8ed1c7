"""Turns the values or colours of label files into class numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.common.labels import VOID, Pixels
from tasks.common.palette import Colour, class_colours
from tasks.data.files.class_lists import ListedClass, ignored
from tasks.data.files.label_values import MOST, packed, read_values, unpacked
from tasks.data.files.opening import shown

OTHERS = "others"  # dataset.ignore=others: whatever is not listed is void


class ClassValues:
    """Reads label files as class numbers, 255 for void.

    Args:
        classes: with their values or colours.
        ignore: values or colours that are void; "others" for all that are not listed; None for none.
        nearest: an unlisted value or colour counts as the nearest listed or ignored one (Euclidean distance in RGB).
        alpha: values are those of the files' alpha channel.
        found: whether the classes were found in the files instead of listed by the user.

    Raises:
        UserError: if a value is both listed and ignored.
    """

    def __init__(
        self,
        classes: Sequence[ListedClass],
        ignore: Any = None,
        *,
        nearest: bool = False,
        alpha: bool = False,
        found: bool = False,
    ) -> None:
        self.found, self.ignore = found, ignore
        self.listed, self.nearest, self.others, self.alpha = tuple(classes), nearest, ignore == OTHERS, alpha
        self.coloured = any(one.colours for one in classes)
        if alpha and self.coloured:
            raise UserError(
                "dataset.alpha=true, but dataset.classes lists colours: an alpha channel has values, 0 to 255"
            )
        void, void_colours = ignored(() if ignore is None or self.others else ignore, self.coloured)
        pairs = [
            (int(packed(np.array(value))) if self.coloured else value, number)
            for number, one in enumerate(classes)
            for value in (one.colours if self.coloured else one.values)
        ]
        known = {value for value, _ in pairs}
        for value in [int(packed(np.array(colour))) for colour in void_colours] or void:
            if value in known:
                raise UserError(f"dataset.ignore and dataset.classes both list {self.text(value)}")
            pairs.append((value, VOID))
        pairs = sorted(dict(pairs).items())
        self.codes = np.array([value for value, _ in pairs], np.int32)  # ascending
        self.numbers = np.array([number for _, number in pairs], np.uint8)
        if not self.coloured:
            self.table, self.unknown = self.tables()

    def tables(self) -> tuple[Pixels, NDArray[np.bool_]]:
        """(65536,) class numbers by value, and which values are unlisted."""
        table, unknown = np.full(MOST + 1, VOID, np.uint8), np.full(MOST + 1, not self.others)
        if self.nearest:
            middles = (self.codes[1:] + self.codes[:-1]) / 2  # halfway, the lower value wins
            table = self.numbers[np.searchsorted(middles, np.arange(MOST + 1), side="left")]
            unknown[:] = False
        table[self.codes] = self.numbers
        unknown[self.codes] = False
        return table, unknown

    @property
    def names(self) -> list[str]:
        """Of the classes, in the order of their numbers."""
        return [one.name for one in self.listed]

    @property
    def classes(self) -> list[tuple[str, int, Colour]]:
        """Name, id and colour of each class. Ids are the first values in the files, or numbers if those do not fit."""
        ids = [one.values[0] if one.values else MOST for one in self.listed]
        if max(ids) > 255:
            ids = list(range(len(self.listed)))
        return [
            (one.name, own, one.colours[0] if one.colours else one.drawn or other)
            for one, own, other in zip(self.listed, ids, class_colours([one.name for one in self.listed]), strict=True)
        ]

    def __call__(self, path: Path) -> Pixels:
        """(H, W) class numbers of a label file, 255 for void.

        Raises:
            UserError: for a file that cannot be read, or an unlisted value.
        """
        values = read_values(path, coloured=self.coloured, lossy=self.nearest, alpha=self.alpha)
        if self.coloured:
            return self.of_colours(packed(values), path)
        if not self.nearest and (odd := self.unknown[values]).any():
            raise self.unlisted(values[odd], values.size, path)
        mask: Pixels = self.table[values]
        return mask

    def of_colours(self, codes: NDArray[np.int32], path: Path) -> Pixels:
        """Class numbers of packed colours (H, W)."""
        places = np.searchsorted(self.codes, codes).clip(max=len(self.codes) - 1)
        mask: Pixels = self.numbers[places]
        odd = self.codes[places] != codes
        if not odd.any():
            return mask
        if self.nearest:
            mask[odd] = self.nearest_colours(codes[odd])
        elif self.others:
            mask[odd] = VOID
        else:
            raise self.unlisted(codes[odd], codes.size, path)
        return mask

    def nearest_colours(self, codes: NDArray[np.int32]) -> Pixels:
        """(N,) class numbers of the nearest listed colours."""
        distinct, inverse = np.unique(codes, return_inverse=True)
        distances = ((unpacked(distinct)[:, None] - unpacked(self.codes)) ** 2).sum(2)
        numbers: Pixels = self.numbers[distances.argmin(1)][inverse]
        return numbers

    def unlisted(self, values: NDArray[Any], pixels: int, path: Path) -> UserError:
        """The error for unlisted values of a file.

        Args:
            values: of its unlisted pixels.
            pixels: of the whole file.
        """
        distinct, counts = np.unique(values, return_counts=True)
        order = np.argsort(-counts, kind="stable")
        first, *rest = [self.text(int(value)) for value in distinct[order]]
        kind = "colour" if self.coloured else "value"
        more = f" and {len(rest)} other {kind}s ({', '.join(rest[:4])}{', …' if len(rest) > 4 else ''})" if rest else ""
        return UserError(
            f"{shown(path)} has the {kind} {first}{more} in {share(len(values) / pixels)} of its pixels, not in "
            f"dataset.classes ({self.known()}): add it there, or dataset.ignore=[{first}] for void, or "
            "dataset.nearest=true for soft edges"
        )

    def known(self) -> str:
        """The first classes with their values, for a message."""
        some = [f"{one.name}: {[*map(list, one.colours)] or [*one.values]}" for one in self.listed[:4]]
        return ", ".join(some).replace("[[", "[").replace("]]", "]") + (", …" if len(self.listed) > 4 else "")

    def text(self, value: int) -> str:
        """A value or packed colour as it is typed."""
        return "[{},{},{}]".format(*unpacked(np.array([value]))[0]) if self.coloured else str(value)


def share(part: float) -> str:
    """A share as text with two digits, however small."""
    return f"{part:.2g}%" if (part := 100 * part) < 1 else f"{part:.1f}%"
