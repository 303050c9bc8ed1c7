"""Converts a data set from COCO's format to VOC's, without lists, to read it by both readers."""

import json
import shutil
from collections import defaultdict
from pathlib import Path
from xml.sax.saxutils import escape

EDGES = ("xmin", "ymin", "xmax", "ymax")


def coco_to_voc_flat(annotations: Path, images: Path, out: Path) -> list[str]:
    """Write `<out>/images/` and `<out>/annotations/*.xml`; a crowd becomes a difficult object.

    Boxes count from 1 and include the last pixel. The objects of an image keep their order.

    Returns:
        Names of the classes by ascending category id.
    """
    content = json.loads(annotations.read_text())
    names = {category["id"]: category["name"] for category in content["categories"]}
    objects: dict[int, str] = defaultdict(str)
    for row in content["annotations"]:
        x, y, width, height = row["bbox"]
        corners = (x + 1, y + 1, x + width, y + height)
        box = "".join(f"<{edge}>{value!r}</{edge}>" for edge, value in zip(EDGES, corners, strict=True))
        difficult = f"<difficult>{row['iscrowd']}</difficult>"
        name = f"<name>{escape(names[row['category_id']])}</name>"
        objects[row["image_id"]] += f"<object>{name}{difficult}<bndbox>{box}</bndbox></object>"
    for folder in ("images", "annotations"):
        (out / folder).mkdir(parents=True, exist_ok=True)
    for image in content["images"]:
        file = out / "images" / image["file_name"]
        shutil.copyfile(images / image["file_name"], file)
        size = f"<size><width>{image['width']}</width><height>{image['height']}</height><depth>3</depth></size>"
        text = f"<annotation><filename>{file.name}</filename>{size}{objects[image['id']]}</annotation>"
        (out / "annotations" / f"{file.stem}.xml").write_text(text)
    return [name for _, name in sorted(names.items())]
