"""Splits of images and label files that text files name."""

from pathlib import Path, PurePosixPath

from tasks.common.errors import UserError
from tasks.data.files.pairs import Pairs

LISTS = (".txt", ".lst")  # suffixes


def is_list(split: str) -> bool:
    """Whether a split is a text file that names its images."""
    return split.endswith(LISTS)


def named(pairs: Pairs, file: Path) -> Pairs:
    """The pairs whose images a text file names: by path, by name or by name without suffix, one in each line.

    Raises:
        UserError: for a name that is no image's, or several images'.
    """
    places: dict[str, set[int]] = {}
    every = [*pairs.images, *pairs.alone]
    for number, image in enumerate(every):
        path = PurePosixPath(image)
        for name in {image, str(path.with_suffix("")), path.name, path.stem}:
            places.setdefault(name, set()).add(number)
    lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    chosen: list[int] = []
    lost: list[str] = []
    for line in lines:
        place = found_by(places, line)
        lost += [line] if place is None else []
        chosen += [] if place is None else [place]
    if lost or not lines:
        what = f"{len(lost)} of {len(lines)} lines name no image, such as '{lost[0]}'" if lost else "it is empty"
        raise UserError(f"{file}: {what} (images: {', '.join(every[:2])}, …)")
    order = sorted(set(chosen))
    kept = [number for number in order if number < len(pairs.images)]
    return pairs._replace(
        images=[pairs.images[number] for number in kept],
        labels=[pairs.labels[number] for number in kept],
        alone=[every[number] for number in order if number >= len(pairs.images)],
        lost=[],
    )


def found_by(places: dict[str, set[int]], line: str) -> int | None:
    """The number of the image that a line names: the whole line, its first word, or the end of its path."""
    for text in (line, line.split()[0]):
        path = text.lstrip("./").replace("\\", "/")
        for start in range(path.count("/") + 1):
            numbers = places.get("/".join(path.split("/")[start:]), set())
            if len(numbers) == 1:
                return next(iter(numbers))
    return None
