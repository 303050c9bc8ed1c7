"""Shortcuts between expansions instead of bottlenecks: the comparison of MobileNetV2's figure 6b."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

from torch import nn

from backbones.base import Tap
from backbones.blocks import ConvNormAct, InvertedResidual, TappedBlock


class ExpansionResidual(TappedBlock):
    """From one expansion to the next: the layers of two neighbouring inverted residuals, split at their wide ends.

        x ── depthwise ──> (squeeze-excite) ──> 1×1 project ──> 1×1 expand of the next block ── + x, if shapes allow
             "depthwise"                        "bottleneck"                                    "out"

    Args:
        block: provides everything after its expansion.
        following: provides its expansion; None after the last block, whose result is the bottleneck.
    """

    places: ClassVar[Mapping[str, str]] = {"depthwise": "depthwise", "project": "bottleneck", "expand": "out"}

    def __init__(self, block: InvertedResidual, following: InvertedResidual | None) -> None:
        super().__init__()
        self.depthwise, self.excite, self.project = block.depthwise, block.excite, block.project
        self.expand = following.expand if following is not None else nn.Identity()
        conv, expand = self.depthwise[0], self.expand[0] if isinstance(self.expand, ConvNormAct) else None
        assert isinstance(conv, nn.Conv2d)
        same = isinstance(expand, nn.Conv2d) and expand.out_channels == conv.in_channels
        self.residual = same and conv.stride == (1, 1)


def join_expansions(modules: Sequence[nn.Module], taps: Mapping[str, Tap]) -> tuple[list[nn.Module], dict[str, Tap]]:
    """Regroup a chain of inverted residuals at their expansions; every map keeps its name and shape."""
    chain: list[nn.Module] = []
    for module, following in zip(modules, (*modules[1:], None), strict=True):
        if isinstance(module, InvertedResidual):
            module = ExpansionResidual(module, following if isinstance(following, InvertedResidual) else None)
        chain.append(module)

    def moved(tap: Tap) -> Tap:
        if not isinstance(modules[tap.block], InvertedResidual):
            return tap
        if tap.place == "expanded":
            return Tap(tap.block - 1)
        return Tap(tap.block, "bottleneck" if tap.place == "out" else tap.place)

    return chain, {name: moved(tap) for name, tap in taps.items()}
