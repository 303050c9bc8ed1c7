"""Layouts that are not read here: their names, and the well-kept converter of each."""

import re

from tasks.data.recognise.listing import Listing
from tasks.data.recognise.reading import Foreign

TABLE = "a table of boxes"
TO_COCO = "datum convert -if {} -i <folder> -f coco -o <new folder> -- --save-media (pip install datumaro)"
KITTI = re.compile(r"\S+ -?\d+(\.\d+)? -?\d+ -?\d+(\.\d+)?( -?\d+(\.\d+)?){11,12}")
BOX_ROW = re.compile(r"[^,]+\.\w+,\d*\.?\d*,\d*\.?\d*,\d*\.?\d*,\d*\.?\d*,[^,]*")
WITH_BOXES = re.compile(r"\bx_?min\b|\bxmax\b", re.IGNORECASE)


def find(listing: Listing) -> list[Foreign]:
    """What other layouts the folder has."""
    texts = [listing.head(path) for path in listing.every(".json", depth=2)][:40]
    tables = {path: listing.head(path) for path in listing.every(".csv", depth=1)}
    xmls = [listing.head(path) for path in listing.every(".xml", depth=1)][:10]
    labels = [listing.head(path) for path in listing.every(".txt", depth=3) if "label" in path.lower()][:10]
    rules = (
        ("KITTI", any(KITTI.match(text) for text in labels), TO_COCO.format("kitti_detection")),
        ("Open Images", any(text.startswith("ImageID,Source,LabelName") for text in tables.values()),
         TO_COCO.format("open_images")),
        ("CVAT's XML", any("<annotations>" in text and "<image " in text for text in xmls),
         f"export the task from CVAT as COCO 1.0, or {TO_COCO.format('cvat')}"),
        ("VIA", any('"shape_attributes"' in text for text in texts),
         "globox convert via.json coco.json -f via-json -F coco -d <images> (pip install globox)"),
        ("Supervisely", any('"classTitle"' in text or '"geometryType"' in text for text in texts),
         "supervisely.Project(<folder>, supervisely.OpenMode.READ).to_coco(<new folder>, copy_images=True) "
         "(pip install supervisely)"),
        ("Label Studio", any('"original_width"' in text and '"result"' in text for text in texts),
         "export the project as COCO or YOLO, or label-studio-converter export -i <file> -c <config.xml> -o <new "
         "folder> -f COCO (pip install label-studio-sdk)"),
        ("Datumaro", any('"items"' in text and '"categories"' in text for text in texts), TO_COCO.format("datumaro")),
        ("CreateML", any('"coordinates"' in text and '"label"' in text for text in texts),
         "export the set as COCO or YOLO instead"),
        (TABLE, any(WITH_BOXES.search(text.partition("\n")[0]) for text in tables.values())
         or any(BOX_ROW.match(text) for text in tables.values()),
         "docs/own_data.md has a reader of such tables, to be adapted to its columns"),
    )  # fmt: skip
    found = [Foreign(name, way) for name, there, way in rules if there]
    return [one for one in found if one.layout != TABLE or len(found) == 1]
