"""Classes of the label maps that are drawn from objects: the objects' categories, and the pixels without one."""

from collections.abc import Sequence
from typing import NamedTuple

from tasks.common.errors import UserError
from tasks.common.labels import VOID
from tasks.common.palette import BLACK, Colour, palette


class MaskClasses(NamedTuple):
    """Classes of label maps.

    Attributes:
        entries: (name, id, colour) of each class. Ids are the categories', with 0 for the background, where they are
            different and below 255, which label maps as PNG can hold; otherwise class numbers.
        first: class number of the first category.
        background: class number of the pixels without an object; 255 for void.
    """

    entries: list[tuple[str, int, Colour]]
    first: int
    background: int

    @classmethod
    def of(cls, categories: Sequence[tuple[str, int]], background: str | None) -> "MaskClasses":
        """The classes of categories (name, id), and of the pixels without an object.

        Args:
            background: their name. A category of this name has them too; without one they are class 0. None makes them
                void.

        Raises:
            UserError: for more classes than a label map can hold.
        """
        names = [name.casefold() for name, _ in categories]
        colours: list[Colour] = palette(len(categories))
        entries = [(name, number, colour) for (name, number), colour in zip(categories, colours, strict=True)]
        first, number = 0, VOID
        if background is not None and background.casefold() in names:
            number = names.index(background.casefold())
            entries[number] = (*entries[number][:2], BLACK)
        elif background is not None:
            entries, first, number = [(background, 0, BLACK), *entries], 1, 0
        if len(entries) > VOID:
            raise UserError(
                f"{len(entries)} classes are more than a label map of 8 bits can hold ({VOID}): for boxes alone, "
                "dataset.targets=[boxes]"
            )
        ids = [entry[1] for entry in entries]
        if len(set(ids)) < len(ids) or not all(0 <= number < VOID for number in ids):
            entries = [(name, place, colour) for place, (name, _, colour) in enumerate(entries)]
        return cls(entries, first, number)
