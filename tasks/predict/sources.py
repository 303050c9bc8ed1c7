"""What `input=` names: photos, videos, a camera, a stream, or a text file of paths. No torch, no OpenCV."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.common.errors import UserError
from tasks.data.files.images import find_images
from tasks.predict.address import address_of, is_address

VIDEOS = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv"),
    *(".ogv", ".3gp"),
)
NAMED = 5  # wrong lines of a list that are named
LARGEST_LIST = 2**28  # bytes


@dataclass(frozen=True)
class Live:
    """A camera by its number, or a stream by its address without the login."""

    place: int | str

    def __str__(self) -> str:
        return f"camera {self.place}" if isinstance(self.place, int) else self.place

    @property
    def name(self) -> str:
        """Of its results."""
        return f"camera{self.place}" if isinstance(self.place, int) else "stream"


Source = Path | Live


def is_video(source: Source) -> bool:
    """Whether a source gives frames; files by their suffix."""
    return isinstance(source, Live) or source.suffix.lower() in VIDEOS


def find_sources(text: str) -> list[Source]:
    """What a value of `input=` names.

    A folder gives its photos (videos there are named by a glob), a .txt file the files in it, a glob photos and
    videos; a number that is no file or folder is a camera.

    Raises:
        UserError: if nothing is found, for a wrong address, or for lines of a list that name no file.
    """
    if is_address(text):
        return [Live(address_of(text))]
    path = Path(text).expanduser()
    if text.isascii() and text.isdigit() and len(text) < 4 and not path.exists():
        return [Live(int(text))]
    if path.suffix.lower() == ".txt" and path.is_file():
        return [*listed(path)]
    try:
        return [*find_images(text)]
    except UserError as error:
        if path.is_dir() and (found := [file for file in path.rglob("*") if is_video(file) and file.is_file()]):
            several = f"{len(found)} videos" if len(found) > 1 else "1 video"
            glob = f'input="{text.rstrip("/")}/**/*{min(found).suffix}"'
            raise UserError(f"input={text}: no photo, but {several} in that folder; name them: {glob}") from None
        raise error


def listed(path: Path) -> list[Path]:
    """Files that a text file names, one a line, relative to its folder; blank lines and those after # are skipped.

    Raises:
        UserError: if it is no text, names no file, or lines name something else; these are counted, and some named.
    """
    if path.stat().st_size > LARGEST_LIST:
        raise UserError(f"input={path}: more than {LARGEST_LIST >> 20} MiB is no list of paths")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UserError(f"input={path}: a list of paths is text in UTF-8, and this is not") from None
    except OSError as error:
        raise UserError(f"input={path}: {(error.strerror or str(error)).lower()}") from None
    named = [(number, line.strip()) for number, line in enumerate(lines, 1)]
    named = [(number, line) for number, line in named if line and not line.startswith("#")]
    if not named:
        raise UserError(f"input={path}: no path in it")
    files = [(number, line, path.parent / Path(line).expanduser()) for number, line in named]
    wrong = [f"line {number} {line}{what}" for number, line, file in files if (what := not_a_file(line, file))]
    if wrong:
        more = f" and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        raise UserError(
            f"input={path}: {len(wrong)} of {len(files)} lines name no file: {'; '.join(wrong[:NAMED])}{more}"
        )
    return [file for _, _, file in files]


def not_a_file(line: str, file: Path) -> str:
    """What a line of a list names instead of a photo or video; '' if it names one."""
    if is_address(line):  # a list may be another's: it opens no connection
        return " (an address is typed: input=rtsp://…)"
    try:
        if file.is_dir():
            return " (a folder)"
        return "" if file.is_file() else " (not there)"
    except (OSError, ValueError):  # too long, or a null character
        return " (no path)"


def paths_of(sources: Sequence[Source]) -> list[Path]:
    """A path for each source, from which its results are named."""
    return [Path(source.name) if isinstance(source, Live) else source for source in sources]
