"""Image files whose labels lie in them: upright or as stored, whichever the labels are on."""

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from tasks.common.cpu import thread_pool
from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.data.datasets.turn_reports import Untold, against_key, report_seen
from tasks.data.files.boxes import PackedBoxes
from tasks.data.files.files import Files, View, decode
from tasks.data.files.images import opened_size, read_rgb
from tasks.data.files.masks import Masks
from tasks.data.files.orientation import Size, Turned, Upright, fits, is_upright
from tasks.data.files.turns import Seen


class OrientedFiles(Files):
    """Image files with boxes, label maps or neither, read in the orientation that these are on.

    Args:
        folder, files: see Files.
        source, boxes, masks, upright, unsaid: see AnnotatedFiles.

    Attributes:
        seen: how the labels of photos with an EXIF turn lie; None before the files were looked at.
        relative: whether the files give places as shares of the picture's width and height, as YOLO's do.
    """

    relative = False

    def __init__(
        self,
        folder: Path,
        files: Sequence[str],
        *,
        source: Path,
        boxes: PackedBoxes | None,
        masks: Masks | None,
        upright: Upright,
        unsaid: NDArray[np.bool_] | None,
    ) -> None:
        super().__init__(folder, files, upright)
        self.source, self.boxes, self.masks, self.unsaid = source, boxes, masks, unsaid
        self.seen: Seen | None = None

    def of(self, numbers: Sequence[int]) -> Self:
        part = super().of(numbers)
        part.boxes = None if self.boxes is None else self.boxes.of(numbers)
        part.masks = None if self.masks is None else self.masks.of(numbers)
        part.unsaid = None if self.unsaid is None else self.unsaid[list(numbers)]
        part.seen = None
        return part

    def size(self, index: int) -> Size:
        """(height, width) of the image, as annotated and as it is read."""
        if self.boxes is not None:
            height, width = self.boxes.sizes[index].tolist()
            return height, width
        if self.masks is None:
            return opened_size(self.path(index)).seen(self.upright is not False)
        mask = Turned(self.masks.size(index), self.masks.turn(index))
        return mask.size if mask.turn == 1 else mask.seen(self.orient(index, opened_size(self.path(index)), [mask]))

    def said(self, index: int, mask: Pixels | None) -> list[Turned]:
        """The sizes of an image as its boxes and its label map as stored say them; [] if nothing does.

        Raises:
            UserError: if they differ.
        """
        said = []
        if self.boxes is not None and not self.is_unsaid(index):
            said.append(Turned(self.size(index)))
        if mask is not None:
            assert self.masks is not None
            said.append(Turned((mask.shape[0], mask.shape[1]), self.masks.turn(index)))
        if len(said) == 2 and said[0].size not in (said[1].size, said[1].upright):
            assert self.masks is not None
            (height, width), (tall, wide) = said[0].size, said[1].size
            raise UserError(
                f"{self.masks.path(index)} is {wide}×{tall}, its image's boxes are on {width}×{height} pixels"
            )
        return said

    def is_unsaid(self, index: int) -> bool:
        """Whether the annotations do not say the size of an image, so that its boxes have that of the file."""
        return self.unsaid is not None and bool(self.unsaid[index])

    @property
    def placed(self) -> str:
        """The labels that have a place in the image, for messages; '' if there are none."""
        return "boxes" if self.boxes is not None else "label maps" if self.masks is not None else ""

    def follow(self, upright: bool) -> None:
        if not self.placed:
            super().follow(upright)

    def lies_upright(self, index: int, image: Turned, said: Sequence[Turned]) -> bool | None:
        """Whether an image's labels lie on the upright photo, as their sizes tell; None if they do not."""
        return None if not said and image.turn != 1 and self.is_unsaid(index) else is_upright(image, said)

    def orient(self, index: int, image: Turned, said: Sequence[Turned]) -> bool:
        """Whether an image is read upright.

        Args:
            image: its stored size and orientation.
            said: see said().

        Raises:
            UserError: if nothing tells, or the sizes differ.
        """
        upright = self.upright
        if upright == "auto":
            on = self.lies_upright(index, image, said) if self.placed else True
            if on is None:
                raise Untold([self.path(index)], self.placed)
            upright = on
        sizes = [*said, *([Turned(self.size(index))] if self.boxes is not None and self.is_unsaid(index) else [])]
        if not fits(image, sizes, upright):
            raise self.wrong_size(index, image, sizes, upright)
        return upright

    def image(self, index: int, said: Sequence[Turned], view: View | None) -> tuple[Pixels, bool]:
        """The image, or what a view makes of it; and whether it and its label map are turned upright."""
        path, upright = self.path(index), False

        def decide(image: Turned) -> bool:
            nonlocal upright
            upright = self.orient(index, image, said)
            return upright

        if view is None:
            return read_rgb(path, upright=decide, white=self.white), upright
        if not self.placed:
            return self.pixels(index, view), False
        found = opened_size(path)
        turn = decide(found) and found.turn != 1
        return decode(path, view, self.white, upright=turn), upright

    def place(self, index: int, image: Turned, said: Sequence[Turned], lie: list[tuple[int, bool | None]]) -> None:
        """Add to `lie` how the labels of a photo lie, if it or its label map has an EXIF turn.

        Raises:
            UserError: if the sizes differ.
        """
        turns = image.turn != 1 or any(each.turn != 1 for each in said)
        on = self.lies_upright(index, image, said) if turns and self.placed else False
        if on is not None or self.upright != "auto":
            self.orient(index, image, said)  # raises for sizes that differ
        if turns and self.placed:
            lie.append((index, on))

    def look_at_turns(self) -> None:
        """Look only for photos with an EXIF turn whose labels could lie either way: at the headers of all files.

        Raises:
            UserError: that asks for the key, if there are any. Files that are no images are left to reading.
        """
        if self.upright != "auto" or not self.placed:
            return
        lie: list[tuple[int, bool | None]] = []

        def seen(index: int) -> None:
            with suppress(UserError):
                turn = self.turns.at(index, self.path(index))
                mask = 1 if self.masks is None else self.masks.turn(index)
                if (turn, mask) == (1, 1):
                    return
                said = [] if self.boxes is None or self.is_unsaid(index) else [Turned(self.size(index))]
                if self.masks is not None:
                    said.append(Turned(self.masks.size(index), mask))
                self.place(index, opened_size(self.path(index)), said, lie)

        with thread_pool() as pool:
            list(pool.map(seen, range(len(self))))
        self.settle(lie)

    def settle(self, lie: Sequence[tuple[int, bool | None]]) -> None:
        """Report how the labels of photos with an EXIF turn lie.

        Raises:
            UserError: if "auto" cannot tell for some.
        """
        self.seen = Seen.of(lie)
        if self.upright != "auto":
            return
        if unknown := self.seen.unknown:
            raise Untold([self.path(index) for index in unknown], self.placed, self.seen)
        report_seen(self.source, self.seen, self.placed)

    def wrong_size(self, index: int, image: Turned, said: Sequence[Turned], upright: bool) -> UserError:
        """Error for an image that does not have the size which its annotations refer to."""
        height, width = image.seen(upright)
        label = next(each for each in said if each.seen(upright) != (height, width))
        tall, wide = label.seen(upright)
        hint = against_key(image, said, self.upright)
        if self.boxes is None or label.size != self.size(index):
            assert self.masks is not None
            if self.masks.path(index) == self.source:  # one file for all
                return UserError(f"{self.path(index)} is {width}×{height}, but {self.source} says {wide}×{tall}{hint}")
            return UserError(f"{self.masks.path(index)} is {wide}×{tall}, its image {width}×{height}{hint}")
        return UserError(
            f"{self.path(index)} is {width}×{height}, but {self.source} says {wide}×{tall} "
            f"for image {self.boxes.image_ids[index]}{hint}"
        )
