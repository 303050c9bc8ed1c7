"""Writes a data set in COCO's format or in Cityscapes' layout in other formats, with all digits."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tasks.data.datasets.cityscapes_classes import CLASSES


def coco_to_yolo(instances: Path, images: Path, out: Path, split: str) -> Path:
    """Write a split as `<out>/images/<split>/` (links) and `<out>/labels/<split>/`, and name it in `<out>/data.yaml`.

    Images are listed by ascending id, as scores break ties; classes are numbered by ascending id. Crowds are left out:
    the format has none.

    Returns:
        data.yaml.
    """
    content = json.loads(instances.read_text())
    number = {category["id"]: place for place, category in enumerate(by_id(content["categories"]))}
    rows: dict[int, list[str]] = {image["id"]: [] for image in content["images"]}
    size = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    for one in content["annotations"]:
        if not one.get("iscrowd"):
            width, height = size[one["image_id"]]
            x, y, w, h = one["bbox"]
            values = ((x + w / 2) / width, (y + h / 2) / height, w / width, h / height)
            rows[one["image_id"]].append(" ".join(map(repr, (number[one["category_id"]], *values))))
    for folder in ("images", "labels"):
        (out / folder / split).mkdir(parents=True)
    listed = []
    for image in by_id(content["images"]):
        name = Path(image["file_name"]).name
        (out / "images" / split / name).symlink_to((images / image["file_name"]).resolve())
        (out / "labels" / split / name).with_suffix(".txt").write_text("".join(f"{row}\n" for row in rows[image["id"]]))
        listed.append(f"./images/{split}/{name}\n")
    (out / f"{split}.txt").write_text("".join(listed))
    splits = "".join(f"{path.stem}: {path.name}\n" for path in sorted(out.glob("*.txt")))
    names = [category["name"] for category in by_id(content["categories"])]
    data = out / "data.yaml"
    data.write_text(f"{splits}nc: {len(names)}\nnames: {json.dumps(names)}\n")
    return data


def by_id(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows in the order of their ids."""
    return sorted(rows, key=lambda row: row["id"])


def cityscapes_to_colours(root: Path, out: Path, frames: int = 51) -> Path:
    """Write Cityscapes' label ids as colour masks: `<out>/images/<split>/` (links), `<out>/masks/<split>/*_mask.png`,
    at most `frames` of each split.

    The classes' official colours are listed in `<out>/class_dict.csv`; void is black.

    Returns:
        the folder.
    """
    table = np.zeros((256, 3), np.uint8)
    for label in CLASSES:
        table[label.label_id] = label.colour
    splits = [sorted(folder.glob("*/*_leftImg8bit.png")) for folder in sorted(root.glob("leftImg8bit/*"))]
    for image in (image for images in splits for image in images[:frames]):
        split, city = image.parts[-3:-1]
        stem = image.name.removesuffix("_leftImg8bit.png")
        ids = np.asarray(Image.open(root / "gtFine" / split / city / f"{stem}_gtFine_labelIds.png"))
        for kind in ("images", "masks"):
            (out / kind / split).mkdir(parents=True, exist_ok=True)
        (out / "images" / split / f"{stem}.png").symlink_to(image.resolve())
        Image.fromarray(table[ids]).save(out / "masks" / split / f"{stem}_mask.png", compress_level=1)
    rows = [f"{label.name},{','.join(map(str, label.colour))}\n" for label in CLASSES]
    (out / "class_dict.csv").write_text("name,r,g,b\n" + "".join(rows))
    return out
