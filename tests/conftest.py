"""Shared by all tests: one thread (the tests' tensors are tiny), and data sets written in their official layouts."""

import gc
import json
import os
import pickle
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image

import tasks  # noqa: F401 - keeps libraries offline, before any of them is imported
from tests.chromium import chromium  # noqa: F401 - a fixture

with suppress(ImportError):  # TensorBoard's, and NNCF imports that
    from absl import logging as absl_logging

    # when Hydra configures logging, absl closes the stream that it found: it would be one that pytest captures
    absl_logging.get_absl_handler().python_handler.stream = sys.__stderr__
torch.set_num_threads(1)
os.environ.setdefault("MOBILEVISION_CACHE", "off")  # tests of the cache have their own
gc.collect()
gc.freeze()  # modules stay: looking through them again and again takes a twentieth of the time


def write_cityscapes(root: Path, train: int = 6, val: int = 5, size: tuple[int, int] = (48, 64)) -> Path:
    """A tiny data set in Cityscapes' layout: sky above road, a building on the left, some void."""
    generator = np.random.default_rng(0)
    height, width = size
    for split, count in (("train", train), ("val", val)):
        for kind in ("leftImg8bit", "gtFine"):
            (root / kind / split / "ulm").mkdir(parents=True)
        for number in range(count):
            ids = np.full(size, 23, np.uint8)
            ids[height // 3 + number % 5 :] = 7
            ids[: 2 * height // 3, : width // 4 + number] = 11
            ids[:2] = 0
            shade = np.zeros(256, np.uint8)
            shade[[23, 7, 11]] = 220, 90, 160
            noise = generator.integers(0, 30, (*size, 3))
            stem = f"ulm_{number:06d}_000019"
            image = (shade[ids][..., None] + noise).astype(np.uint8)
            Image.fromarray(image).save(root / "leftImg8bit" / split / "ulm" / f"{stem}_leftImg8bit.png")
            Image.fromarray(ids).save(root / "gtFine" / split / "ulm" / f"{stem}_gtFine_labelIds.png")
    return root


@pytest.fixture
def cityscapes(tmp_path: Path) -> Path:
    return write_cityscapes(tmp_path / "cityscapes")


def write_folders(root: Path, train: int = 4, val: int = 3) -> Path:
    """A tiny data set in class folders: three colours, JPEG and PNG, of several sizes."""
    generator = np.random.default_rng(0)
    colours = {"blue": (40, 60, 200), "green": (50, 180, 60), "red": (200, 50, 40)}
    for split, count in (("train", train), ("val", val)):
        for name, colour in colours.items():
            (root / split / name).mkdir(parents=True)
            for number in range(count):
                noise = generator.integers(-30, 30, (40 + 8 * number, 48, 3))
                image = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
                suffix = "png" if number == 1 else "jpg"
                Image.fromarray(image).save(root / split / name / f"{name}_{number}.{suffix}")
    return root


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    return write_folders(tmp_path / "folders")


COCO_COLOURS = {1: (220, 60, 50), 3: (60, 200, 70), 7: (60, 80, 230)}  # by category id


def write_coco(root: Path, train: int = 6, val: int = 4) -> Path:
    """A tiny data set in COCO's layout: one to three bright rectangles on dark noise, as their polygons' boxes say.

    The category ids have holes; each split has images of several sizes, a crowd with a run-length mask (in its first
    image) and an image without annotations (its second).
    """
    generator = np.random.default_rng(0)
    (root / "annotations").mkdir(parents=True)
    for split, count, first in (("train2017", train, 100), ("val2017", val, 200)):
        (root / split).mkdir()
        images: list[dict[str, object]] = []
        annotations: list[dict[str, object]] = []
        for number in range(count):
            height, width = ((48, 64), (64, 48), (40, 40))[number % 3]
            image = generator.integers(0, 40, (height, width, 3)).astype(np.uint8)
            for place in range(0 if number == 1 else 1 + number % 3):
                w, h = (int(side) for side in generator.integers(8, 20, 2))
                x, y = int(generator.integers(width - w + 1)), int(generator.integers(height - h + 1))
                category = list(COCO_COLOURS)[int(generator.integers(3))]
                image[y : y + h, x : x + w] = COCO_COLOURS[category]
                annotations.append(
                    {
                        "id": (first + number) * 10 + place,
                        "image_id": first + number,
                        "category_id": category,
                        "bbox": [x, y, w, h],
                        "area": w * h,
                        "iscrowd": 0,
                        "segmentation": [[x, y, x + w, y, x + w, y + h, x, y + h]],
                    }
                )
            if number == 0:
                mask = {"counts": [0, 4 * height, (width - 4) * height], "size": [height, width]}
                crowd = {"id": first * 10 + 9, "image_id": first, "category_id": 3, "bbox": [0, 0, 4, height]}
                annotations.append({**crowd, "area": 4 * height, "iscrowd": 1, "segmentation": mask})
            name = f"{first + number:012d}.jpg"
            Image.fromarray(image).save(root / split / name, quality=95)
            images.append({"id": first + number, "file_name": name, "height": height, "width": width})
        categories = [{"id": 7, "name": "blue"}, {"id": 1, "name": "red"}, {"id": 3, "name": "green"}]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    return root


@pytest.fixture
def coco(tmp_path: Path) -> Path:
    return write_coco(tmp_path / "coco")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The files that torch.load reads from here on."""
    files: list[Path] = []
    load = torch.load

    def noted(file: Any, *args: Any, **options: Any) -> Any:
        files.append(Path(getattr(file, "name", file)))
        return load(file, *args, **options)

    monkeypatch.setattr(torch, "load", noted)
    return files


class Result(NamedTuple):
    status: int
    out: str
    err: str


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what slow.txt lists, before `-m` is looked at."""
    lines = (Path(__file__).parent / "slow.txt").read_text().splitlines()
    slow = {line for line in lines if not line.startswith("#")}
    for item in items:
        if item.nodeid in slow or item.nodeid.partition("[")[0] in slow:
            item.add_marker("slow")


class HydraMemory(NamedTuple):
    """What Hydra has worked out in this session."""

    texts: dict[str, bytes]  # pickled configurations, by their YAML text
    defaults: dict[Any, Any]  # lists of the files to merge, by the chosen options of groups


@pytest.fixture(scope="session")
def hydra_memory() -> HydraMemory:
    return HydraMemory({}, {})


CONF = f"file://{Path(__file__).parent.parent / 'conf'}"
OUR_SOURCES = {"pkg://hydra.conf", "pkg://conf", CONF, "structured://", ""}  # whose files no test changes


@pytest.fixture(autouse=True)
def quick_hydra(monkeypatch: pytest.MonkeyPatch, hydra_memory: HydraMemory) -> None:
    """Hydra reads each file of conf/ once, looks up the files of a choice of options once, and composes once if
    `hydra.mode` is not typed: it would compose a first time to look that key up, which conf/ leaves null.

    tests/test_hydra.py compares with Hydra as it is.
    """
    from hydra._internal import config_loader_impl
    from hydra._internal.defaults_list import DefaultsList
    from hydra._internal.hydra import Hydra
    from omegaconf import OmegaConf

    get_mode, load, create = Hydra.get_mode, OmegaConf.load, config_loader_impl.create_defaults_list

    def mode(self: Hydra, config_name: str, overrides: list[str]) -> Any:
        return get_mode(self, config_name, overrides) if any("hydra.mode" in word for word in overrides) else None

    def load_once(file_: Any) -> Any:
        if not hasattr(file_, "seek"):
            return load(file_)
        text = file_.read()
        if text not in hydra_memory.texts:
            file_.seek(0)  # an error names the file
            hydra_memory.texts[text] = pickle.dumps(load(file_))
        return pickle.loads(hydra_memory.texts[text])

    def list_once(
        repo: Any, config_name: str, overrides_list: list[Any], prepend_hydra: bool, skip_missing: bool
    ) -> Any:
        if {source.path for source in repo.get_sources()} - OUR_SOURCES:
            return create(repo, config_name, overrides_list, prepend_hydra, skip_missing)
        given = [override for override in overrides_list if not override.is_sweep_override()]
        values = [
            override
            for override in given
            if isinstance(override.value(), dict) or not repo.group_exists(override.key_or_group)
        ]
        options = [override for override in given if all(override is not value for value in values)]
        key = (config_name, tuple(option.input_line for option in options), prepend_hydra, skip_missing)
        if key not in hydra_memory.defaults:
            hydra_memory.defaults[key] = create(repo, config_name, options, prepend_hydra, skip_missing)
        found = hydra_memory.defaults[key]
        return DefaultsList(found.defaults, found.defaults_tree, values, found.overrides)

    monkeypatch.setattr(Hydra, "get_mode", mode)
    monkeypatch.setattr(OmegaConf, "load", staticmethod(load_once))
    monkeypatch.setattr(config_loader_impl, "create_defaults_list", list_once)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """`python -m tasks.<name> <arguments>` in this process: the same entry, without importing torch again."""
    from tasks.app.cli import main
    from tasks.doctor.__main__ import main as doctor
    from tasks.multitask.arguments import spelled_out
    from tasks.pack.__main__ import main as pack
    from tasks.search.__main__ import main as search

    others = {"doctor": doctor, "search": search, "pack": pack}

    def run(name: str, *arguments: str) -> Result:
        monkeypatch.setattr(sys, "argv", [f"tasks.{name}", *arguments])
        monkeypatch.setattr(
            "tasks.engine.prepare.keep_freed_memory", lambda: False
        )  # it would hold for all later tests
        monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
        capfd.readouterr()
        status = 0
        try:
            if name in others:
                others[name]()
            else:
                main(name, spelled_out if name == "multitask" else list)
        except SystemExit as leave:
            status = int(leave.code or 0)
        captured = capfd.readouterr()
        return Result(status, captured.out, captured.err)

    return run
