"""Refuses oversized networks and epochs unless `confirm=true`."""

from collections.abc import Iterator, Mapping
from typing import Any

from tasks.common.errors import UserError
from tasks.config.tree import Spec

PARAMETERS = 1e9  # 4 GB of weights, 16 with gradients and an optimiser's state
REPEAT = 1000  # passes over the data in one epoch
IMAGES = 1e8  # of one epoch: ImageNet has 1.3e6
EPOCHS = 100_000
WIDE, CHANNELS = 4, 4096  # above this width or number of channels, parameters are counted first
MANY, TOTAL = 512, 2**15  # count and sum of a backbone's or head's numbers: layers up to CHANNELS have at most 1e9


def check_epoch(images: int, *, repeat: int, epochs: int, confirmed: bool) -> None:
    """Check that an epoch has a plausible size.

    Args:
        images: of the training split.
        repeat: passes over them in an epoch.

    Raises:
        UserError: with the number of images if it is not, unless `confirmed`.
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
    """Whether the settings of a backbone or head contain numbers large enough for a network that cannot be built."""
    found = list(numbers(settings))
    if len(found) > MANY or sum(abs(value) for _, value in found) > TOTAL:
        return True
    return any(value > (WIDE if key == "width" else CHANNELS) for key, value in found)


def numbers(node: Any, key: str = "") -> Iterator[tuple[str, float]]:
    """Yield all numbers of a configuration with the keys that hold them."""
    if isinstance(node, Mapping):
        for name, value in node.items():
            yield from numbers(value, str(name))
    elif isinstance(node, list):
        for value in node:
            yield from numbers(value, key)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield key, node


def check_parameters(what: str, parameters: int, confirmed: bool) -> None:
    """Check that a network fits a machine.

    Raises:
        UserError: with its number of parameters if it does not, unless `confirmed`.
    """
    if parameters > PARAMETERS and not confirmed:
        raise UserError(
            f"{what}: {parameters:,} parameters, {4 * parameters / 1e9:,.0f} GB in float32; if that is meant, "
            "confirm=true"
        )
