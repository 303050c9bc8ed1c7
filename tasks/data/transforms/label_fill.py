"""Fills label maps with void where a transform has no image: albumentations fills with 0, which is a class."""

from collections.abc import Callable, Iterable
from functools import partial
from inspect import signature
from pkgutil import resolve_name
from typing import Any

import albumentations
from numpy.typing import NDArray

from tasks.common.labels import VOID


def with_void(settings: Any) -> Any:
    """Plain settings of transforms, with `fill_mask` set to 255 wherever it is a parameter and was not given.

    That includes nested transforms (OneOf, Sequential, …) and those that hide pixels (CoarseDropout, …), where nothing
    should be learnt either.

    Args:
        settings: dicts and lists as passed to instantiate; they are not changed.
    """
    if isinstance(settings, list | tuple):
        return [with_void(entry) for entry in settings]
    if not isinstance(settings, dict):
        return settings
    inner = {key: with_void(value) for key, value in settings.items()}
    return inner | {"fill_mask": VOID} if "fill_mask" not in inner and "fill_mask" in parameters(inner) else inner


def parameters(node: dict[Any, Any]) -> list[str]:
    """Parameter names of what a node builds, without those given by position."""
    try:
        return list(signature(resolve_name(str(node["_target_"]))).parameters)[len(node.get("_args_", ())) :]
    except (KeyError, ImportError, AttributeError, ValueError, TypeError):  # build errors are reported later
        return []


def void_outside(transforms: Iterable[Any]) -> None:
    """Make transforms without such a parameter, nested ones included, leave void where they have no image."""
    for transform in transforms:
        if isinstance(transform, albumentations.BaseCompose):
            void_outside(transform.transforms)
        elif isinstance(transform, albumentations.GridElasticDeform):
            transform._key2func["mask"] = partial(shifted, transform.apply_to_mask)
        elif hasattr(transform, "fill_mask") and "fill_mask" not in signature(type(transform)).parameters:
            transform.fill_mask = VOID  # FrequencyMasking and TimeMasking


def shifted(apply: Callable[..., NDArray[Any]], mask: NDArray[Any], *arguments: Any, **parameters: Any) -> NDArray[Any]:
    """Apply a transform to a uint8 label map with its fill of 0 as 255: classes move up by one, void to 0, and back."""
    return apply(mask + 1, *arguments, **parameters) - 1
