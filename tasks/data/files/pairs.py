"""Pairs image files with their label files by patterns."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple
from unicodedata import normalize

from tasks.common.errors import UserError
from tasks.data.files.patterns import ANY, Pattern, listed_below
from tasks.data.files.walk import is_image

JPEG = (".jpg", ".jpeg")


class Pairs(NamedTuple):
    """Images and label files of a split, below one folder.

    Attributes:
        images: paths of the images that have labels.
        labels: of each image, its label file; with {class} in the pattern, one for each class, '' for a missing one.
        classes: texts for {class}, sorted; [] without it.
        alone: images without a label file.
        lost: label files without an image.
    """

    images: list[str]
    labels: list[list[str]]
    classes: list[str]
    alone: list[str]
    lost: list[str]


def find_pairs(root: Path, images: Pattern, masks: Pattern) -> Pairs:
    """The pairs of a split whose name the patterns hold already.

    Raises:
        UserError: if a label file is two images', or an image has several.
    """
    masks_below = listed_below(root, masks.folder)
    found = candidates(root, images, masks)
    if "class" in masks.names:  # {stem}/{class}.png is also {stem}/photo.png
        masks_below = [file for file in masks_below if file not in found] or masks_below
    by_key = labels_by_key(masks, masks_below)
    classes = sorted({name for files in by_key.values() for name in files if name})
    columns = classes or [""]
    used = set[str]()
    kept, labels, alone = list[str](), list[list[str]](), list[str]()
    for file, groups in found.items():
        files = by_key.get(key_of(masks, groups), {})
        own = [[name for name in files.get(column, []) if name != file] for column in columns]
        if several := next((names for names in own if len(names) > 1), None):
            raise UserError(f"{file} has several label files: {', '.join(several[:4])}; set dataset.template")
        if not any(own):
            alone.append(file)
            continue
        kept.append(file)
        labels.append([names[0] if names else "" for names in own])
        used |= {name for names in own for name in names}
    kept, labels, alone = without_labels(kept, labels, alone, used)
    first: dict[str, str] = {}
    for file, row in zip(kept, labels, strict=True):
        for name in filter(None, row):
            if name in first:
                raise UserError(f"{name} would be the label file of two images, {first[name]} and {file}")
            first[name] = file
    every = {name for files in by_key.values() for names in files.values() for name in names}
    lost = sorted(every - used - {*kept, *alone})
    return Pairs(kept, labels, classes, alone, lost)


def without_labels(
    kept: list[str], labels: list[list[str]], alone: list[str], used: set[str]
) -> tuple[list[str], list[list[str]], list[str]]:
    """Images, their label files and images without, less the files that are label files of others."""
    pairs = [(file, row) for file, row in zip(kept, labels, strict=True) if file not in used]
    return [file for file, _ in pairs], [row for _, row in pairs], [file for file in alone if file not in used]


def candidates(root: Path, images: Pattern, masks: Pattern) -> dict[str, dict[str, str]]:
    """Files that may be images, with the texts for the names in their pattern; those in the label files' own folder
    are none."""
    files = listed_below(root, images.folder)
    inner = masks.folder if masks.folder != images.folder and within(masks.folder, images.folder) else None
    return {
        file: groups
        for file in files
        if is_image(PurePosixPath(file).name) and not (inner is not None and within(file, inner))
        if (groups := images.groups(file)) is not None
    }


def within(path: str, folder: str) -> bool:
    return not folder or path == folder or path.startswith(f"{folder}/")


def key_of(masks: Pattern, groups: Mapping[str, str]) -> tuple[str, ...]:
    """The texts that an image and its label file share.

    Raises:
        UserError: for a name that the images' pattern lacks.
    """
    wanted = [name for name in dict.fromkeys(masks.names) if name != "class"]
    if missing := [name for name in wanted if name not in groups]:
        raise UserError(
            f"{masks.key}={masks.text}: {{{missing[0]}}} is not in dataset.images; there: {', '.join(groups)}"
        )
    return tuple(groups[name] for name in wanted)


def labels_by_key(masks: Pattern, files: Sequence[str]) -> dict[tuple[str, ...], dict[str, list[str]]]:
    """Label files by the texts that they share with their images, and by class ('' without {class})."""
    found: dict[tuple[str, ...], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for file in files:
        groups = masks.groups(file)
        if groups is not None:
            found[key_of(masks, groups)][groups.get("class", "")].append(file)
    return found


def find_template(root: Path, images: Pattern, masks: str, split: Mapping[str, str]) -> str:
    """The file names of the labels in a folder, seen from their images' names: {stem}.png, {stem}_mask.png, …

    Args:
        images: with {stem}.
        masks: folder of the label files; may hold {split} and other names of `images`.

    Raises:
        UserError: if none fits, or several fit equally well.
    """
    fits: Counter[str] = Counter()
    suffixes: dict[str, set[str]] = defaultdict(set)
    by_folder: dict[str, set[str]] = defaultdict(set)
    stems: dict[str, str] = {}
    folder = Pattern(f"{masks}/{{stem}}{ANY}" if masks != "." else f"{{stem}}{ANY}", "dataset.masks").filled(split)
    for file, groups in candidates(root, images.filled(split), folder).items():
        place = Pattern(masks, "dataset.masks").filled({**groups, **split}).text
        by_folder[place].add(groups["stem"])
        stems.setdefault(f"{place}/{groups['stem']}", file)
    for place, own in by_folder.items():
        below = PurePosixPath(place)
        for file in listed_below(root, place):
            name = PurePosixPath(file).relative_to(below).as_posix() if place != "." else file
            stem, suffix = normalize("NFC", str(PurePosixPath(name).with_suffix(""))), PurePosixPath(name).suffix
            for end in range(1, len(stem) + 1):
                if stem[:end] in own and not is_same(file, suffix, stem, end, stems, place, own):
                    fits[stem[end:]] += 1
                    suffixes[stem[end:]].add(suffix)
    if not fits:
        names = listed_below(root, folder.folder)
        there = ", ".join(PurePosixPath(name).name for name in names[:2]) or "no file"
        raise UserError(
            f"no label file in {root / folder.folder} is named like an image "
            f"({next(iter(stems.values()), 'there is none')}; labels: {there}): set dataset.template, such as "
            "{stem}_mask.png"
        )
    (best, count), *others = fits.most_common(2)
    if others and 2 * others[0][1] > count:
        both = f"{shown(best, suffixes)} ({count} files) and {shown(others[0][0], suffixes)} ({others[0][1]})"
        raise UserError(f"two kinds of label files fit the images, {both}: set dataset.template to one")
    return shown(best, suffixes)


def is_same(file: str, suffix: str, stem: str, end: int, stems: Mapping[str, str], place: str, own: set[str]) -> bool:
    """Whether a file is not a label file but the image itself, or the JPEG photo beside its PNG label file."""
    image = stems[f"{place}/{stem[:end]}"]
    return image == file or (end == len(stem) and suffix.lower() in JPEG and stem in own and within(image, place))


def shown(end: str, suffixes: Mapping[str, set[str]]) -> str:
    """A template from what follows the stem."""
    own = suffixes[end]
    return f"{{stem}}{end}{next(iter(own)) if len(own) == 1 else ANY}"
