"""Instance files in the cache of parsed files: reading COCO's takes a minute, and its arrays a second."""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tasks.common.errors import UserError
from tasks.data.files.cache import cached, stamp
from tasks.data.files.coco_json import Instances, read_instances
from tasks.data.files.opening import reason, shown
from tasks.data.files.shapes import Shapes
from tasks.data.files.texts import Texts

VERSION = 1  # of read_instances: another one reads all files again
NUMBERS = ("image_ids", "sizes", "owners", "boxes", "kinds", "areas", "crowd", "ids", "outlined")


def open_instances(path: Path, *, outlines: bool = False) -> Instances:
    """Read a file, or what was read of it before. See read_instances.

    Raises:
        UserError: for an error in it.
    """
    try:
        source = stamp(path)
    except OSError as error:
        raise UserError(f"cannot read {shown(path)}: {reason(path, error)}") from error
    kind = f"coco{'-outlines' if outlines else ''} {VERSION}"
    return of_arrays(path, cached(kind, [source], lambda: to_arrays(read_instances(path, outlines=outlines))))


def to_arrays(content: Instances) -> dict[str, NDArray[Any]]:
    """The content of a file as arrays."""
    arrays: dict[str, NDArray[Any]] = {name: getattr(content, name) for name in NUMBERS}
    arrays["category_ids"] = np.array([number for _, number in content.categories], np.int64)
    named = {"categories": [name for name, _ in content.categories], "files": content.files, "notes": content.notes}
    for key, values in named.items():
        texts = Texts(values)
        arrays[f"{key}.bytes"], arrays[f"{key}.ends"] = np.frombuffer(texts.bytes, np.uint8), texts.ends
    for key, array in ({} if content.shapes is None else content.shapes._asdict()).items():
        arrays[f"shapes.{key}"] = array
    return arrays


def of_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> Instances:
    """The content of a file from its arrays."""

    def texts(key: str) -> list[str]:
        found, ends = arrays[f"{key}.bytes"].tobytes(), arrays[f"{key}.ends"].tolist()
        return [found[start:end].decode() for start, end in pairwise(ends)]

    parts = {key.removeprefix("shapes."): array for key, array in arrays.items() if key.startswith("shapes.")}
    return Instances(
        path=path,
        categories=list(zip(texts("categories"), arrays["category_ids"].tolist(), strict=True)),
        files=texts("files"),
        notes=texts("notes"),
        shapes=Shapes(*(parts[field] for field in Shapes._fields)) if parts else None,
        image_ids=arrays["image_ids"],
        sizes=arrays["sizes"],
        owners=arrays["owners"],
        boxes=arrays["boxes"],
        kinds=arrays["kinds"],
        areas=arrays["areas"],
        crowd=arrays["crowd"],
        ids=arrays["ids"],
        outlined=arrays["outlined"],
    )
