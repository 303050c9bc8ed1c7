"""Description of semantic segmentation as a task."""

from collections.abc import Mapping
from typing import Any

from tasks.common.class_forms import COLOURED
from tasks.common.task_info import Form, Shape, TaskInfo

LABELS = "a class for each pixel of the input"


def shapes(entry: Mapping[str, Any], _form: str, size: tuple[int | None, int | None]) -> Mapping[str, Shape]:
    return {"logits": (len(entry["classes"]), None, None), "labels": size}


def problem(entry: Mapping[str, Any], _form: str) -> str:
    count = len(entry["classes"])
    return f"classes are {count}; a label map holds 255 at most" if count > 255 else ""


INFO = TaskInfo(
    name="segment",
    target="mask",
    scores=("mIoU",),
    classes=COLOURED,
    forms={
        "raw": Form(
            ("logits",),
            "logits on a grid that covers the input; interpolated to the photo's size (bilinear, half-pixel "
            "centres, not antialiased), the largest is the class",
            exact=True,
        ),
        "decoded": Form(("labels",), LABELS, exact=False),
        "final": Form(("labels",), LABELS, exact=False),
    },
    output="tasks.segment.output.SegmentOutput",
    parity="tasks.segment.parity.SamePixels",
    builds={"": ("tasks.segment.task.SegmentTask",), "loss": ("tasks.segment.loss.PixelCrossEntropy",)},
    shapes=shapes,
    problem=problem,
    placed=True,
    order=0,
)
