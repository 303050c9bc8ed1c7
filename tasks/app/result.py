"""What a model finds in one image, as a program wants it: arrays, names, a picture, JSON."""

import base64
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tasks.app.boundary import path_of, short_traceback
from tasks.common.errors import UserError
from tasks.common.labels import Pixels
from tasks.common.output import Found, Output, overlay_of

Parts = Mapping[str, Mapping[str, Any]]


class Result(dict[str, dict[str, Any]]):
    """The results of one image by task (`result["detect"]["boxes"]`), and those of its only head of a kind directly.

    In a notebook a cell that ends with a result shows its picture.

    Args:
        parts: what each task's output makes of what was found.
        found: by task.
        outputs: by task; draw what was found.
        pixels: reads the image (H, W, 3) again, for its picture.
        path: of the image's file; None if it came from memory.

    Attributes:
        path: of the image's file; None if it came from memory.
    """

    def __init__(
        self,
        parts: Mapping[str, dict[str, Any]],
        found: Mapping[str, Found],
        outputs: Mapping[str, Output],
        pixels: Callable[[], Pixels],
        path: Path | None,
    ) -> None:
        super().__init__(parts)
        self.found, self.outputs, self.pixels, self.path = found, outputs, pixels, path

    def __repr__(self) -> str:
        said = {name: output.summary(self.found[name]) for name, output in self.outputs.items()}
        lines = [f"{name}: {line}" for name, line in said.items() if line]
        return f"Result({', '.join([*([str(self.path)] if self.path else []), *(lines or self)])})"

    def __missing__(self, name: object) -> dict[str, Any]:
        raise KeyError(f"{name!r}: there are {', '.join(self)}")

    @property
    def boxes(self) -> Any:
        """(K, 4) float32, absolute xyxy in pixels of the image, best first."""
        return self.only("boxes", has_boxes)["boxes"]

    @property
    def scores(self) -> Any:
        """(K) of the boxes, from 0 to 1."""
        return self.only("scores", has_boxes)["scores"]

    @property
    def mask(self) -> Any:
        """(H, W) uint8, the class number of each pixel; its names are `names[number]`."""
        return self.only("mask", has_mask)["labels"]

    @property
    def labels(self) -> Any:
        """(K) class numbers of the boxes; or those of a classified image, likeliest first."""
        return self.only("labels", has_labels)["labels"]

    @property
    def names(self) -> list[str]:
        """(K) the names of `labels`; of a label map alone, those of all classes: `names[number]`."""
        fits = has_labels if any(map(has_labels, self.values())) else has_mask
        names: list[str] = self.only("names", fits)["names"]
        return names

    @property
    def probabilities(self) -> Any:
        """(C) of a classified image: in the order of `labels`; of several labels: in that of the class numbers."""
        return self.only("probabilities", has_probabilities)["probabilities"]

    def only(self, attribute: str, fits: Callable[[Mapping[str, Any]], bool]) -> dict[str, Any]:
        """The part that has something.

        Raises:
            AttributeError: if none has it, or several have.
        """
        names = [name for name, part in self.items() if fits(part)]
        if len(names) == 1:
            return self[names[0]]
        if names:
            raise AttributeError(f"{attribute} of {' or '.join(names)}? result[{names[0]!r}] says which")
        raise AttributeError(f"a result of {', '.join(self)} has no {attribute}")

    @short_traceback
    def plot(self) -> Image.Image:
        """The image with what was found drawn over it, and a legend.

        Raises:
            UserError: if the image's file has gone.
        """
        return Image.fromarray(overlay_of(self.outputs, self.pixels(), self.found))

    @short_traceback
    def save(self, path: str | Path) -> Path:
        """Write the picture, or JSON if the name ends in .json; returns the path.

        Raises:
            UserError: for a suffix that Pillow does not write, or a folder that cannot be written to.
        """
        path = path_of(path, "save", "a file's path: a.png and a.jpg are pictures, a.json is data")
        if path.is_dir():
            raise UserError(f"save({path}): it is a folder; name a file in it")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix.lower() == ".json":
                path.write_text(self.to_json() + "\n", encoding="utf-8")
            else:
                self.plot().save(path)
        except ValueError as error:  # Pillow's, for the suffix
            raise UserError(f"{path}: {error}; .png and .jpg are pictures, .json is data") from None
        except OSError as error:
            raise UserError(f"{path}: {error.strerror or error}") from None
        return path

    def to_json(self) -> str:
        """JSON: boxes and classes as lists of objects, a label map as a PNG of class numbers in base64.

        {"path": "a.jpg", "detect": [{"name": "car", "label": 2, "score": 0.97, "box": [4.1, 8.0, 60.5, 41.2]}],
         "classify": [{"name": "town", "label": 1, "probability": 0.82}],
         "segment": {"names": ["road", "sky"], "png": "iVBOR…"}}
        """
        content = {
            name: entries(part, self.outputs[name].image_classes(self.found[name])) for name, part in self.items()
        }
        path = {} if self.path is None else {"path": str(self.path)}
        return json.dumps(path | content, ensure_ascii=False)

    def to_supervision(self) -> dict[str, Any]:
        """The arguments of supervision's Detections, as plain arrays: `Detections(**result.to_supervision())`."""
        part = self.only("boxes", has_boxes)
        return {
            "xyxy": np.asarray(part["boxes"], np.float32).reshape(-1, 4),
            "confidence": np.asarray(part["scores"], np.float32),
            "class_id": np.asarray(part["labels"], int),
            "data": {"class_name": np.asarray(part["names"], dtype=str)},
        }

    def _repr_png_(self) -> bytes | None:
        """The picture in a notebook; None if the image's file has gone."""
        encoded = io.BytesIO()
        try:
            self.plot().save(encoded, "PNG")
        except UserError:
            return None
        return encoded.getvalue()


def has_boxes(part: Mapping[str, Any]) -> bool:
    return "boxes" in part


def has_probabilities(part: Mapping[str, Any]) -> bool:
    return "probabilities" in part


def has_mask(part: Mapping[str, Any]) -> bool:
    return getattr(part.get("labels"), "ndim", 0) == 2


def has_labels(part: Mapping[str, Any]) -> bool:
    return getattr(part.get("labels"), "ndim", 0) == 1


def entries(part: Mapping[str, Any], classes: Sequence[tuple[int, str, float]]) -> Any:
    """A task's part of a result as JSON holds it; that of a plug-in's task with its arrays as lists.

    Args:
        classes: number, name and probability of those of the whole image.
    """
    if has_mask(part):
        encoded = io.BytesIO()
        Image.fromarray(part["labels"]).save(encoded, "PNG")
        return {"names": list(part["names"]), "png": base64.b64encode(encoded.getvalue()).decode()}
    if has_boxes(part):
        rows = zip(part["names"], part["labels"], part["scores"], part["boxes"], strict=True)
        return [
            {"name": name, "label": int(label), "score": float(score), "box": [float(side) for side in box]}
            for name, label, score, box in rows
        ]
    if has_probabilities(part):
        return [{"name": name, "label": label, "probability": probability} for label, name, probability in classes]
    return {key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in part.items()}
