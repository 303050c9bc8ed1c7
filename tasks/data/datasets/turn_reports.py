"""What is said about photos with an EXIF orientation: how their labels lie, and the key where nothing tells."""

from collections.abc import Sequence
from pathlib import Path

from tasks.common.errors import UserError
from tasks.data.files.opening import shown
from tasks.data.files.orientation import Turned, Upright, fits
from tasks.data.files.turns import Seen

NAMED = 3  # photos in a message


class Untold(UserError):
    """Error for photos with an EXIF turn whose labels may lie on the upright or on the stored picture.

    Args:
        photos: of both sides if `trained` is given, those to score first.
        labels: what lies on them: "boxes" or "label maps".
        seen: what the sizes of others tell.
        trained: how many of the photos are training images; None if one side was looked at.
    """

    def __init__(
        self, photos: Sequence[Path], labels: str, seen: Seen | None = None, trained: int | None = None
    ) -> None:
        super().__init__(question(photos, labels, seen, trained))
        self.photos, self.labels, self.seen = photos, labels, seen or Seen()

    def with_training(self, other: "Untold") -> "Untold":
        """The error for these images to score and for those of training."""
        seen = Seen(self.seen.upright + other.seen.upright, self.seen.stored + other.seen.stored)
        return Untold([*self.photos, *other.photos], self.labels, seen, len(other.photos))


def question(photos: Sequence[Path], labels: str, seen: Seen | None, trained: int | None) -> str:
    """The message of Untold."""
    names = ", ".join(shown(path.name) for path in photos[:NAMED]) + (", …" if len(photos) > NAMED else "")
    if trained is not None:
        names += f"; {len(photos) - trained} in val, {trained} in train"
    have = "photos have" if len(photos) > 1 else "photo has"
    others = []
    if seen and seen.upright:
        others.append(f"{seen.upright} are upright")
    if seen and seen.stored:
        others.append(f"{seen.stored} are as stored")
    rest = f"; of the others with one, {' and '.join(others)}, as their sizes tell" if others else ""
    return (
        f"{len(photos)} {have} an EXIF turn ({names}) and nothing tells whether the {labels} are on the upright "
        f"picture{rest}: dataset.upright=true if the annotation tool showed them upright (most do), false if as stored"
    )


def report_seen(source: Path, seen: Seen, labels: str) -> None:
    """Print how photos with an EXIF turn are read where the sizes of their labels tell."""
    if seen.upright:
        print(f"{source.name}: {seen.upright} photos are read upright, as their annotated sizes tell", flush=True)
    if seen.stored:
        print(
            f"{source.name}: {seen.stored} photos with an EXIF turn are read as stored, as the sizes of their "
            f"{labels} tell",
            flush=True,
        )


def against_key(image: Turned, labels: Sequence[Turned], upright: Upright) -> str:
    """Which key lets labels fit that do not fit as `upright` says; '' if none does."""
    if upright == "auto" or not fits(image, labels, not upright):
        return ""
    side = "as stored" if upright else "upright"
    return (
        f"; the sizes fit the photo {side} (EXIF orientation {image.turn}): dataset.upright=auto goes by them, "
        f"dataset.upright={str(not upright).lower()} reads all photos so, not {str(upright).lower()}"
    )
