"""An exported file as a function from photos to predictions, without PyTorch."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tasks.checkpoint.manifest import NAME, read_manifest
from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.common.output import size_to_see
from tasks.data.files.images import read_rgb
from tasks.deploy.decode import Found, decode, no_photo, prepare, resized
from tasks.deploy.runners.opening import open_runner
from tasks.deploy.runners.runner import Runner


class Model:
    """Takes photos of any size; returns results in their own pixels.

    Args:
        runner: the file.
        manifest: its description.
    """

    def __init__(self, runner: Runner, manifest: Mapping[str, Any]) -> None:
        self.runner, self.manifest = runner, manifest

    def predict(self, image: str | Path | Pixels) -> dict[str, Found]:
        """Predictions by task for an image file or an image (H, W, 3) uint8 RGB.

        Returns:
            segment: `labels` (H, W) uint8, train ids. detect: `boxes` (K, 4) float32 absolute xyxy, `scores` (K) and
            `labels` (K), best first. classify: `logits` (C), or `probabilities` (C) if the file returns those. Plug-in
            tasks: the same for outputs of these kinds, all others unchanged; see decode().

        Raises:
            UserError: for a file that cannot be decoded, an image that the exported file cannot take, and an array that
                is not an image: floats, channels first, greyscale, a batch, empty. Read-only and strided arrays work.
        """
        if not isinstance(image, np.ndarray | str | Path):
            raise UserError(
                f"predict() takes one image, a path or an array (H, W, 3) uint8 RGB, not {type(image).__name__}"
            )
        if not isinstance(image, np.ndarray) and not Path(image).is_file():
            what = "is a folder: predict() takes one image" if Path(image).is_dir() else "no such file"
            raise UserError(f"{image}: {what}")
        if isinstance(image, np.ndarray):
            photo = image
        else:
            takes = self.manifest["input"]
            photo = read_rgb(image, upright=takes["upright"], white=takes.get("white"))
        try:
            if problem := no_photo(photo):
                raise UserError(problem)
            size = size_seen(self.manifest, photo)
            small = photo if size is None else resized(photo, size, None).transpose(1, 2, 0)
            seen, place = prepare(small, self.manifest)
            return decode(self.runner.run(seen), self.manifest, photo.shape[:2], place)
        except (ValueError, UserError) as error:
            where = "" if isinstance(image, np.ndarray) else f"{image}: "
            raise UserError(f"{where}{error}") from error


def size_seen(manifest: Mapping[str, Any], photo: Pixels) -> tuple[int, int] | None:
    """(height, width) that a very large photo is reduced to if the file takes any size; None for all others."""
    takes = manifest["input"]
    if takes["resize"]["rule"] != "none" or takes["height"] or takes["width"]:
        return None
    return size_to_see(*photo.shape[:2])


def open_model(path: str | Path, threads: int | None = None) -> Model:
    """Open an exported file for prediction.

    Args:
        path: the file, or the model.json next to it.
        threads: per image; None for the runtime's default.

    Raises:
        UserError: for a file that is missing, damaged or of a newer format, or whose runtime is not installed.
    """
    path, manifest = Path(path), read_manifest(path)
    return Model(
        open_runner(path.with_name(manifest["file"]) if path.name == NAME else path, manifest, threads), manifest
    )
