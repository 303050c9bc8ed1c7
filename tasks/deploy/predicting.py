"""mode=predict with an exported file: the same output as tasks/predict/checkpoint.py, without PyTorch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tasks.common.labels import Pixels
from tasks.common.output import Output, output_of
from tasks.deploy.model import open_model, size_seen
from tasks.predict.all import predict_all
from tasks.predict.prediction import Prediction
from tasks.predict.settings import Frames
from tasks.predict.sources import Source


class TaskOfFile(NamedTuple):
    """A task, as an exported file's description defines it."""

    class_names: list[str]
    output: Output


def tasks_of(manifest: Mapping[str, Any]) -> dict[str, TaskOfFile]:
    """The tasks of an exported file, by name."""
    return {
        name: TaskOfFile(
            [entry if isinstance(entry, str) else entry["name"] for entry in task["classes"]], output_of(name, task)
        )
        for name, task in manifest["tasks"].items()
    }


def predict(
    file: str | Path,
    sources: Sequence[Source],
    folder: Path,
    *,
    threads: int | None = None,
    upright: bool | None = None,
    white: float | None = None,
    which: Frames = Frames(),  # noqa: B008 - immutable
) -> None:
    """Predict every photo and video with an exported file and write each task's results, as with its checkpoint.

    Args:
        threads: of the runtime; None for its default.
        upright: whether to apply the EXIF orientation; None for the setting at export.
        white: the value of white in images with more than 8 bits per channel; None for the file's setting.
        which: frames of videos.

    Raises:
        UserError: for a file that cannot be used, an image of an unsupported size, or if not a single image could be
            read.
    """
    model = open_model(file, threads)
    outputs = {name: task.output for name, task in tasks_of(model.manifest).items()}

    def find(image: Pixels) -> Prediction:
        size = size_seen(model.manifest, image)
        row: dict[str, Any] = {} if size is None else {"seen_height": size[0], "seen_width": size[1]}
        return Prediction(model.predict(image), image, row)

    takes = model.manifest["input"]
    upright = takes["upright"] if upright is None else upright
    white = takes.get("white") if white is None else white
    predict_all(sources, find, outputs, folder, upright=upright, white=white, which=which)
