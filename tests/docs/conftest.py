"""A folder in which the commands of the documents find their data, photos, checkpoints and exported files."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from backbones.mobilenet_v2 import MobileNetV2
from tests.conftest import write_coco
from tests.docs.shell import ROOT
from tests.docs.small import SMALL, STREETS
from tests.layouts import boxes, label_maps, labels

NETWORK = ("backbone=mobilenet_v3_small", "backbone.width=0.35", "data.holdout=0.2", "data.batch_size=2")
EXPORT = ("mode=export", "checkpoint=segment.ckpt", "export.images=2", "trainer.accelerator=cpu", "export.gate=warn")


@pytest.fixture(scope="session")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trains each task for an epoch on eight generated scenes, and exports one of them to each format."""
    root = tmp_path_factory.mktemp("documents")
    boxes.write_yolo(root / "yolo")
    boxes.write_coco_splits(root / "boxes")
    boxes.write_voc(root / "voc")
    boxes.write_voc(root / "data" / "voc")
    write_coco(root / "data" / "coco")
    label_maps.write_folders(root / "masks", "{split}/{stem}.png", "{split}_labels/{stem}_L.png", coloured=True)
    label_maps.write_folders(root / "unsplit", "images/{stem}.png", "masks/{stem}.png", coloured=True)
    labels.write_folders(root / "folders", "{split}/{name}/{file}")
    labels.write_tags(root / "tags", columns=True)
    torch.save(MobileNetV2().state_dict(), root / "mobilenet_v2.pth")

    def run(task: str, *words: str) -> None:
        command = [sys.executable, "-m", f"tasks.{task}", *words]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, env=environment)
        assert done.returncode == 0, done.stderr

    for task in ("segment", "detect", "classify", "multitask"):
        run(task, *NETWORK, *SMALL, *STREETS, f"hydra.run.dir=runs/{task}")
        (root / f"{task}.ckpt").symlink_to(root / "runs" / task / "checkpoints" / "best.ckpt")
    (root / "photos").mkdir()
    scene = next((root / "data/streets/leftImg8bit/val").rglob("*.png"))
    (root / "photos" / "street.png").write_bytes(scene.read_bytes())
    (root / "street.png").write_bytes(scene.read_bytes())
    (root / "best.ckpt").symlink_to(root / "segment.ckpt")
    for suffix, name in {
        "onnx": "onnx",
        "xml": "openvino",
        "pt2": "torch",
        "pte": "executorch",
        "tflite": "litert",
        "param": "ncnn",
    }.items():
        run("segment", *EXPORT, f"export.format={name}", f"hydra.run.dir=files/{suffix}")
    return root
