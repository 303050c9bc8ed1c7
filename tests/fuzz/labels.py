"""Odd data sets: images, label maps, boxes, folders."""

import json
import os
import shutil
from pathlib import Path
from random import Random

import numpy as np
from PIL import Image

from tests.fuzz.kit import Case, World, damage, damaged_bytes


def odd_image(random: Random, path: Path, photo: bytes) -> str:
    """Put something else where an image lies."""
    what = random.choice(("bytes", "bytes", "mode", "mode", "fifo", "folder", "loop", "header", "thin", "text", "gone"))
    path.unlink()
    if what == "bytes":
        content, what = damaged_bytes(random, photo)
        path.write_bytes(content)
    elif what == "mode":
        what = random.choice(("1", "L", "LA", "P", "RGBA", "CMYK", "I", "I;16", "F", "YCbCr"))
        kind = {"CMYK": "JPEG", "YCbCr": "JPEG", "F": "TIFF", "I": "TIFF"}.get(what, random.choice(("PNG", "TIFF")))
        values = np.random.default_rng(random.randrange(99)).integers(0, 255, (20, 24))
        image = Image.fromarray(values.astype(np.uint8))
        if what == "I;16":
            image = Image.fromarray((values << random.choice((0, 4, 8))).astype(np.uint16))
        elif what in ("I", "F"):
            image = Image.fromarray(
                (values * random.choice((0.004, 1, 999))).astype(np.int32 if what == "I" else np.float32)
            )
        else:
            image = image.convert("RGB").convert(what) if what == "CMYK" else image.convert(what)
        image.save(path, kind)
    elif what == "fifo":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "loop":
        path.symlink_to(path.name)
    elif what == "header":  # a PNG that says it is 65,535 pixels wide and high
        Image.new("L", (4, 4)).save(path, "PNG")
        content = bytearray(path.read_bytes())
        content[16:24] = b"\0\0\xff\xff\0\0\xff\xff"
        path.write_bytes(bytes(content))
    elif what == "thin":
        Image.new("RGB", random.choice(((1, 1), (1, 3000), (3000, 1)))).save(path, "PNG")
    elif what == "text":
        path.write_text("no image")
    return what


def images(random: Random, world: World) -> Case:
    """One image of a data set is something else."""
    task = random.choice(("classify", "segment", "detect"))
    root = world.folder / "data"
    shutil.copytree(world.data[task], root)
    found = sorted(path for path in root.rglob("*") if path.suffix in (".jpg", ".png") and "gtFine" not in path.parts)
    path = random.choice(found)
    what = odd_image(random, path, random.choice(world.photos))
    return Case(task, (*world.tiny[task], f"dataset.root={root}"), f"{path.relative_to(root)}: {what}")


def predicted(random: Random, world: World) -> Case:
    """Odd images to predict."""
    folder = world.folder / "photos"
    folder.mkdir()
    names = ["a.png", "b.jpg", *random.sample(["ü ö.png", "line\nbreak.png", "-x.png", "[1].png", "%s.png", ".png"], 2)]
    for name in names:
        (folder / name).write_bytes(random.choice(world.photos))
    with open(os.fsencode(folder) + b"/\xff\xfe.png", "wb") as file:  # noqa: PTH123 - no text has this name
        file.write(world.photos[0])
    what = odd_image(random, folder / "a.png", random.choice(world.photos))
    task = random.choice(list(world.checkpoints))
    return Case(task, ("mode=predict", f"checkpoint={world.checkpoints[task]}", f"input={folder}"), what)


def label_maps(random: Random, world: World) -> Case:
    """One label map of a data set is something else."""
    root = world.folder / "data"
    shutil.copytree(world.data["segment"], root)
    path = random.choice(sorted(root.glob("gtFine/*/*/*_labelIds.png")))
    if random.random() < 0.5:
        what = odd_image(random, path, path.read_bytes())
    else:
        what = random.choice(("ids", "void", "size", "jpeg"))
        size = (random.randrange(1, 99), 48) if what == "size" else (64, 48)
        ids = {"ids": random.randrange(34, 256), "void": 0}.get(what, 7)
        Image.new("L", size, ids).save(path, "JPEG" if what == "jpeg" else "PNG")
    return Case("segment", (*world.tiny["segment"], f"dataset.root={root}"), f"{path.name}: {what}")


def boxes(random: Random, world: World) -> Case:
    """A COCO file in which something is another thing, or which is no JSON."""
    root = world.folder / "data"
    shutil.copytree(world.data["detect"], root)
    path = random.choice(sorted((root / "annotations").glob("*.json")))
    if random.random() < 0.8:
        content = json.loads(path.read_text())
        what = damage(random, content, random.choice((1, 1, 4)))
        path.write_text(json.dumps(content))
    else:
        changed, what = damaged_bytes(random, path.read_bytes())
        path.write_bytes(changed)
    return Case("detect", (*world.tiny["detect"], f"dataset.root={root}"), f"{path.name}: {what}")


def folders(random: Random, world: World) -> Case:
    """A folder of a data set is missing, empty, a file, closed, or has another name."""
    task = random.choice(("classify", "segment", "detect"))
    root = world.folder / "data"
    shutil.copytree(world.data[task], root)
    path = random.choice(sorted(path for path in root.rglob("*") if path.is_dir()))
    what = random.choice(("missing", "empty", "file", "renamed", "loop", "extra"))
    if what in ("missing", "empty", "file", "loop"):
        shutil.rmtree(path)
    if what == "empty":
        path.mkdir()
    elif what == "file":
        path.write_text("")
    elif what == "renamed":
        path.rename(path.with_name(random.choice(("Train", "x y", "ü", "-", path.name + "2"))))
    elif what == "loop":
        path.symlink_to(path.parent, target_is_directory=True)
    elif what == "extra":
        (path / random.choice(("__MACOSX", ".git", "zebra", "Thumbs.db"))).mkdir()
    return Case(task, (*world.tiny[task], f"dataset.root={root}"), f"{path.relative_to(root)}: {what}")


KINDS = {
    "images": images,
    "images to predict": predicted,
    "label maps": label_maps,
    "COCO files": boxes,
    "folders": folders,
}
