"""Images with label maps, whose sizes are compared before any is read."""

from collections.abc import Iterator

from tasks.common.errors import UserError
from tasks.data.datasets.annotated_files import AnnotatedFiles
from tasks.data.datasets.mask_palettes import differing_palettes
from tasks.data.files.images import opened_size
from tasks.data.files.orientation import Turned, fits


class MaskedImages(AnnotatedFiles):
    """Images with label maps, which may have to be of their size."""

    def check(self) -> Iterator[UserError | None]:
        """As of AnnotatedFiles; before, the sizes of all files are compared.

        Raises:
            UserError: also with the number of label maps of another size than their image.
        """
        assert self.masks is not None
        odd = [index for index in range(len(self)) if self.differs(index)]
        if odd:
            height, width = opened_size(self.path(odd[0])).size
            high, wide = self.masks.size(odd[0])
            raise UserError(
                f"{len(odd)} of {len(self)} label files have another size than their image, such as "
                f"{self.masks.path(odd[0])}: {wide}×{high}, its image {width}×{height}; dataset.resize_masks=true "
                "resizes them to it"
            )
        if line := differing_palettes(self.masks):
            print(line, flush=True)
        yield from super().check()

    def differs(self, index: int) -> bool:
        """Whether a label map is not of its image's size; False for files that cannot be read."""
        assert self.masks is not None
        try:
            image = opened_size(self.path(index))
            said = [Turned(self.masks.size(index), self.masks.turn(index))]
        except UserError:
            return False
        either = (True, False) if self.upright == "auto" else (bool(self.upright),)
        return not any(fits(image, said, upright) for upright in either)
