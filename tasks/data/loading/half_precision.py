"""trainer.precision=bf16-true and 16-true, with coordinates as exact as in float32."""

from typing import Any

import lightning
from lightning.pytorch.plugins.precision import HalfPrecision

EXACT = ("boxes", "places")  # bfloat16 has 8 bits: 427 would become 428, 1001 would become 1000


class HalfExceptCoordinates(HalfPrecision):
    """Lightning's half precision, which would convert everything in a batch."""

    def convert_input(self, data: Any) -> Any:
        """Convert a batch except for its coordinates, which are labels and never reach a layer."""
        converted = super().convert_input(data)
        if not isinstance(data, dict):
            return converted
        return converted | {key: data[key] for key in EXACT if key in data}


def keep_coordinates(trainer: lightning.Trainer) -> None:
    """Make a half-precision trainer leave coordinates unchanged; call before its strategy is set up."""
    plugin = trainer.precision_plugin
    if type(plugin) is HalfPrecision:
        trainer.strategy.precision_plugin = HalfExceptCoordinates(plugin.precision)
