"""Which published network a checkpoint's weights fit."""

from collections.abc import Mapping

import torch
from torch import Tensor

from backbones.published.mobilenets import ROWS as MOBILENETS
from backbones.published.se import ROWS as SE
from backbones.weights import paired


def network_of(state: Mapping[str, Tensor]) -> str:
    """The first published network that a state dict fits, as `backbone=mobilenet_v2 (width 0.5)`; '' for none."""
    for row in (*MOBILENETS, *SE):
        with torch.device("meta"):
            backbone = row.build()
        try:
            paired(backbone, state, "")
        except ValueError:
            continue
        return f"backbone={row.backbone}" + (f" ({row.variant})" if row.variant else "")
    return ""
