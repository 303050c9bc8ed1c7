"""Amounts as people write them: 3M parameters, 60M multiply-adds, 5ms, 0.7x of a reference."""

import math
import re
from typing import Any, NamedTuple

from tasks.common.errors import UserError

POWERS = {"": 1, "k": 1e3, "M": 1e6, "G": 1e9}
NUMBER = re.compile(r"([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)\s*([a-zA-Z]*)")


class Amount(NamedTuple):
    """An absolute number, or a share of a reference."""

    value: float
    relative: bool

    def of(self, whole: float) -> float:
        """The absolute number, given the reference `whole`."""
        return self.value * whole if self.relative else self.value


def amount(key: str, value: Any, *, milliseconds: bool = False, relative: bool = False) -> Amount:
    """Parse an amount from the configuration.

    Args:
        key: of the value, for messages.
        milliseconds: whether it is a time, which may end in ms; counts may end in k, M or G.
        relative: whether it may be a share: 0.7x.

    Raises:
        UserError: for anything else, or if it is not above 0.
    """
    match = NUMBER.fullmatch(str(value).strip())
    number, unit = (float(match[1]), match[2]) if match and not isinstance(value, bool) else (math.nan, "")
    if 0 < number < math.inf:
        if unit == "x" and relative:
            return Amount(number, True)
        if milliseconds and unit in ("", "ms"):
            return Amount(number, False)
        if not milliseconds and unit in POWERS:
            return Amount(number * POWERS[unit], False)
    examples = ["5ms" if milliseconds else "60M", *(["0.7x of the seed network's"] if relative else [])]
    raise UserError(f"{key}={value} is not a number above 0 such as {' or '.join(examples)}")


def readable(value: float, unit: str) -> str:
    """An amount with its unit: 5.12 ms, 56.5M multiply-adds."""
    if unit == "ms":
        return f"{value:.3g} ms" if value < 1 else f"{value:.2f} ms"
    power = next((p for p in ("G", "M", "k") if value >= POWERS[p]), "")
    return f"{value / POWERS[power]:.4g}{power} {unit}"
