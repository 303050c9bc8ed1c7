"""The model returned by load(): maps images to predictions. Nothing here imports PyTorch."""

import glob
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, overload

import numpy as np
from PIL import Image, ImageFile, ImageOps

from tasks.app.result import Result
from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.common.output import Found, Output
from tasks.data.files.bit_depth import is_deep
from tasks.data.files.images import as_rgb, find_images, read_rgb
from tasks.deploy.decode import no_photo
from tasks.predict.address import is_address

AnyImage = Any  # a path, a PIL image, an array (H, W, 3) uint8 RGB, a tensor (3, H, W) uint8 RGB


class TaskOfModel(Protocol):
    """A model's view of a task; for a checkpoint it is the task itself, with head and loss."""

    @property
    def class_names(self) -> list[str]:
        """Names in the order of the class numbers."""

    @property
    def output(self) -> Output:
        """Converts findings to results, writes and draws them."""


class View(NamedTuple):
    """How image files become pixels.

    Attributes:
        upright: whether images are rotated according to their EXIF orientation.
        white: value of white in files with more than 8 bits per channel; None to use the file's own.
    """

    upright: bool
    white: float | None


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

    def predict(self, images: AnyImage, threshold: float | None = None, *, bgr: bool = False) -> Result | list[Result]:
        """Predict for one image, or for each of a list, folder or glob; the results are those that mode=predict writes.

        Args:
            images: a path, a PIL image, an array (H, W, 3) uint8 RGB or a tensor (3, H, W) uint8 RGB; or a list of
                them; or the path of a folder, searched recursively, or a glob. Files and PIL images are rotated by
                their EXIF orientation if `view.upright` is true, which defaults to the task's setting for mode=predict;
                results are in pixels of the rotated image.
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
        if threshold is not None and not 0 <= threshold <= 1:
            raise UserError(f"threshold={threshold}: a score is a number from 0 to 1")
        if isinstance(images, str | Path) and is_several(images):
            images = find_images(str(images))
        if isinstance(images, list | tuple):
            return [self.predict_one(image, threshold, bgr=bgr) for image in images]
        return self.predict_one(images, threshold, bgr=bgr)

    def predict_one(self, image: AnyImage, threshold: float | None = None, *, bgr: bool = False) -> Result:
        """Predict for one image; see predict()."""

        def pixels() -> Pixels:
            return pixels_of(image, self.view, bgr=bgr)

        try:
            found = self.find(pixels())
        except UserError as error:
            if isinstance(image, str | Path) and str(image) not in str(error):
                raise UserError(f"{image}: {error}") from error
            raise
        outputs = {name: task.output for name, task in self.tasks.items()}
        if threshold is not None:
            found = {name: output.above(found[name], threshold) for name, output in outputs.items()}
            outputs = {name: output.with_threshold(threshold) for name, output in outputs.items()}
        parts = {name: output.result(found[name]) for name, output in outputs.items()}
        return Result(parts, found, outputs, pixels, Path(image) if isinstance(image, str | Path) else None)


def is_several(path: str | Path) -> bool:
    """Whether a path names a folder or is a glob."""
    return not Path(path).is_file() and (Path(path).is_dir() or glob.has_magic(str(path)))


def pixels_of(image: AnyImage, view: View, *, bgr: bool = False) -> Pixels:
    """Convert an image to an array (H, W, 3) uint8 RGB.

    Args:
        bgr: whether arrays are BGR.

    Raises:
        UserError: if it is not an image.
    """
    if isinstance(image, str) and is_address(image):
        raise UserError("predict() takes images; a stream is for mode=predict input=rtsp://…")
    if isinstance(image, str | Path):
        return read_rgb(image, upright=view.upright, white=view.white)
    if isinstance(image, Image.Image):
        if image.mode[0] in "IF" or (isinstance(image, ImageFile.ImageFile) and is_deep(image)):
            raise UserError(f"a PIL image of more than 8 bits a channel (mode {image.mode}): give the file's path")
        return as_rgb(ImageOps.exif_transpose(image) if view.upright else image)
    torch = sys.modules.get("torch")  # a caller with a tensor has imported it
    if torch is not None and isinstance(image, torch.Tensor):
        if image.ndim != 3 or image.shape[0] != 3:
            shape = "×".join(map(str, image.shape))
            raise UserError(f"a tensor of {shape}: an image is (3, H, W) uint8 RGB; several are a list of them")
        image = image.detach().permute(1, 2, 0).cpu().numpy()
    if not isinstance(image, np.ndarray):
        raise UserError(
            "predict() takes a path, a PIL image, an array (H, W, 3) uint8 RGB, a tensor (3, H, W) uint8 RGB, or a "
            f"list of them, not {type(image).__name__}"
        )
    if problem := no_photo(image):
        raise UserError(problem)
    return image[..., ::-1] if bgr else image
