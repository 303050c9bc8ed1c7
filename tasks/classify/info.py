"""Description of image classification as a task."""

from collections.abc import Mapping
from typing import Any

from tasks.common.class_forms import NAMED
from tasks.common.labels import is_number
from tasks.common.task_info import Form, Shape, TaskInfo


def shapes(entry: Mapping[str, Any], _form: str, _size: tuple[int | None, int | None]) -> Mapping[str, Shape]:
    return dict.fromkeys(("logits", "probabilities"), (len(entry["classes"]),))


def problem(entry: Mapping[str, Any], _form: str) -> str:
    temperature = entry.get("temperature", 1)
    return "" if is_number(temperature) and temperature > 0 else "temperature is no number above 0"


INFO = TaskInfo(
    name="classify",
    target="label",
    scores=("top1",),
    classes=NAMED,
    forms={
        "raw": Form(
            ("logits",),
            "of the whole input; the softmax of logits / temperature (1 if none is given) gives the probabilities",
            exact=True,
        ),
        "decoded": Form(("probabilities",), "of the whole input", exact=True),
        "final": Form(("probabilities",), "of the whole input", exact=True),
    },
    output="tasks.classify.output.ClassifyOutput",
    parity="tasks.classify.parity.SameClass",
    builds={
        "": ("tasks.classify.task.ClassifyTask",),
        "loss": ("torch.nn.CrossEntropyLoss", "tasks.classify.loss.ImageCrossEntropy"),
        "mix": ("tasks.classify.mix.Mix",),
    },
    shapes=shapes,
    problem=problem,
    order=2,
)
