"""data.decode=cuda: what it works with, and whether there can be a GPU. Without torch."""

import platform
from collections.abc import Mapping
from typing import Any

from tasks.common.cpu import accelerator_is_likely
from tasks.common.errors import UserError
from tasks.config.tree import Tree, select

CROP = "tasks.data.transforms.crop.RandomResizedCrop"


def check_decode(tree: Tree) -> None:
    """Check that the device can decode the images of a training.

    Raises:
        UserError: if a worker needs their pixels, or there is no GPU.
    """
    if select(tree, "data.decode") != "cuda":
        return
    data: Mapping[str, Any] = tree["data"]
    if tree.get("datasets"):
        raise UserError("data.decode=cuda is for one data set, not for a mixture (datasets=[…])")
    if select(tree, "data.crop._target_") != CROP:
        raise UserError(
            f"data.decode=cuda is for training of image labels with data.crop: {CROP}, as recipe=classify_crops has it"
        )
    if names := [name for name, transform in (data.get("augment") or {}).items() if transform is not None]:
        without = " ".join(f"data.augment.{name}=null" for name in names)
        raise UserError(f"data.decode=cuda leaves data.augment.{names[0]} no pixels to change; without: {without}")
    for key in ("data.cache", "data.scales", "white"):
        if value := select(tree, key):
            why = {"data.cache": "keeps", "data.scales": "resizes", "white": "scales"}[key]
            raise UserError(f"data.decode=cuda: {key}={value} {why} pixels that the CPU has decoded: take one of both")
    if data["batch_size"] == "auto":
        raise UserError(
            "data.decode=cuda and data.batch_size=auto exclude each other: photos take memory beside a step"
        )
    if lacking := lacking_here(select(tree, "trainer.accelerator")):
        raise UserError(f"data.decode=cuda needs CUDA: {lacking}; data.decode=cpu works everywhere")


def lacking_here(accelerator: str) -> str:
    """Why a training cannot be on CUDA; '' if it can, or only torch knows."""
    if accelerator not in ("auto", "gpu", "cuda"):
        return f"trainer.accelerator={accelerator}"
    if (platform.system(), platform.machine()) == ("Linux", "x86_64") and not accelerator_is_likely():
        return "this machine, or the PyTorch on it, has no GPU"
    return ""
