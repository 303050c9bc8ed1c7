"""Predicts photos and videos with one network: its files, pictures and films, and the index. No torch."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.common.labels import Pixels
from tasks.common.output import Output, notes
from tasks.predict.index import Index
from tasks.predict.photos import predict_each
from tasks.predict.prediction import Find, write_photo
from tasks.predict.settings import Frames
from tasks.predict.sources import Source

if TYPE_CHECKING:
    from tasks.data.files.video import Video


def predict_all(
    sources: Sequence[Source],
    find: Find,
    outputs: Mapping[str, Output],
    folder: Path,
    *,
    upright: bool,
    white: float | None,
    which: Frames,
) -> None:
    """Predict every photo and video and write each task's results.

    Args:
        find: predicts one image.
        outputs: by task.
        upright, white: how photos are read; see predict_each.
        which: frames of videos.

    Raises:
        UserError: see predict_each.
    """

    def predict_one(image: Pixels, name: Path) -> tuple[dict[str, Any], str]:
        return write_photo(outputs, find(image), folder, name)

    def predict_frames(video: "Video", name: Path, index: Index) -> int:
        from tasks.predict.videos import predict_video  # OpenCV: not for photos alone

        return predict_video(video, name, index, find, outputs, folder, which)

    for note in notes(outputs):
        print(note, flush=True)
    predict_each(sources, predict_one, folder, upright=upright, white=white, predict_frames=predict_frames)
