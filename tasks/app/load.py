"""Loads a checkpoint or an exported file as a model in one call."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from backbones.errors import ImageSizeError
from tasks.app.boundary import model_path, short_traceback
from tasks.app.model import Model
from tasks.app.pixels import View
from tasks.checkpoint.manifest import NAME
from tasks.checkpoint.manifest_rules import SUFFIXES
from tasks.common.errors import UserError


@short_traceback
def load(path: str | Path, device: Any = None) -> Model:
    """Load a checkpoint or an exported file as a model.

        >>> import torch
        >>> from tasks import load
        >>> model = load("outputs/street/checkpoints/best.ckpt")
        >>> list(model.tasks), model.tasks["segment"].class_names[:3]
        (['segment', 'detect', 'classify'], ['road', 'sidewalk', 'building'])
        >>> found = model.predict("street.png")
        >>> found["segment"]["labels"].shape, found["detect"]["boxes"].shape, len(found["classify"]["names"])
        ((64, 128), (300, 4), 6)
        >>> [each["segment"]["labels"].shape for each in model.predict(["street.png", "street.png"])]
        [(64, 128), (64, 128)]
        >>> maps = model.backbone(torch.zeros(1, 3, 64, 128, dtype=torch.uint8))
        >>> maps["c5"].shape
        torch.Size([1, 32, 4, 8])

    Args:
        path: a checkpoint of a training (.ckpt), a folder of tasks.publish or its model.safetensors, or an exported
            file (.onnx, .xml, .tflite, .param, .pte, .mlpackage, .pt2, or its model.json).
        device: on which a checkpoint's network runs, as named by PyTorch; None for the accelerator if there is one,
            else the CPU. Exported files run on the CPU; only those of ExecuTorch and PyTorch need PyTorch.

    Raises:
        UserError: in one line, if the file is missing, damaged, newer than this code or not ours, if its configuration
            would build what conf/ does not, or if its runtime is not installed.
    """
    path = model_path(path, "load")
    return of_export(path, device) if path.suffix in SUFFIXES or path.name == NAME else of_checkpoint(path, device)


def of_checkpoint(path: Path, device: Any) -> Model:
    """Load a checkpoint as a model."""
    if find_spec("torch") is None:
        raise UserError(f"{path}: a checkpoint needs PyTorch, which is not installed; an exported file does without")
    from tasks.checkpoint.checkpoint import read_ours
    from tasks.checkpoint.reading import forget
    from tasks.engine.build import user_errors
    from tasks.engine.instantiate import make
    from tasks.engine.trained import load_trained
    from tasks.predict.checkpoint import best_device, find, named_device

    learner, config = load_trained(read_ours(path), path, rounded=True)
    forget()
    with user_errors():
        fit = make(config["data"]["fit"], "data.fit")
        chosen = best_device("auto") if device is None else named_device(device)
        learner.to(chosen)

    def find_in(pixels: Any) -> Any:
        try:
            return find(learner, pixels, fit).found
        except ImageSizeError as error:
            raise UserError(str(error)) from error

    view = View(bool(config.get("upright", False)), config.get("white"))
    return Model(path, dict(learner.each_task()), find_in, view, learner.backbone)


def of_export(path: Path, device: Any) -> Model:
    """Load an exported file as a model."""
    from tasks.deploy.model import open_model
    from tasks.deploy.predicting import tasks_of

    if device is not None and str(device) != "cpu":
        raise UserError(f"device={device}: {path} runs on the CPU; a checkpoint runs on other devices")
    model = open_model(path)
    takes = model.manifest["input"]
    return Model(path, tasks_of(model.manifest), model.predict, View(takes["upright"], takes.get("white")))
