"""The model returned by load(): maps images to predictions. Nothing here imports PyTorch."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, overload

from PIL import Image

from tasks.app.boundary import short_traceback
from tasks.app.pixels import AnyImage, View, pixels_of, place_of, several_in, threshold_of
from tasks.app.result import Result
from tasks.common.entries import short
from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.common.output import Found, Output


class TaskOfModel(Protocol):
    """A model's view of a task; for a checkpoint it is the task itself, with head and loss."""

    @property
    def class_names(self) -> list[str]:
        """Names in the order of the class numbers."""

    @property
    def output(self) -> Output:
        """Converts findings to results, writes and draws them."""


class Model:
    """A trained network or an exported file, ready to predict.

    Args:
        path: of the file.
        tasks: by name.
        find: returns what each task finds in an image (H, W, 3) uint8 RGB, in its pixels.
        view: how image files become pixels.
        backbone: of a checkpoint.
    """

    def __init__(
        self,
        path: Path,
        tasks: Mapping[str, TaskOfModel],
        find: Callable[[Pixels], Mapping[str, Found]],
        view: View,
        backbone: Any = None,
    ) -> None:
        self.path, self.tasks, self.find, self.view = path, dict(tasks), find, view
        self.own_backbone = backbone

    def __repr__(self) -> str:
        return f"Model({str(self.path)!r}: {', '.join(self.tasks)})"

    @property
    def backbone(self) -> Any:
        """The backbone: a module that maps images (N, 3, H, W) uint8 to named feature maps.

        Raises:
            UserError: for an exported file.
        """
        if self.own_backbone is None:
            raise UserError(f"{self.path} is an exported file, which has no backbone: load the checkpoint it is from")
        return self.own_backbone

    @overload
    def predict(
        self, images: list[AnyImage] | tuple[AnyImage, ...], threshold: float | None = None, *, bgr: bool = False
    ) -> list[Result]: ...

    @overload
    def predict(self, images: Pixels | Image.Image, threshold: float | None = None, *, bgr: bool = False) -> Result: ...

    @overload
    def predict(self, images: AnyImage, threshold: float | None = None, *, bgr: bool = False) -> Any: ...

    @short_traceback
    def predict(self, images: AnyImage, threshold: float | None = None, *, bgr: bool = False) -> Result | list[Result]:
        """Predict for one image, or for each of several; the results are those that mode=predict writes.

        Args:
            images: a path, a PIL image, an array (H, W, 3) uint8 RGB or a tensor (3, H, W) uint8 RGB; or a list or
                iterator of them; or the path of a folder, searched recursively, or a glob. Files and PIL images are
                rotated by their EXIF orientation if `view.upright` is true, which defaults to the task's setting for
                mode=predict; results are in pixels of the rotated image.
            threshold: from 0 to 1; boxes that score less are left out, and of a multi-label network only classes that
                reach it are named. None: all boxes, the network's own threshold for labels and pictures.
            bgr: whether arrays are BGR, as OpenCV reads them.

        Returns:
            For each image, by task:
            segment: `labels` (H, W) uint8, class numbers; `names` of all classes.
            detect: `boxes` (K, 4) float32 absolute xyxy, `scores` (K), `labels` (K) class numbers and `names` (K), best
            first.
            classify: `probabilities` (C), `labels` (C) class numbers and `names` (C) of all classes, likeliest first.
            And without the task's name: `.boxes`, `.scores`, `.labels`, `.names`, `.mask`, `.probabilities`, `.plot()`,
            `.save()`, `.to_json()`, `.to_supervision()`; see Result.

        Raises:
            UserError: for a file that cannot be decoded, a folder without images, an image size that the model does not
                accept, a threshold outside 0 to 1, and anything that is not an image: floats, a batch, an empty array.
        """
        threshold = threshold_of(threshold)
        if not isinstance(bgr, bool):
            raise UserError(f"bgr={short(repr(bgr))}: True if arrays are BGR, else False")
        several = several_in(images)
        if several is None:
            return self.predict_one(images, threshold, bgr=bgr)
        results = []
        for number, image in enumerate(several):
            try:
                results.append(self.predict_one(image, threshold, bgr=bgr))
            except UserError as error:
                raise (error if is_path(image) else UserError(f"images[{number}]: {error}")) from error
        return results

    def predict_one(self, image: AnyImage, threshold: float | None = None, *, bgr: bool = False) -> Result:
        """Predict for one image; see predict()."""

        path = place_of(image) if is_path(image) else None

        def pixels() -> Pixels:
            return pixels_of(image if path is None else path, self.view, bgr=bgr)

        try:
            found = self.find(pixels())
        except UserError as error:
            if path is not None and str(path) not in str(error):
                raise UserError(f"{path}: {error}") from error
            raise
        outputs = {name: task.output for name, task in self.tasks.items()}
        if threshold is not None:
            found = {name: output.above(found[name], threshold) for name, output in outputs.items()}
            outputs = {name: output.with_threshold(threshold) for name, output in outputs.items()}
        parts = {name: output.result(found[name]) for name, output in outputs.items()}
        return Result(parts, found, outputs, pixels, path)


def is_path(image: AnyImage) -> bool:
    return isinstance(image, str | os.PathLike)
