"""What a stored configuration may try: by name, a function of the marker and a malicious pickle to keys and values."""

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

LOAD = "lightning.fabric.utilities.cloud_io._load"
MKDIR = "torch.nn.functional.torch.os.mkdir"  # below a package that is allowed when it is typed


def load(address: str, target: str = LOAD) -> dict[str, Any]:
    return {"_target_": target, "path_or_url": address, "weights_only": False}


def inline(payload: Path) -> str:
    """A file as an address that holds it."""
    return "data:application/octet-stream;base64," + base64.b64encode(payload.read_bytes()).decode()


def make(marker: Path, target: str = MKDIR) -> dict[str, Any]:
    return {"_target_": target, "path": str(marker)}


Attack = Callable[[Path, Path], Mapping[str, Any]]
RUNS: dict[str, Attack] = {  # each made the marker before there was a gate
    "attribute of a module": lambda marker, _: {"optimizer": make(marker)},
    "loader": lambda _, payload: {"optimizer": load(str(payload))},
    "loader with an address": lambda _, payload: {"optimizer": load(inline(payload))},
    "backbone from an address": lambda _, payload: {"backbone": load(inline(payload))},
    "resize from an address": lambda _, payload: {"data.fit": load(inline(payload))},
    "checkpoint loader": lambda _, payload: {
        "optimizer": {
            "_target_": "lightning.LightningModule.load_from_checkpoint",
            "checkpoint_path": str(payload),
            "weights_only": False,
        }
    },
    "inside what is allowed": lambda marker, _: {"scheduler.warmup": make(marker)},
    "in a list": lambda marker, _: {"optimizer.betas": [0.9, make(marker)]},
    "scheduler": lambda marker, _: {"scheduler": make(marker)},
}
REFUSED: dict[str, Attack] = {  # what must not pass either, whether or not it would do harm today
    "resolver": lambda marker, _: {"optimizer": "${oc.create:{_target_: " + MKDIR + ", path: " + str(marker) + "}}"},
    "a module of ours": lambda marker, _: {"optimizer": make(marker, "tasks.app.cli.os.mkdir")},
    "system": lambda *_: {"optimizer": {"_target_": "os.system", "command": "true"}},
    "torch.load": lambda _, payload: {"optimizer": {"_target_": "torch.load", "f": str(payload)}},
    "torch.hub": lambda *_: {"backbone": {"_target_": "torch.hub.load", "repo_or_dir": "a/b", "model": "c"}},
    "a class at another's place": lambda *_: {"data.fit": {"_target_": "lightning.Trainer"}},
    "a logger as a transform": lambda *_: {
        "data.augment.x": {"_target_": "lightning.pytorch.loggers.CSVLogger", "save_dir": "/nowhere"}
    },
    "a transform that reads files": lambda *_: {
        "data.augment.x": {"_target_": "albumentations.FDA", "reference_images": ["/etc/hostname"]}
    },
    "a transform that calls": lambda *_: {"data.augment.x": {"_target_": "albumentations.Lambda"}},
    "a submodule of albumentations": lambda *_: {"data.augment.x": {"_target_": "albumentations.core.utils.get_shape"}},
    "a private name": lambda *_: {"optimizer": {"_target_": "tasks.engine.schedules.with_warmup"}},
    "a name by interpolation": lambda *_: {"optimizer._target_": "${seed}"},
    "a name that is no text": lambda *_: {"optimizer._target_": 3},
    "the environment": lambda *_: {"dataset.root": "${oc.env:HOME}/data"},
    "the environment behind ours": lambda *_: {"dataset.root": "${oc.env:DATA_ROOT,data}/${oc.env:SECRET}"},
    "another key": lambda *_: {"dataset.root": "${hydra.run.dir}"},
    "decoding": lambda *_: {"seed": "${oc.decode:'1'}"},
    "selecting": lambda *_: {"backbone.width": "${oc.select:seed}"},
    "a loop": lambda *_: {"image_size": "${image_size}"},
    "positions": lambda *_: {"optimizer._args_": [1]},
    "no recursion": lambda *_: {"optimizer._recursive_": False},
    "conversion": lambda *_: {"backbone._convert_": "eval"},
    "https": lambda *_: {"dataset.root": "https://example.com/data"},
    "s3": lambda *_: {"dataset.root": "s3://bucket/data"},
    "a chain of addresses": lambda *_: {"dataset.root": "simplecache::http:example.com"},
    "a hub's network": lambda *_: {
        "backbone": {"_target_": "backbones.timm_features.TimmFeatures", "name": "hf-hub:stranger/network"}
    },
    "a folder's network": lambda *_: {
        "backbone": {"_target_": "backbones.timm_features.TimmFeatures", "name": "local-dir:/nowhere"}
    },
    "a table's file": lambda *_: {
        "backbone": {"_target_": "backbones.table.TableBackbone", "file": "/dev/zero", "table": None}
    },
    "a trainer's folder": lambda *_: {"trainer.default_root_dir": "/nowhere"},
    "a trainer's epochs that are themselves": lambda *_: {"trainer.max_epochs": "${trainer.max_epochs}"},
    "a trainer's plug-in": lambda *_: {"trainer.plugins": ["x"]},
    "depth": lambda *_: {"data.augment": nested(200)},
    "width": lambda *_: {"data.augment": {f"x{number}": None for number in range(50_000)}},
    "text": lambda *_: {"dataset.root": "x" * 100_000},
    "shared lists": lambda *_: {"targets": laughs(12)},
    "a loop of lists": lambda *_: {"targets": looped()},
    "much to repeat": lambda *_: {"image_size": [1] * 1000},
    "scenes without end": lambda *_: {"dataset.train": 10**9},
    "bytes": lambda *_: {"seed": b"1"},
    "keys that are bytes": lambda *_: {"data.augment": {b"x": None}},
    "not keys and values": lambda *_: {"": []},
}


def nested(levels: int) -> dict[str, Any]:
    node: dict[str, Any] = {}
    for _ in range(levels):
        node = {"x": node}
    return node


def laughs(levels: int) -> list[Any]:
    node: list[Any] = ["ha"] * 10
    for _ in range(levels):
        node = [node] * 10
    return node


def looped() -> list[Any]:
    node: list[Any] = []
    node.append(node)
    return node
