"""Twelve images of 48×64 with one to three coloured rectangles, in the layouts of detection data sets."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

NAMES, COLOURS = ("bolt", "nut"), ((220, 60, 40), (40, 90, 220))
HEIGHT, WIDTH, COUNT, TRAINED = 48, 64, 12, 9
Box = tuple[int, int, int, int, int]  # class, x, y, w, h in pixels
Truth = dict[str, list[Box]]  # boxes by the image's stem


def truth() -> Truth:
    """The boxes of all images; image 5 has none."""
    random = np.random.default_rng(0)
    found: Truth = {}
    for number in range(COUNT):
        boxes = []
        for _ in range(0 if number == 5 else 1 + number % 3):
            w, h = (int(side) for side in random.integers(12, 24, 2))
            x, y = int(random.integers(WIDTH - w)), int(random.integers(HEIGHT - h))
            boxes.append((int(random.integers(2)), x, y, w, h))
        found[f"img_{number}"] = boxes
    return found


def parts(boxes: Truth) -> dict[str, list[str]]:
    """Stems of the training and of the validation images."""
    stems = list(boxes)
    return {"train": stems[:TRAINED], "val": stems[TRAINED:]}


def write_images(folder: Path, stems: Sequence[str], suffix: str = ".jpg") -> None:
    """Write the images of these stems."""
    folder.mkdir(parents=True, exist_ok=True)
    for stem in stems:
        random = np.random.default_rng(sum(map(ord, stem)))
        image = random.integers(90, 150, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        for label, x, y, w, h in truth()[stem]:
            image[y : y + h, x : x + w] = COLOURS[label]
        Image.fromarray(image).save(folder / f"{stem}{suffix}", quality=95)


def write_text(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def corners(box: Box) -> list[tuple[int, int]]:
    _, x, y, w, h = box
    return [(x, y), (x + w, y), (x + w, y + h), (x, y + h)]


def write_yolo(root: Path, *, outlines: bool = False, val: str | None = "valid") -> Truth:
    """<split>/images and <split>/labels with data.yaml; without val, all images are in train."""
    boxes = truth()
    split = parts(boxes) if val else {"train": list(boxes)}
    names = {"train": "train", "val": val or ""}
    for role, stems in split.items():
        write_images(root / names[role] / "images", stems)
        for stem in stems:
            rows = []
            for box in boxes[stem]:
                label, x, y, w, h = box
                numbers = [(x + w / 2) / WIDTH, (y + h / 2) / HEIGHT, w / WIDTH, h / HEIGHT]
                if outlines:
                    numbers = [part for u, v in corners(box) for part in (u / WIDTH, v / HEIGHT)]
                rows.append(" ".join([str(label), *(f"{number:.6f}" for number in numbers)]) + "\n")
            write_text(root / names[role] / "labels" / f"{stem}.txt", "".join(rows))
    said = f"val: ../{val}/images\n" if val else ""
    write_text(root / "data.yaml", f"train: ../train/images\n{said}nc: 2\nnames: ['bolt', 'nut']\n")
    return boxes


def xml_of(stem: str, boxes: Sequence[Box]) -> str:
    """VOC's XML, which counts pixels from 1."""
    objects = "".join(
        f"<object><name>{NAMES[label]}</name><bndbox><xmin>{x + 1}</xmin><ymin>{y + 1}</ymin>"
        f"<xmax>{x + w}</xmax><ymax>{y + h}</ymax></bndbox></object>"
        for label, x, y, w, h in boxes
    )
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    return f"<annotation><filename>{stem}.jpg</filename>{size}{objects}</annotation>"


