"""Odd files: checkpoints, weights, exported files and their descriptions, block tables."""

import json
import pickle
import shutil
from random import Random
from typing import Any

import torch
import yaml

from backbones.mobilenet_v3 import MobileNetV3
from backbones.table import table_of
from tests.fuzz.kit import Case, World, damage, damaged_bytes, odd_value

MODES = ("predict", "evaluate", "train", "resume", "export", "teacher")


def used(random: Random, world: World, task: str, path: object) -> tuple[str, ...]:
    """A command that reads a checkpoint."""
    photos = f"input={world.folder.parent / 'photos'}"
    mode = random.choice(MODES)
    if mode == "resume":
        return (f"resume={path}",)
    if mode == "train":
        return (*world.tiny[task], f"checkpoint={path}")
    if mode == "teacher":
        return (*world.tiny[task], f"distill.teacher={path}")
    return (f"mode={mode}", f"checkpoint={path}", *((photos,) if mode == "predict" else ()))


def checkpoint_entries(random: Random, world: World) -> Case:
    """A checkpoint in which something is another thing: its description, a tensor, the whole."""
    task = random.choice(list(world.checkpoints))
    checkpoint: dict[str, Any] = torch.load(world.checkpoints[task], weights_only=True)
    how, bad = random.choice(("description", "description", "tensor", "entry", "whole")), False
    if how == "description":
        what = damage(random, checkpoint["mobilevision"], random.choice((1, 1, 3)))
    elif how == "tensor":
        name = random.choice(list(checkpoint["state_dict"]))
        old, bad = checkpoint["state_dict"][name], True
        new = random.choice([None, "x", [], torch.zeros(0), old[None], old.double().fill_(float("nan")), old + 1])
        checkpoint["state_dict"][name] = new
        what = f"{name} -> {type(new).__name__}"
    elif how == "entry":
        key = random.choice(list(checkpoint))
        checkpoint[key], what, bad = odd_value(random, 1), f"{key} is odd", key in ("state_dict", "mobilevision")
    else:
        checkpoint, what, bad = odd_value(random, checkpoint["state_dict"]), "the whole is odd", True
    path = world.folder / "odd.ckpt"
    torch.save(checkpoint, path)
    return Case(task, used(random, world, task, path), what, bad)


def checkpoint_bytes(random: Random, world: World) -> Case:
    """A checkpoint of which bytes are missing, changed or added."""
    task = random.choice(list(world.checkpoints))
    content, what = damaged_bytes(random, world.checkpoints[task].read_bytes())
    path = world.folder / "odd.ckpt"
    path.write_bytes(content)
    return Case(task, used(random, world, task, path), what)


def any_file(random: Random, world: World) -> Case:
    """Any other file where weights or a checkpoint belong."""
    task = random.choice(list(world.checkpoints))
    path = world.folder / random.choice(("odd.ckpt", "odd.pth", "odd.pt", "odd.bin", "odd", "ödd ü.pth"))
    what = random.choice(("text", "pickle", "zip", "photo", "folder", "state", "nested", "absent"))
    if what == "text":
        path.write_text("weights: none\n" * random.choice((1, 1000)))
    elif what == "pickle":
        path.write_bytes(pickle.dumps(odd_value(random, {"a": 1}), protocol=random.choice((0, 2, 4))))
    elif what == "zip":
        shutil.make_archive(str(world.folder / "z"), "zip", world.folder.parent / "photos")
        (world.folder / "z.zip").rename(path)
    elif what == "photo":
        path.write_bytes(world.photos[0])
    elif what == "folder":
        path.mkdir()
    elif what == "state":
        torch.save({f"layer{number}.weight": torch.zeros(3, 3) for number in range(random.choice((1, 300)))}, path)
    elif what == "nested":
        torch.save({"model": {"state_dict": odd_value(random, {"a": torch.zeros(1)})}}, path)
    key = random.choice(("weights", "checkpoint", "resume", "distill.teacher"))
    return Case(task, (*world.tiny[task], f"{key}={path}"), f"{key}={what}", bad=True)


def descriptions(random: Random, world: World) -> Case:
    """model.json or card.json in which something is another thing."""
    assert world.model is not None
    shutil.copytree(world.model.parent, world.folder / "model")
    path = world.folder / "model" / random.choice(("model.json", "model.json", "card.json"))
    content = json.loads(path.read_text())
    what = f"{path.name}: {damage(random, content, random.choice((1, 1, 2)))}"
    path.write_text(json.dumps(content))
    model = f"model={world.folder / 'model' / world.model.name}"
    how = random.choice((("mode=evaluate",), ("mode=predict", f"input={world.folder.parent / 'photos'}")))
    return Case("classify", (*how, model), what)


def exported_bytes(random: Random, world: World) -> Case:
    """An exported file or its description of which bytes are missing, changed or added."""
    assert world.model is not None
    shutil.copytree(world.model.parent, world.folder / "model")
    path = world.folder / "model" / random.choice((world.model.name, "model.json", "card.json"))
    content, what = damaged_bytes(random, path.read_bytes())
    path.write_bytes(content)
    model = f"model={world.folder / 'model' / world.model.name}"
    predict = ("mode=predict", f"input={world.folder.parent / 'photos'}")
    return Case("classify", (*random.choice((("mode=evaluate",), predict)), model), f"{path.name}: {what}")


def block_tables(random: Random, world: World) -> Case:
    """A block table in which something is another thing, or which is no YAML."""
    table: Any = table_of(MobileNetV3(size="small", width=0.35).plan)
    text = yaml.safe_dump(table)
    if random.random() < 0.7:
        what = damage(random, table, random.choice((1, 1, 3)))
        text = yaml.safe_dump(table)
    else:
        content, what = damaged_bytes(random, text.encode())
        text = content.decode("latin-1")
    path = world.folder / "found.yaml"
    path.write_text(text, encoding="utf-8")
    tiny = [key for key in world.tiny["classify"] if not key.startswith("backbone")]
    return Case("classify", (*tiny, "backbone=table", f"backbone.file={path}"), what)


KINDS = {
    "checkpoint entries": checkpoint_entries,
    "checkpoint bytes": checkpoint_bytes,
    "any file as weights": any_file,
    "descriptions of exported files": descriptions,
    "exported files' bytes": exported_bytes,
    "block tables": block_tables,
}
