"""Finds the instance files and images in the folder that a tool exports: Roboflow, CVAT, Label Studio, COCO itself."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tasks.common.errors import UserError
from tasks.data.datasets.instance_files import Source
from tasks.data.files.opening import open_file, shown
from tasks.data.files.split_names import TRAIN, VAL
from tasks.data.files.walk import found_in, is_image

HEAD = 1 << 16  # bytes of a file in which one of its lists begins
LISTS = re.compile(rb'"(images|annotations|categories)"\s*:\s*\[')
WORDS = dict.fromkeys(TRAIN, "train") | dict.fromkeys(VAL, "val") | {"test": "test"}
WHOLE = "all"  # images that are in no split
LONG_FORM = "dataset.{0}.images=<folder> dataset.{0}.annotations=<file.json>"


class Export(NamedTuple):
    """What was found in an export's folder: the location of each split, and of those passed over."""

    sources: Mapping[str, Source]
    passed_over: tuple[Path, ...] = ()

    def line(self, root: Path) -> str:
        """One line that says what was found."""
        parts = [
            f"{split}: {shown(below(source.annotations, root))} with {shown(below(source.images, root))}"
            for split, source in self.sources.items()
        ]
        parts += [f"not used: {shown(below(path, root))}" for path in self.passed_over]
        return f"found in {shown(root)}: {'; '.join(parts)}"


def find_export(root: Path, draws: bool) -> Export:
    """The instance files in a folder or in one below it, by the splits in their names, and each one's images.

    The images are beside the file in a folder named like a split (Roboflow), or in images/<split>/, <split>/, images/
    or the root. A file without a split in its name is the training file if validation images are drawn.

    Args:
        draws: whether validation images are drawn from the training images.

    Raises:
        UserError: for no such file, several for a split, or images that are in no split without a share to draw.
    """
    if not root.is_dir():
        raise UserError(f"dataset.root={shown(root)}: no such folder")
    by_split: dict[str, list[Path]] = defaultdict(list)
    files = list(instance_files(root))
    for path in files:
        by_split[split_of(path, root)].append(path)
    if not files:
        raise UserError(
            f"dataset.root={shown(root)}: no JSON file of COCO's format in it or in a folder of it (found: "
            f"{found_in(root)}); elsewhere: {LONG_FORM.format('train')}"
        )
    trained, scored, whole = by_split["train"], by_split["val"], by_split[WHOLE]
    if draws and not scored and not trained:
        trained, whole = whole, []
    several = (
        [*trained, *scored, *whole] if len(trained) > 1 or len(scored) > 1 or (whole and (trained or scored)) else []
    )
    several = several or (whole if len(whole) > 1 else [])
    if several:
        some = ", ".join(shown(below(path, root)) for path in several[:6]) + (", …" if len(several) > 6 else "")
        raise UserError(
            f"dataset.root={shown(root)}: {some} may all be meant: {LONG_FORM.format('train')}, and the same for val"
        )
    if draws and scored:
        raise UserError(f"dataset.val.share: {shown(scored[0])} has validation images already: leave share out")
    if not draws and not scored:
        only = (trained or whole or by_split["test"])[0]
        raise UserError(
            f"dataset.root={shown(root)}: {shown(below(only, root))} is no validation file: dataset.val.share=0.2 "
            f"draws validation images; to score on another file, without root: {LONG_FORM.format('train')} "
            f"{LONG_FORM.format('val')}"
        )
    chosen = {"train": trained, "val": scored}
    sources = {split: Source(images_of(paths[0], root), paths[0]) for split, paths in chosen.items() if paths}
    return Export(sources, tuple(by_split["test"]))


def instance_files(root: Path) -> Iterator[Path]:
    """JSON files of COCO's format in a folder and in those directly below it; if some are called instances_*, as beside
    COCO's captions and keypoints, only they."""
    folders = [root, *sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))]
    found = [path for folder in folders for path in sorted(folder.glob("*.json")) if is_instances(path)]
    named = [path for path in found if path.name.startswith("instances_")]
    yield from named or found


def is_instances(path: Path) -> bool:
    """Whether a file begins like COCO's."""
    with suppress(OSError), open_file(path) as file:
        return LISTS.search(file.read(HEAD)) is not None
    return False


def split_of(path: Path, root: Path) -> str:
    """The split in a file's name, or in its folder's: train, val, test or all."""
    names = [path.stem] if path.parent == root else [path.stem, path.parent.name]
    for name in names:
        found = {WORDS[word] for word in re.findall(r"[a-z]+", name.casefold()) if word in WORDS}
        if len(found) == 1:
            return found.pop()
    return WHOLE


def images_of(annotations: Path, root: Path) -> Path:
    """The folder of a file's images: the first that holds any, of those where tools put them."""
    names = [re.sub(r"^instances_", "", annotations.stem), split_of(annotations, root)]
    names += [word for word, split in WORDS.items() if split == names[1]]
    beside = [] if annotations.parent == root else [annotations.parent / "images", annotations.parent]
    places = [*(root / "images" / name for name in names), *(root / name for name in names), root / "images"]
    for folder in (*beside, *places, root):
        if folder.is_dir() and has_image(folder):
            return folder
    return root / "images"


def has_image(folder: Path) -> bool:
    """Whether an image lies anywhere below a folder."""
    return any(is_image(name) for _, _, names in os.walk(folder) for name in names)


def below(path: Path, root: Path) -> Path:
    """A path as it is below the root."""
    return path.relative_to(root) if path.is_relative_to(root) else path