def write_voc(root: Path, *, lists: bool = True) -> Truth:
    """JPEGImages, Annotations and ImageSets/Main; or images and annotations without lists."""
    boxes = truth()
    images, labels = ("JPEGImages", "Annotations") if lists else ("images", "annotations")
    write_images(root / images, list(boxes))
    for stem, own in boxes.items():
        write_text(root / labels / f"{stem}.xml", xml_of(stem, own))
    for role, stems in parts(boxes).items() if lists else ():
        write_text(root / "ImageSets/Main" / f"{role}.txt", "".join(f"{stem}\n" for stem in stems))
    return boxes


def write_voc_splits(root: Path) -> Truth:
    """Roboflow's: train and valid, with x.xml beside x.jpg."""
    boxes = truth()
    for role, stems in parts(boxes).items():
        folder = root / {"train": "train", "val": "valid"}[role]
        write_images(folder, stems)
        for stem in stems:
            write_text(folder / f"{stem}.xml", xml_of(stem, boxes[stem]))
    return boxes


def write_labelme(root: Path) -> Truth:
    """x.json beside x.jpg, with polygons."""
    boxes = truth()
    write_images(root, list(boxes))
    for stem, own in boxes.items():
        shapes = [
            {"label": NAMES[box[0]], "points": corners(box), "shape_type": "polygon", "group_id": None, "flags": {}}
            for box in own
        ]
        content = {"version": "5.0.1", "flags": {}, "shapes": shapes, "imagePath": f"{stem}.jpg", "imageData": None}
        write_text(root / f"{stem}.json", json.dumps({**content, "imageHeight": HEIGHT, "imageWidth": WIDTH}))
    return boxes


def instances(boxes: Mapping[str, Sequence[Box]], *, outlines: bool, whole: str | None = None) -> str:
    """COCO's JSON; `whole` is the name of Roboflow's category 0."""
    images, annotations = [], []
    for number, (stem, own) in enumerate(boxes.items()):
        images.append({"id": number, "file_name": f"{stem}.jpg", "height": HEIGHT, "width": WIDTH})
        for box in own:
            label, x, y, w, h = box
            row = {"id": len(annotations) + 1, "image_id": number, "category_id": label + 1, "bbox": [x, y, w, h]}
            polygon = [[part for corner in corners(box) for part in corner]] if outlines else []
            annotations.append({**row, "area": w * h, "iscrowd": 0, "segmentation": polygon})
    above = whole or "parts"
    categories = [{"id": 0, "name": whole, "supercategory": "none"}] if whole else []
    categories += [{"id": k + 1, "name": name, "supercategory": above} for k, name in enumerate(NAMES)]
    return json.dumps({"images": images, "annotations": annotations, "categories": categories})


def write_coco(root: Path, *, outlines: bool = True) -> Truth:
    """images and one annotations.json."""
    boxes = truth()
    write_images(root / "images", list(boxes))
    write_text(root / "annotations.json", instances(boxes, outlines=outlines))
    return boxes


def write_coco_splits(root: Path, *, outlines: bool = False) -> Truth:
    """Roboflow's: train and valid, each with _annotations.coco.json and a category 0 without boxes."""
    boxes = truth()
    for role, stems in parts(boxes).items():
        folder = root / {"train": "train", "val": "valid"}[role]
        write_images(folder, stems)
        own = {stem: boxes[stem] for stem in stems}
        write_text(folder / "_annotations.coco.json", instances(own, outlines=outlines, whole="parts-abc"))
    return boxes


def write_box_table(root: Path, *, header: bool = True) -> Truth:
    """images and labels.csv: TensorFlow's columns, or RetinaNet's without a header."""
    boxes = truth()
    write_images(root / "images", list(boxes))
    with (root / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        if header:
            table.writerow(["filename", "width", "height", "class", "xmin", "ymin", "xmax", "ymax"])
        for stem, own in boxes.items():
            for label, x, y, w, h in own:
                row = [f"{stem}.jpg", WIDTH, HEIGHT, NAMES[label], x, y, x + w, y + h]
                table.writerow(row if header else [f"images/{stem}.jpg", x, y, x + w, y + h, NAMES[label]])
    return boxes
