"""Twelve images of 36×48 with label maps of background, disc and box, in the layouts of segmentation data sets."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

NAMES = ("background", "disc", "box")
COLOURS = np.array([(0, 0, 0), (128, 0, 0), (0, 128, 192)], np.uint8)
HEIGHT, WIDTH, COUNT, TRAINED = 36, 48, 12, 9
Truth = dict[str, NDArray[np.uint8]]  # class numbers by the image's stem


def truth() -> Truth:
    """The label maps of all images."""
    random = np.random.default_rng(0)
    y, x = np.indices((HEIGHT, WIDTH))
    found: Truth = {}
    for number in range(COUNT):
        label = np.zeros((HEIGHT, WIDTH), np.uint8)
        row, column = random.integers(8, HEIGHT - 8), random.integers(8, WIDTH - 8)
        label[(y - row) ** 2 + (x - column) ** 2 < 36] = 1
        top, left = random.integers(0, HEIGHT - 12), random.integers(0, WIDTH - 14)
        label[top : top + 10, left : left + 12] = 2
        found[f"{number:03d}"] = label
    return found


def split_of(stem: str) -> str:
    return "train" if int(stem) < TRAINED else "val"


def save(pixels: NDArray[np.uint8], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def photo(label: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """An image in which the classes have colours."""
    noise = np.random.default_rng(int(label.sum())).integers(40, 110, (*label.shape, 3))
    return np.clip(COLOURS[label].astype(int) + noise, 0, 255).astype(np.uint8)


def write_folders(root: Path, images: str, masks: str, *, coloured: bool = False) -> Truth:
    """Images and label maps at paths like images/{split}/{stem}.jpg and masks/{split}/{stem}.png."""
    labels = truth()
    for stem, label in labels.items():
        places = [root / text.format(split=split_of(stem), stem=stem) for text in (images, masks)]
        save(photo(label), places[0])
        save(COLOURS[label] if coloured else label, places[1])
    if coloured:
        rows = [f"{name},{','.join(map(str, row))}\n" for name, row in zip(NAMES, COLOURS.tolist(), strict=True)]
        (root / "class_dict.csv").write_text("name,r,g,b\n" + "".join(rows))
    return labels


def write_binary(root: Path) -> Truth:
    """images and masks of 0 and 255, without a split."""
    labels = {stem: (label == 1).astype(np.uint8) for stem, label in truth().items()}
    for stem, label in truth().items():
        save(photo(label), root / f"images/{stem}.jpg")
        save(labels[stem] * np.uint8(255), root / f"masks/{stem}.png")
    return labels


def write_by_class(root: Path) -> Truth:
    """A folder for each image: image.jpg, disc.png and box.png of 0 and 255."""
    labels = truth()
    for stem, label in labels.items():
        save(photo(label), root / stem / "image.jpg")
        for number, name in enumerate(NAMES[1:], 1):
            save((label == number).astype(np.uint8) * np.uint8(255), root / stem / f"{name}.png")
    return labels


def write_ade20k(root: Path) -> Truth:
    """images/training and annotations/training, and validation: 0 is void, classes count from 1."""
    labels = truth()
    for stem, label in labels.items():
        folder = {"train": "training", "val": "validation"}[split_of(stem)]
        save(photo(label), root / f"images/{folder}/ADE_{stem}.jpg")
        save(label, root / f"annotations/{folder}/ADE_{stem}.png")
    return labels


def write_voc(root: Path) -> Truth:
    """VOC2012/JPEGImages, SegmentationClass with 255 as void, and ImageSets/Segmentation."""
    labels = truth()
    home = root / "VOC2012"
    lists: dict[str, list[str]] = {"train": [], "val": []}
    for stem, label in labels.items():
        label[:2] = 255
        save(photo(label % 3), home / f"JPEGImages/{stem}.jpg")
        save(label, home / f"SegmentationClass/{stem}.png")
        lists[split_of(stem)].append(stem)
    (home / "ImageSets/Segmentation").mkdir(parents=True)
    for split, stems in lists.items():
        (home / f"ImageSets/Segmentation/{split}.txt").write_text("".join(f"{stem}\n" for stem in stems))
    return labels
