"""Pictures for the page: samples with their labels drawn, as JPEG within the page itself."""

import base64
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tasks.common.errors import UserError
from tasks.common.labels import VOID, nearest
from tasks.common.palette import palette
from tasks.data.files.images import read_rgb
from tasks.data.files.orientation import turned
from tasks.data.inspect.examine import decode_small
from tasks.data.inspect.finding import Split
from tasks.data.inspect.inspection import having
from tasks.data.inspect.of_labels import images_with
from tasks.data.inspect.summary import class_table
from tasks.detect.draw import draw_boxes
from tasks.segment.draw import overlay

SIDE = 420  # pixels of the longer side
TILES = 24  # pictures on a sheet
EACH = 4  # of one class
QUALITY = 70
MARK = (255, 0, 60)


class Picture(NamedTuple):
    """A picture with its caption; `data` is the content of an `src` attribute."""

    data: str
    caption: str


class Sheet(NamedTuple):
    """Samples with the labels of one kind."""

    kind: str
    pictures: Sequence[Picture]


def sheets(splits: Sequence[Split], classes: Mapping[str, Sequence[Any]]) -> list[Sheet]:
    """A sheet for each kind of label: the rarest classes first, spread over the data set."""
    made = []
    for kind, rows in class_table(splits).items():
        parts = having(splits, kind)
        totals = [sum(row[split.name] for split in parts) for row in rows]
        order = [number for number in np.argsort(totals, kind="stable").tolist() if totals[number]]
        each = max(1, min(EACH, TILES // max(1, len(order))))
        chosen: dict[tuple[str, int], str] = {}
        for number in order:
            for split, index in spread(parts, kind, number, each):
                if len(chosen) < TILES:
                    chosen.setdefault((split.name, index), rows[number]["name"])
        by_name = {split.name: split for split in parts}
        pictures = [
            Picture(picture(by_name[side], index, classes), f"{name} — {side}/{by_name[side].file(index)}")
            for (side, index), name in chosen.items()
        ]
        made.append(Sheet(kind, [each for each in pictures if each.data]))
    return made


def spread(splits: Sequence[Split], kind: str, label: int, count: int) -> list[tuple[Split, int]]:
    """Some images with a class, of the first split that has it."""
    for split in splits:
        rows = images_with(split, kind, label)
        rows = rows[split.examined.read[rows]]
        if len(rows):
            few = (
                rows[:count]
                if kind == "mask"
                else rows[np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int)]
            )
            return [(split, index) for index in few.tolist()]
    return []


def picture(
    split: Split,
    index: int,
    classes: Mapping[str, Sequence[Any]],
    mark: Sequence[float] | None = None,
    upright: bool | None = None,
) -> str:
    """A sample with its labels drawn, or the image alone if its labels do not fit; '' if it cannot be decoded.

    Args:
        classes: of the data set, by kind of label.
        mark: xyxy of a box to point at, in the image's pixels.
        upright: whether the photo is turned by its EXIF orientation, with the labels drawn where its files say;
            None for as the data set reads it.
    """
    try:
        sample = split.samples.read(index) if upright is None else one_way(split.samples, index, upright)
    except UserError:
        try:
            small, *_ = decode_small(split.samples.path(index), split.samples.white)
        except (UserError, AttributeError):
            return ""
        return encoded(small)
    image = Image.fromarray(sample["image"])
    scale = min(1.0, SIDE / max(image.size))
    size = max(1, round(image.height * scale)), max(1, round(image.width * scale))
    pixels = np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR))
    if "mask" in sample and "mask" in classes:
        mask = sample["mask"]
        labels = mask[nearest(mask.shape[0], size[0])][:, nearest(mask.shape[1], size[1])]
        laid = overlay(pixels, np.where(labels == VOID, 0, labels), colours_of(classes["mask"]))
        pixels = np.where((labels == VOID)[..., None], pixels // 2, laid)
    canvas = Image.fromarray(pixels)
    if "bboxes" in sample and "boxes" in classes:
        names = split.classes["boxes"]
        boxes = sample["bboxes"]
        canvas = draw_boxes(pixels, boxes[:, :4] * scale, boxes[:, 4].astype(np.int64), None, names, legend=False)
    if mark is not None:
        times = scale * canvas.width / size[1]
        x1, y1, x2, y2 = (value * times for value in mark)
        corners = (min(x1, x2) - 2, min(y1, y2) - 2, max(x1, x2) + 2, max(y1, y2) + 2)
        ImageDraw.Draw(canvas).rectangle(corners, outline=MARK, width=3)
    return encoded(canvas)


def one_way(samples: Any, index: int, upright: bool) -> dict[str, NDArray[Any]]:
    """A sample whose photo is upright or as stored, whether or not its labels have that size.

    Raises:
        UserError: for a file that cannot be decoded.
    """
    image = read_rgb(samples.path(index), upright=upright, white=samples.white)
    sample: dict[str, NDArray[Any]] = {"image": image}
    if (masks := getattr(samples, "masks", None)) is not None:
        mask = masks.read(index)
        sample["mask"] = turned(mask, masks.turn(index)) if upright else mask
    if (boxes := getattr(samples, "boxes", None)) is not None:
        sample["bboxes"] = boxes.to_train(index)
        if getattr(samples, "relative", False):
            height, width = boxes.sizes[index].tolist()
            sample["bboxes"][:, :4] *= np.array([image.shape[1] / width, image.shape[0] / height] * 2, np.float32)
    return sample


def colours_of(classes: Sequence[Any]) -> list[tuple[int, ...]]:
    """The colours of the classes of a label map."""
    own = [entry[2] if not isinstance(entry, str) and len(entry) > 2 else None for entry in classes]
    return [tuple(map(int, colour)) if colour else other for colour, other in zip(own, palette(len(own)), strict=True)]


def encoded(image: Image.Image) -> str:
    """A picture as a data URI."""
    image = image.convert("RGB")
    image.thumbnail((SIDE, SIDE))
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()
