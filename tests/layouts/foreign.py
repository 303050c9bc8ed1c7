"""The files by which other tools' layouts are known; nothing here reads them."""

import json
from pathlib import Path

from tests.layouts.boxes import HEIGHT, NAMES, WIDTH, truth, write_images, write_text

RECT = {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 4}


def write(root: Path, name: str) -> None:
    """Write a miniature in the layout of this name."""
    stems = list(truth())
    if name == "KITTI":
        write_images(root / "training/image_2", stems, ".png")
        for stem in stems:
            row = "bolt 0.00 0 0 1.00 2.00 9.00 9.00 1 1 1 0 0 0 0\n"
            write_text(root / f"training/label_2/{stem}.txt", row)
        return
    write_images(root / "images", stems)
    if name == "Open Images":
        columns = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated\n"
        write_text(root / "train-annotations-bbox.csv", columns + "img_0,xclick,/m/01,1,0.1,0.2,0.1,0.2,0,0\n")
    elif name == "CVAT's XML":
        box = f'<box label="{NAMES[0]}" xtl="1" ytl="2" xbr="3" ybr="4"/>'
        image = f'<image id="0" name="img_0.jpg" width="{WIDTH}" height="{HEIGHT}">{box}</image>'
        write_text(root / "annotations.xml", f"<annotations><version>1.1</version>{image}</annotations>")
    elif name == "VIA":
        region = {"shape_attributes": RECT, "region_attributes": {"class": NAMES[0]}}
        write_text(root / "via.json", json.dumps({"img_0.jpg": {"filename": "img_0.jpg", "regions": [region]}}))
    elif name == "Supervisely":
        points = {"exterior": [[1, 2], [3, 4]], "interior": []}
        objects = [{"classTitle": NAMES[0], "geometryType": "rectangle", "points": points}]
        write_text(root / "ds/ann/img_0.jpg.json", json.dumps({"size": {}, "objects": objects}))
    elif name == "Label Studio":
        result = [{"type": "rectanglelabels", "original_width": WIDTH, "value": {"x": 1, "rectanglelabels": ["bolt"]}}]
        write_text(root / "project.json", json.dumps([{"id": 1, "annotations": [{"result": result}]}]))
