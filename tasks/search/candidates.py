"""search=candidates: exports networks of a search's space, so that a device can time them before the search."""

import random
from pathlib import Path
from typing import Any

import torch

from tasks.checkpoint.manifest import read_manifest, write_manifest
from tasks.common.console import report, track
from tasks.common.errors import UserError
from tasks.common.formats import FORMATS
from tasks.data.loading.splits import Splits
from tasks.deploy.bench.device_commands import ToMeasure, write_device_folder
from tasks.deploy.describe import describe
from tasks.deploy.export import DTYPES, IN_FLOAT
from tasks.deploy.network import trace
from tasks.deploy.writers.by_format import WRITERS
from tasks.engine.build import build_data
from tasks.latency.device import architecture
from tasks.search.block.space import Point, Space
from tasks.search.networks import Networks
from tasks.search.settings import CandidateSettings

FOLDER = "candidates"
DRAWS = 100  # of one network that was not drawn before


def export_candidates(settings: CandidateSettings, splits: Splits, networks: Networks, folder: Path) -> None:
    """Export the seed, its widths and random networks of the space with initial weights; write how to time them.

        candidates/seed/model.tflite, model.json …    without a gate: they are for timing alone
        device/, devices.txt                          the same files, and the lines that time them on a device

    Raises:
        UserError: for widths that are no choice of filters.
    """
    space = Space(networks.seed_plan, settings.choices)
    fit = build_data(networks.run.data, networks.run.seed, splits).fit
    files, seen = [], set()
    points = drawn(settings, space, networks.run.seed)
    for name, point in track(points.items(), "exporting", len(points)):
        key = architecture(networks.outline(space.plan(point)), networks.size)
        if key in seen:  # choices that make the same network
            continue
        seen.add(key)
        more = {"architecture": key, "point": point}
        files.append(exported(settings, networks, point, space, fit, folder / FOLDER / name, name, more))
    report(f"exported  {len(files)} networks to {folder / FOLDER}, with random weights")
    again = f"python -m tasks.{networks.run.task} mode=benchmark model={folder / FOLDER}"
    for line in write_device_folder(folder, files, settings.threads, again):
        report(line)


def drawn(settings: CandidateSettings, space: Space, seed: int) -> dict[str, Point]:
    """Points by name: the seed, its widths, and random ones, none twice.

    Raises:
        UserError: for widths that are no choice of filters.
    """
    points = {"seed": space.width(1.0)}
    for width in settings.widths:
        if width not in settings.choices["filters"]:
            raise UserError(f"search.widths: {width} is none of search.filters={settings.choices['filters']}")
        if width != 1:
            points[f"width_{width:g}".replace(".", "_")] = space.width(width)
    generator = random.Random(seed)
    for number in range(1, settings.networks + 1):
        for _ in range(DRAWS):
            point = {key: generator.choice(values) for key, values in space.choices.items()}
            if point not in points.values():
                points[f"network_{number}"] = point
                break
    return points


def exported(
    settings: CandidateSettings,
    networks: Networks,
    point: Point,
    space: Space,
    fit: Any,
    folder: Path,
    name: str,
    more: dict[str, Any],
) -> ToMeasure:
    """Write one network's file and description.

    Args:
        more: entries of the description.
    """
    export = settings.export
    learner = networks.build(space.plan(point)).eval()
    dtype = torch.float32 if export.format in IN_FLOAT else DTYPES.get(export.precision, torch.float32)
    size = networks.size
    traced = trace(learner, batch=1, size=size, form=export.outputs, dtype=dtype, layout=export.input_layout)
    manifest = {**describe(networks.run.task, learner, export, traced, size, fit, None), **more}
    folder.mkdir(parents=True)
    path = folder / f"model{FORMATS[export.format].suffix}"
    write_manifest(folder, manifest, WRITERS[export.format](traced, path, manifest, export.precision))
    return ToMeasure(name, path, read_manifest(path))
