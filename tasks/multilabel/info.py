"""Description of multi-label classification as a task."""

from collections.abc import Mapping
from typing import Any

from tasks.common.class_forms import NAMED
from tasks.common.labels import is_number
from tasks.common.task_info import Form, Shape, TaskInfo

MEANING = "of each class, independent of the others, for the whole input"


def shapes(entry: Mapping[str, Any], _form: str, _size: tuple[int | None, int | None]) -> Mapping[str, Shape]:
    return dict.fromkeys(("logits", "probabilities"), (len(entry["classes"]),))


def problem(entry: Mapping[str, Any], _form: str) -> str:
    threshold = entry.get("threshold")
    return "" if is_number(threshold) and 0 < threshold < 1 else "threshold is no number between 0 and 1"


INFO = TaskInfo(
    name="multilabel",
    target="multilabel",
    scores=("mAP",),
    classes=NAMED,
    forms={
        "raw": Form(("logits",), f"{MEANING}; their sigmoid is the probability", exact=True),
        "decoded": Form(("probabilities",), MEANING, exact=True),
        "final": Form(("probabilities",), MEANING, exact=True),
    },
    output="tasks.multilabel.output.MultiLabelOutput",
    parity="tasks.multilabel.parity.SameLabels",
    builds={"": ("tasks.multilabel.task.MultiLabelTask",), "loss": ("tasks.multilabel.loss.BinaryCrossEntropy",)},
    shapes=shapes,
    problem=problem,
    order=3,
)
