"""Description of the object detection task."""

from collections.abc import Mapping
from math import prod
from typing import Any

from tasks.common.class_forms import NUMBERED
from tasks.common.task_info import Form, Shape, TaskInfo
from tasks.detect.model_json import problem


def shapes(entry: Mapping[str, Any], form: str, _size: tuple[int | None, int | None]) -> Mapping[str, Shape]:
    classes = len(entry["classes"])
    if form == "final":
        return {"boxes": ("K", 4), "scores": ("K",), "labels": ("K",)}
    if form == "decoded":
        return {"boxes": ("K", 4), "scores": ("K", classes)}
    anchors = entry["anchors"]
    count = sum(prod(cells) * len(shapes) for cells, shapes in zip(anchors["cells"], anchors["shapes"], strict=True))
    return {"logits": (count, classes + 1), "offsets": (count, 4)}


INFO = TaskInfo(
    name="detect",
    target="boxes",
    scores=("mAP", "mAP50"),
    classes=NUMBERED,
    forms={
        "raw": Form(
            ("logits", "offsets"),
            "offsets to anchors, which are shares of the input; decoded they are xyxy in the input's pixels",
            exact=True,
        ),
        "decoded": Form(("boxes", "scores"), "xyxy in the input's pixels, not the photo's", exact=True),
        "final": Form(
            ("boxes", "scores", "labels"),
            "xyxy in the input's pixels, not the photo's, best first; label -1 is no box",
            exact=False,
        ),
    },
    output="tasks.detect.output.DetectOutput",
    parity="tasks.detect.parity.SameBoxes",
    builds={
        "": ("tasks.detect.task.DetectTask",),
        "loss": (
            "tasks.detect.multibox.FocalMultiBox",
            "tasks.detect.multibox.SoftmaxMultiBox",
            "tasks.detect.soft_labels.QualityFocalMultiBox",
            "tasks.detect.soft_labels.VarifocalMultiBox",
        ),
        "loss.match": (
            "tasks.detect.matchers.ATSS",
            "tasks.detect.matchers.ByIoU",
            "tasks.detect.matchers.TaskAligned",
        ),
        "select": ("heads.select.Select",),
    },
    shapes=shapes,
    problem=problem,
    placed=True,
    one_size=True,
    least_label=-1,  # pads the boxes to a fixed number
    order=1,
)
