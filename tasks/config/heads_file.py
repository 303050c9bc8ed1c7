"""multitask_heads: the part of tasks.multitask's configuration that has each task as a head.

It is generated from the commands' own files. The choices of conf/detect.yaml for `task`, `head`, `loss` and
`match` also apply to the head `detect` of tasks.multitask; so do those of a plug-in's conf/<task>.yaml:

    defaults: [task@detect.task: detect, head@detect.head: ssdlite, loss@detect.task.loss: softmax, …]
    detect: {target: boxes, frozen: false}       # frozen: keeps the checkpoint's weights, and needs no data
    loss_weights: {detect: 1.0, …}               # set by recipes for balance=fixed; typed: balance.weights.detect=2
    targets: [boxes, …]                          # labels to read: those of the heads
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tasks.common.errors import UserError
from tasks.common.plugins import conf_folders
from tasks.common.task_info import infos

CONF = Path(__file__).parents[2] / "conf"
PLACES = {"task": "task", "head": "head", "loss": "task.loss", "match": "task.loss.match"}  # within a head

KEY_COMMENTS = {  # of the keys that this file makes; those of the heads themselves stand in their own files
    "loss_weights": "set by recipes for balance=fixed; typed: balance.weights.<head>=2",
    "targets": "kinds of labels to read: those of the heads",
    "target": "kind of label that the head learns from",
    "frozen": "true: the head keeps the checkpoint's weights, and needs no data",
}


def heads() -> dict[str, Any]:
    """Content of the generated file."""
    chosen: list[Any] = ["_self_"]
    content: dict[str, Any] = {
        "loss_weights": dict.fromkeys(infos(), 1.0),
        "targets": [info.target for info in infos().values()],
    }
    for name, info in infos().items():
        file = yaml.safe_load(command_file(name).read_text(encoding="utf-8"))
        content[name] = {"target": info.target, "frozen": False} | {key: file[key] for key in PLACES if key in file}
        choices = [entry for entry in file["defaults"] if isinstance(entry, Mapping)]
        chosen += [
            {f"{group}@{name}.{place}": entry[group]}
            for group, place in PLACES.items()
            for entry in choices
            if group in entry
        ]
    return {"defaults": chosen, **content}


def command_file(name: str) -> Path:
    """conf/<name>.yaml of a command, ours or a plug-in's.

    Raises:
        UserError: if it does not exist.
    """
    for folder in (CONF, *conf_folders()):
        if (path := folder / f"{name}.yaml").is_file():
            return path
    if name in infos():
        raise UserError(f"plugins: the package of the task {name} has no conf/{name}.yaml")
    raise UserError(f"{name} is no command of ours; plugins=[…] names the package that has its conf/{name}.yaml")
