"""`image_size`, height and width of a network's input: how conf/ derives sizes of crops and scored images from it.

Recipes derive values from it by interpolating the whole key, or with these resolvers:

    ${image_size:192,384}     image_size, or 192×384 if it is null
    ${image_height:768}       its height, or 768; ${image_height:32,1.25}: 1.25 times that; ${image_width:…} likewise
    ${image_side:}            the side of a square; ${image_side:256,224}: side · 256/224, rounded down
    ${image_resized:}         a step of data.augment that resizes images and masks to image_size; null for null
    ${image_stretched:}       a data.fit that stretches scored images to image_size; null for null: no resizing
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tasks.common.errors import UserError

Size = Sequence[int] | None  # image_size
STRETCH = "tasks.data.transforms.letterbox.Stretch"
BY_AREA = 3  # cv2.INTER_AREA: OpenCV's closest to the antialiasing of scored images
SQUARES = "${image_side:"


def height(size: Size, own: int, times: float = 1) -> int:
    return round((size[0] if size else own) * times)


def width(size: Size, own: int, times: float = 1) -> int:
    return round((size[1] if size else own) * times)


def resized(size: Size) -> dict[str, Any] | None:
    """An augmentation step that gives training images the scale of scored ones."""
    step = {"_target_": "albumentations.Resize", "interpolation": BY_AREA}
    return step | {"height": size[0], "width": size[1]} if size else None


RULES: dict[str, Callable[..., Any]] = {
    "image_size": lambda size, height, width: list(size or (height, width)),
    "image_height": height,
    "image_width": width,
    "image_side": lambda size, times=1, of=1: size[0] * times // of if size else None,
    "image_resized": resized,
    "image_stretched": lambda size: {"_target_": STRETCH, "size": list(size)} if size else None,
}
TEXT = re.compile(rf"\$\{{({'|'.join(RULES)}):([0-9.,]*)\}}")


def follows(text: str) -> bool:
    """Whether a value is one of these interpolations."""
    return TEXT.fullmatch(text) is not None


def derived(text: str, size: Size) -> Any:
    """Evaluate one of these interpolations for an image_size.

    Raises:
        ValueError: for any other text.
    """
    if (match := TEXT.fullmatch(text)) is None:
        raise ValueError(f"{text} is none of {', '.join(RULES)}")
    return RULES[match[1]](size, *json.loads(f"[{match[2]}]"))


def check_square(tree: Mapping[str, Any]) -> None:
    """Raise UserError if image_size is not square but the recipe crops squares.

    Args:
        tree: an unresolved configuration, with its interpolations.
    """
    size = tree.get("image_size")
    if size and size[0] != size[1] and any(text.startswith(SQUARES) for text in texts(tree["data"])):
        shown = "[{},{}]".format(*size)
        raise UserError(
            f"image_size={shown}: this recipe cuts squares, such as image_size=[{size[0]},{size[0]}]; others need "
            f"data.crop=null, a crop in data.augment and data.fit={{_target_:{STRETCH},size:{shown}}}"
        )


def texts(node: Any) -> list[str]:
    """All strings among the values of nested dicts and lists."""
    if isinstance(node, dict | list):
        return [text for value in (node.values() if isinstance(node, dict) else node) for text in texts(value)]
    return [node] if isinstance(node, str) else []
