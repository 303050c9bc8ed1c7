"""Images of three tones with one label or several, in class folders and tables."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

TONES = {"cat": 20, "dog": 120, "fish": 180}
EACH, TRAINED = 8, 6


def write_image(path: Path, tone: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(sum(map(ord, path.name))).integers(0, 60, (32, 40, 3))
    Image.fromarray((noise + tone).astype(np.uint8)).save(path)


def write_folders(root: Path, path: str, train: str = "train", val: str = "val") -> dict[str, int]:
    """Images at paths like {split}/{name}/{file} or {name}/{file}; returns the number of each class."""
    for name, tone in TONES.items():
        for number in range(EACH):
            split = train if number < TRAINED else val
            write_image(root / path.format(split=split, name=name, file=f"{name}_{number}.jpg"), tone)
    return dict.fromkeys(TONES, EACH)


def write_table(root: Path) -> dict[str, str]:
    """images and labels.csv with the columns id and label; returns the labels."""
    labels = {f"{name}_{number}.jpg": name for name in TONES for number in range(EACH)}
    for file, name in labels.items():
        write_image(root / "images" / file, TONES[name])
    with (root / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("id", "label"), *labels.items()])
    return labels


def write_tags(root: Path, *, columns: bool = False) -> dict[str, list[str]]:
    """images and labels.csv with several labels: in one cell, or a column of 0 and 1 for each; returns the labels."""
    every = list(TONES)
    labels = {f"photo_{k}.jpg": [name for bit, name in enumerate(every) if (k % 7 + 1) >> bit & 1] for k in range(21)}
    for k, file in enumerate(labels):
        write_image(root / "images" / file, 30 * (k % 7))
    with (root / "labels.csv").open("w", newline="") as table:
        rows = csv.writer(table)
        if columns:
            rows.writerows([("filename", *every)])
            rows.writerows([(file, *(int(name in own) for name in every)) for file, own in labels.items()])
        else:
            rows.writerows([("image", "tags"), *((file, " ".join(own)) for file, own in labels.items())])
    return labels
