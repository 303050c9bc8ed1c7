"""The model returned by load(): maps images to predictions. Nothing here imports PyTorch."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol, overload

import numpy as np
from PIL import Image, ImageFile, ImageOps

from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.common.output import Found, Output
from tasks.data.files.bit_depth import is_deep
from tasks.data.files.images import as_rgb, read_rgb
from tasks.deploy.decode import no_photo

AnyImage = Any  # a path, a PIL image, an array (H, W, 3) uint8 RGB, a tensor (3, H, W) uint8 RGB
Result = dict[str, dict[str, Any]]  # by task


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
    def predict(self, images: list[AnyImage] | tuple[AnyImage, ...]) -> list[Result]: ...

    @overload
    def predict(self, images: str | Path | Pixels | Image.Image) -> Result: ...

    @overload
    def predict(self, images: AnyImage) -> Any: ...

    def predict(self, images: AnyImage) -> Result | list[Result]:
        """Predict for one image or each of a list of images; the results are those that mode=predict writes.

        Args:
            images: a path, a PIL image, an array (H, W, 3) uint8 RGB or a tensor (3, H, W) uint8 RGB; or a list of
                them. Files and PIL images are rotated by their EXIF orientation if `view.upright` is true, which
                defaults to the task's setting for mode=predict; results are in pixels of the rotated image.

        Returns:
            For each image, by task:
            segment: `labels` (H, W) uint8, class numbers; `names` of all classes.
            detect: `boxes` (K, 4) float32 absolute xyxy, `scores` (K), `labels` (K) class numbers and `names` (K), best
            first.
            classify: `probabilities` (C), `labels` (C) class numbers and `names` (C) of all classes, likeliest first.

        Raises:
            UserError: for a file that cannot be decoded, an image size that the model does not accept, and anything
                that is not an image: floats, a batch, an empty array.
        """
        if isinstance(images, list | tuple):
            return [self.predict_one(image) for image in images]
        return self.predict_one(images)

    def predict_one(self, image: AnyImage) -> Result:
        """Predict for one image, by task."""
        try:
            found = self.find(pixels_of(image, self.view))
        except UserError as error:
            if isinstance(image, str | Path) and str(image) not in str(error):
                raise UserError(f"{image}: {error}") from error
            raise
        return {name: task.output.result(found[name]) for name, task in self.tasks.items()}


def pixels_of(image: AnyImage, view: View) -> Pixels:
    """Convert an image to an array (H, W, 3) uint8 RGB.

    Raises:
        UserError: if it is not an image.
    """
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
    return image
