"""Finds the image of each of LabelMe's files."""

import os
from collections.abc import Sequence
from pathlib import Path, PureWindowsPath

from tasks.common.errors import UserError
from tasks.data.files.labelme_json import LabelledShapes
from tasks.data.files.slashes import below, normal
from tasks.data.files.stems import Stems, stem_of
from tasks.data.files.walk import files_below


def find_images(
    folder: Path, jsons: Sequence[str], content: LabelledShapes, images: Path | None
) -> tuple[Path, list[str]]:
    """The folder of the images, and their files below it.

    An image is where the JSON says, seen from there; else it has that name, or the JSON's stem, below the folder.

    Args:
        folder: of the JSON files.
        jsons: their paths below it.
        images: folder of the images; None for the same.

    Raises:
        UserError: for a missing or ambiguous image, or two files of one image.
    """
    place = images or folder
    if not place.is_dir():
        raise UserError(f"dataset.images: no such folder as {place}")
    base, stems = str(place.absolute()), Stems(place, files_below(place))
    found: list[str] = []
    owners: dict[str, str] = {}
    for json, written, embedded in zip(jsons, content.images, content.embedded.tolist(), strict=True):
        file = image_of(json, written, stems, None if images else folder)
        if file is None:
            copy = "; the JSON holds a copy of it (imageData), which is not read: save it as a file" if embedded else ""
            raise UserError(f"{folder / json}: its image {written or stem_of(json)} is not in {place}{copy}")
        file = file if os.path.isabs(file) else normal(f"{base}/{file}")  # noqa: PTH117 - a text
        if (other := owners.setdefault(file, json)) != json:
            raise UserError(f"{folder / json} and {other} are both of the image {file}: keep one of them")
        found.append(file)
    if all(file.startswith(f"{base}/") for file in found):
        return place, [file[len(base) + 1 :] for file in found]
    whole = os.path.commonpath([os.path.dirname(file) for file in found])  # noqa: PTH120 - a text
    return Path(whole), [below(file, whole) for file in found]


def image_of(json: str, written: str, stems: Stems, folder: Path | None) -> str | None:
    """The image of a JSON file below the folder of the images, or its absolute path elsewhere; None if there is none.

    Args:
        written: its path in the JSON.
        stems: of the images.
        folder: of the JSON files, from where a path leads elsewhere; None to look only among the images.
    """
    said = written.replace("\\", "/")
    here = os.path.dirname(json)  # noqa: PTH120 - a text
    if PureWindowsPath(written).is_absolute() or said.startswith("/"):  # on another machine
        said = said.rpartition("/")[2]
    exact = normal(f"{here}/{said}" if here else said) if said else ""
    if exact in stems.all:
        return exact
    if exact.startswith("../") and folder and (outside := folder.absolute() / exact).is_file():
        return normal(outside)
    return (stems.find(said.rpartition("/")[2]) if said else None) or stems.find(stem_of(json))
