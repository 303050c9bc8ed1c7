"""Validation images on which file and checkpoint are compared: as many as prove something."""

from collections.abc import Callable, Mapping
from typing import Any

from tasks.common.console import report
from tasks.common.labels import Pixels
from tasks.common.parity import parity_of
from tasks.data.loading.datamodule import DataModule
from tasks.data.transforms.resize import antialiased
from tasks.deploy.parity import Outcome
from tasks.deploy.samples import spread
from tasks.deploy.settings import ExportSettings
from tasks.engine.learner import Learner

MOST = 128  # images, if fewer prove too little


def images_to_compare(
    expected: Callable[[Pixels], Outcome],
    learner: Learner,
    settings: ExportSettings,
    data: DataModule,
    manifest: Mapping[str, Any],
) -> list[Pixels]:
    """Validation images, evenly spread: `export.images`, and more if the checkpoint's results on them prove too little.

    At most MOST, or all there are; what they leave unproved is reported.
    """
    images: list[Pixels] = []
    used: set[int] = set()
    count, total = settings.images, len(data.val)
    while True:
        for index in [index for index in spread(total, count) if index not in used]:
            image = data.val.read(index)["image"]
            if manifest["input"]["height"] is None and len(images) % 2:  # use other sizes for half of them
                image = antialiased(image, *(side * 3 // 4 for side in image.shape[:2]))
            images.append(image)
            used.add(index)
        if manifest["precision"] == "int8":  # which the metric decides, on all images
            return images
        missing = {}
        for name, task in learner.each_task():
            results = [expected(image).results[name] for image in images]
            missing[name] = parity_of(name).unseen(results, task.class_names, manifest["outputs"])
        if not any(missing.values()) or len(images) == total or count >= MOST:
            break
        count *= 2
    for name, what in missing.items():
        if what:
            report(f"unproved  {name}: {what} on {len(images)} of {total:,} validation images")
    return images
