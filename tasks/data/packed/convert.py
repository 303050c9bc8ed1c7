"""A sample as it goes into a shard: the file's own bytes, or a smaller JPEG with labels that fit it."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tasks.common.annotations import Annotations
from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.data.files.images import look, opened_size, read_rgb
from tasks.data.files.opening import open_file, opened

SUFFIXES = {"JPEG": "jpg", "MPO": "jpg", "PNG": "png", "BMP": "bmp", "PPM": "ppm", "GIF": "gif", "WEBP": "webp"}
SUFFIXES |= {"TIFF": "tif", "JPEG2000": "jp2", "AVIF": "avif", "TGA": "tga", "DIB": "dib"}


class Form(NamedTuple):
    """How images are stored.

    Attributes:
        side: of the shorter side, for images that are larger; None keeps every file's bytes.
        quality: of JPEG, for those that are made smaller.
    """

    side: int | None
    quality: int


class Converted(NamedTuple):
    """A sample to write.

    Attributes:
        name: before it was packed.
        members: bytes by extension; the first is the image.
        size: (height, width) of the image as it is read.
        turned: whether the bytes are turned by their EXIF orientation when read.
        has_turn: whether the file had such an orientation, and whether it was followed.
        mask: (H, W) class numbers; None without.
        label, multilabel: None without.
        truth: the boxes; None without.
        taught: (K, 5) the boxes that training reads; None without.
    """

    name: str
    members: Mapping[str, bytes]
    size: tuple[int, int]
    turned: bool
    has_turn: tuple[bool, bool]
    mask: Pixels | None
    label: int | None
    multilabel: NDArray[np.uint8] | None
    truth: Annotations | None
    taught: NDArray[np.float32] | None


def convert(samples: Any, index: int, form: Form, kinds: tuple[str, ...]) -> Converted:
    """Read a sample and make it as the form says.

    Args:
        samples: see Samples; those of files keep these.
        kinds: of labels that are packed.

    Raises:
        UserError: for what cannot be read.
    """
    seen: list[Path | Pixels] = []

    def view(source: Path | Pixels) -> Pixels:
        """Called with what decodes to the image: the file itself, or pixels that were turned or come from no file."""
        seen.append(source)
        return np.zeros((1, 1, 3), np.uint8)

    sample = samples.read(index, view)
    (source,) = seen
    file, turned, followed = stored_file(samples, index, source)
    size = opened_size(source).size if isinstance(source, Path) else (source.shape[0], source.shape[1])
    scaled = smaller(size, form.side)
    truth = samples.annotations(index) if "boxes" in kinds else None
    mask = sample["mask"] if "mask" in kinds else None
    taught = sample["bboxes"] if truth is not None and scaled == size else None
    if scaled != size:
        content, suffix = as_jpeg(pixels_of(source), scaled, form.quality), "jpg"
        truth = None if truth is None else resized_boxes(truth, scaled)
        mask = None if mask is None else resized_mask(mask, scaled)
        size, turned = scaled, False
    elif file is not None:
        content, suffix = file
    else:
        content, suffix = as_png(pixels_of(source)), "png"
    members = {suffix: content}
    if mask is not None:
        members["mask.png"] = as_png(mask)
    label = int(sample["label"]) if "label" in kinds else None
    multilabel = sample["multilabel"] if "multilabel" in kinds else None
    if label is not None:
        members["cls"] = str(label).encode()
    if truth is not None or multilabel is not None:
        members["json"] = json.dumps(as_json(truth, multilabel)).encode()
    return Converted(
        samples.name(index), members, size, turned, (followed is not None, bool(followed)), mask, label, multilabel,
        truth, taught,
    )  # fmt: skip


def stored_file(samples: Any, index: int, source: Path | Pixels) -> tuple[tuple[bytes, str] | None, bool, bool | None]:
    """The bytes and the extension of a file that decodes to the image, and whether that is turned by its EXIF data.

    None if there is no such file. The last is whether an EXIF turn was followed, None without a turn.
    """
    path = source if isinstance(source, Path) else path_of(samples, index)
    if path is None:
        return None, False, None
    with opened(path) as image:
        suffix = SUFFIXES.get(image.format or "", "img")
    turn = look(path).turn  # which also finds truncated files, whose bytes would be copied
    followed = None if turn == 1 else not isinstance(source, Path)
    if not isinstance(source, Path) and (turn == 1 or not np.array_equal(read_rgb(path, upright=True), source)):
        return None, False, followed  # its pixels were changed otherwise
    try:
        with open_file(path) as content:  # which may be in memory: of data that is packed already
            return (content.read(), suffix), not isinstance(source, Path), followed
    except OSError as error:
        raise UserError(f"cannot read image {path}: {error.strerror or error}") from error


def path_of(samples: Any, index: int) -> Path | None:
    """The file of an image, also in a subset; None if it has none."""
    while hasattr(samples, "numbers") and hasattr(samples, "samples"):
        samples, index = samples.samples, samples.numbers[index]
    return samples.path(index) if hasattr(samples, "path") else None


def pixels_of(source: Path | Pixels) -> Pixels:
    """(H, W, 3) RGB."""
    return source if isinstance(source, np.ndarray) else read_rgb(source)


def smaller(size: tuple[int, int], side: int | None) -> tuple[int, int]:
    """(height, width) with the shorter side made `side`; smaller images keep their size."""
    height, width = size
    if side is None or min(height, width) <= side:
        return height, width
    scale = side / min(height, width)
    return max(side, round(height * scale)), max(side, round(width * scale))


def as_jpeg(pixels: Pixels, size: tuple[int, int], quality: int) -> bytes:
    """JPEG of the image resized with antialiasing, as when it is scored."""
    file = io.BytesIO()
    image = Image.fromarray(pixels).resize(size[::-1], Image.Resampling.BILINEAR)
    image.save(file, "JPEG", quality=quality)
    return file.getvalue()


def as_png(pixels: Pixels) -> bytes:
    """PNG of (H, W, 3) RGB or (H, W) class numbers: without loss."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG")
    return file.getvalue()


def resized_mask(mask: Pixels, size: tuple[int, int]) -> Pixels:
    """Label map of the nearest pixels."""
    return np.asarray(Image.fromarray(np.ascontiguousarray(mask)).resize(size[::-1], Image.Resampling.NEAREST))


def resized_boxes(truth: Annotations, size: tuple[int, int]) -> Annotations:
    """Boxes, and the areas of their objects, in an image of another size."""
    y, x = size[0] / truth.height, size[1] / truth.width
    return truth._replace(
        height=size[0], width=size[1], boxes=truth.boxes * np.array([x, y, x, y]), areas=truth.areas * (x * y)
    )


def as_json(truth: Annotations | None, multilabel: NDArray[np.uint8] | None) -> dict[str, Any]:
    """Labels for other readers of the shards; ours reads the columns."""
    content: dict[str, Any] = {}
    if truth is not None:
        content |= {"image_id": truth.image_id, "height": truth.height, "width": truth.width}
        content |= {"boxes": truth.boxes.tolist(), "labels": truth.labels.tolist(), "areas": truth.areas.tolist()}
        content["crowd"] = truth.crowd.tolist()
    if multilabel is not None:
        content["classes"] = np.flatnonzero(multilabel).tolist()
    return content


def must_pack_alike(name: str, taught: NDArray[np.float32] | None, packed: NDArray[np.float32]) -> None:
    """Raises a UserError if training would read other boxes from the shards: those of a plug-in's own making."""
    if taught is not None and not np.array_equal(taught, packed):
        raise UserError(f"{name}: its training boxes do not follow from its annotations, so that they cannot be packed")
