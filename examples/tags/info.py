"""Description of the task: all that code outside this folder knows about it, without PyTorch."""

from collections.abc import Mapping
from typing import Any

from tasks.common.class_forms import NAMED
from tasks.common.task_info import Form, Shape, TaskInfo


def shapes(entry: Mapping[str, Any], _form: str, _size: tuple[int | None, int | None]) -> Mapping[str, Shape]:
    return dict.fromkeys(("logits", "probabilities"), (len(entry["classes"]),))


INFO = TaskInfo(
    name="tags",
    target="tags",
    scores=("exact",),
    classes=NAMED,
    forms={
        "raw": Form(("logits",), "of the whole input; above 0 the class is there", exact=True),
        "decoded": Form(("probabilities",), "of the whole input; above 0.5 the class is there", exact=True),
        "final": Form(("probabilities",), "of the whole input; above 0.5 the class is there", exact=True),
    },
    output="examples.tags.output.TagsOutput",
    parity="examples.tags.output.SameTags",
    builds={},  # its classes are in this package, which the user names
    shapes=shapes,
)
