"""Oversized networks and epochs are refused unless `confirm=true`."""

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.common.errors import UserError
from tasks.config.tree import Spec

PARAMETERS = 1e9  # 4 GB of weights, 16 with gradients and an optimiser's state
REPEAT = 1000  # passes over the data in one epoch
IMAGES = 1e8  # of one epoch: ImageNet has 1.3e6
EPOCHS = 100_000
WIDE, CHANNELS = 4, 4096  # a width, and a number of channels, from which parameters are counted first
MANY, TOTAL = 512, 2**15  # numbers of a backbone or head, and their sum: layers of up to CHANNELS have 1e9 at most


def check_epoch(images: int, *, repeat: int, epochs: int, confirmed: bool) -> None:
    """Compare an epoch with what people train.

    Args:
        images: of the training split.
        repeat: passes over them in an epoch.

    Raises:
        UserError: with its images, unless `confirm` is true.
    """
    whole = images * repeat
    if (repeat > REPEAT or whole > IMAGES) and not confirmed:
        raise UserError(
            f"data.repeat={repeat}: an epoch would have {whole:,} images, {images:,} × {repeat:,}; if that is meant, "
            "confirm=true"
        )
    if epochs > EPOCHS and not confirmed:
        raise UserError(f"trainer.max_epochs={epochs}: that is {epochs * whole:,} images; if it is meant, confirm=true")


def is_wide(settings: Spec) -> bool:
    """Whether the settings of a backbone or head have numbers from which a network may be too large to build."""
    found = list(numbers(settings))
    if len(found) > MANY or sum(abs(value) for _, value in found) > TOTAL:
        return True
    return any(value > (WIDE if key == "width" else CHANNELS) for key, value in found)


def numbers(node: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """All numbers of a configuration with the keys that they stand below."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from numbers(value, str(name))
    elif isinstance(node, list):
        for value in node:
            yield from numbers(value, key)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield key, node


def check_parameters(what: str, parameters: int, confirmed: bool) -> None:
    """Compare a network with what fits a machine.

    Raises:
        UserError: with its parameters, unless they are confirmed.
    """
    if parameters > PARAMETERS and not confirmed:
        raise UserError(
            f"{what}: {parameters:,} parameters, {4 * parameters / 1e9:,.0f} GB in float32; if that is meant, "
            "confirm=true"
        )
