"""Data sets of a real one's size, made of few bytes: hard links of a picture, and annotations in the official form."""

import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

COCO, BOXES = 118_000, 860_000  # images of train2017 and their objects
IMAGENET, CITYSCAPES = 1_281_167, 5_000
PER_FILE = 50_000  # hard links of one file: ext4 allows 65,000
HEIGHT, WIDTH = 48, 64


def pictures(folder: Path, kind: str, mode: str = "RGB") -> Path:
    """A small picture to link to."""
    folder.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (WIDTH, HEIGHT), 7 if mode == "L" else (120, 130, 140)).save(folder / f"picture.{kind}")
    return folder / f"picture.{kind}"


class Links:
    """Hard links of a picture, of further copies where one file has too many."""

    def __init__(self, picture: Path) -> None:
        self.picture, self.made = picture, 0

    def __call__(self, path: str) -> None:
        if self.made and self.made % PER_FILE == 0:
            copy = self.picture.with_name(f"{self.made}{self.picture.suffix}")
            copy.write_bytes(self.picture.read_bytes())
            self.picture = copy
        os.link(self.picture, path)
        self.made += 1


def coco(root: Path, share: float) -> int:
    """instances_train2017.json with polygons of about 25 points, as in the original, 5,000 images to score; objects."""
    random = np.random.default_rng(0)
    link = Links(pictures(root / "pictures", "jpg"))
    rings = []
    for _ in range(997):
        turn = np.linspace(0, 2 * np.pi, int(random.integers(10, 40)), endpoint=False)
        ring = (24 + random.uniform(3, 20) * np.stack((np.cos(turn), np.sin(turn)), 1)).round(2)
        low, sides = ring.min(0), np.ptp(ring, 0).round(2)
        box = f'"area": {sides.prod():.2f}, "iscrowd": 0, "bbox": {json.dumps([*low.tolist(), *sides.tolist()])}'
        rings.append(f'"segmentation": {json.dumps([ring.ravel().tolist()])}, {box}')
    kinds = random.integers(1, 81, 4096)
    (root / "annotations").mkdir(parents=True)
    total = 0
    for split, images, objects in (("train2017", COCO, BOXES), ("val2017", 5_000, 36_000)):
        images, objects = int(images * share), int(objects * share)
        folder = root / split
        folder.mkdir()
        for number in range(images):
            link(f"{folder}/{number:012d}.jpg")
        with (root / "annotations" / f"instances_{split}.json").open("w", encoding="utf-8") as file:
            file.write('{"info": {}, "licenses": [], "images": [')
            rest = f'"license": 4, "height": {HEIGHT}, "width": {WIDTH}'
            rows = (f'{{{rest}, "file_name": "{number:012d}.jpg", "id": {number}}}' for number in range(images))
            file.write(", ".join(rows))
            file.write('], "annotations": [')
            owners = np.sort(random.integers(0, images, objects)).tolist()
            rows = (
                f'{{{rings[place % 997]}, "image_id": {owner}, "category_id": {kinds[place % 4096]}, "id": {place}}}'
                for place, owner in enumerate(owners)
            )
            file.write(", ".join(rows))
            file.write('], "categories": ')
            file.write(json.dumps([{"id": number, "name": f"kind {number}"} for number in range(1, 81)]) + "}")
        total += objects
    return total


def imagenet(root: Path, share: float) -> int:
    """1.28 million names in 1,000 class folders, 50,000 to score; images."""
    from tasks.data.files.imagenet_labels import synsets

    link = Links(pictures(root / "pictures", "jpg"))
    for split, images in (("train", int(IMAGENET * share)), ("val", int(50_000 * share))):
        for place, wnid in enumerate(sorted(synsets())):
            folder = root / split / wnid
            folder.mkdir(parents=True)
            for number in range(place, images, 1000):
                link(f"{folder}/{wnid}_{number}.JPEG")
    return link.made


def cityscapes(root: Path, share: float) -> int:
    """5,000 pairs in 27 cities, a tenth of them to score; pairs."""
    photo = Links(pictures(root / "pictures", "jpg"))
    label = Links(pictures(root / "pictures", "png", "L"))
    for number in range(int(CITYSCAPES * share)):
        split, city = "val" if number % 10 == 0 else "train", f"city{number % 27}"
        folders = [root / kind / split / city for kind in ("leftImg8bit", "gtFine")]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        stem = f"{city}_{number:06d}_000019"
        photo(f"{folders[0]}/{stem}_leftImg8bit.jpg")
        label(f"{folders[1]}/{stem}_gtFine_labelIds.png")
    return photo.made


SETS = {"coco": coco, "imagenet": imagenet, "cityscapes": cityscapes}
