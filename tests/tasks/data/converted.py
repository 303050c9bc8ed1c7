"""Writes a data set in COCO's format in other formats, with all digits."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


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
