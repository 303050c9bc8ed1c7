"""Shortcuts between expansions instead of bottlenecks: the comparison of MobileNetV2's figure 6b."""

from collections.abc import Mapping, Sequence, Set

from torch import Tensor, nn

from backbones.base import Tap
from backbones.blocks import InvertedResidual


class ExpansionResidual(nn.Module):
    """From one expansion to the next: the layers of two neighbouring inverted residuals, cut at their wide ends.

        x ── depthwise ──> (squeeze-excite) ──> 1×1 project ──> 1×1 expand of the next block ── + x, where shapes allow
             "depthwise"                        "bottleneck"                                    "out"

    Args:
        block: gives everything behind its expansion.
        following: gives its expansion; None behind the last block, whose result is the bottleneck.
    """

    def __init__(self, block: InvertedResidual, following: InvertedResidual | None) -> None:
        super().__init__()
        self.depthwise, self.excite, self.project = block.depthwise, block.excite, block.project
        conv, project = self.depthwise[0], self.project[0]
        assert isinstance(conv, nn.Conv2d) and isinstance(project, nn.Conv2d)
        self.expand = following.expand if following is not None else nn.Identity()
        out = getattr(self.expand[0], "out_channels", 0) if isinstance(self.expand, nn.Sequential) else 0
        self.residual = conv.stride == (1, 1) and out == conv.in_channels

    def maps(self, x: Tensor) -> dict[str, Tensor]:
        """The inner maps by place, as far as `stop_after` left them."""
        maps = {"depthwise": self.depthwise(x)}
        if hasattr(self, "project"):
            maps["bottleneck"] = self.project(self.excite(maps["depthwise"]))
        if hasattr(self, "expand"):
            out = self.expand(maps["bottleneck"])
            maps["out"] = x + out if self.residual else out
        return maps

    def forward(self, x: Tensor) -> Tensor:
        out = self.expand(self.project(self.excite(self.depthwise(x))))
        return x + out if self.residual else out

    def stop_after(self, places: Set[str]) -> None:
        """Drop the layers behind the last of these places ("depthwise", "bottleneck")."""
        del self.expand
        if "bottleneck" not in places:
            del self.project, self.excite


def join_expansions(modules: Sequence[nn.Module], taps: Mapping[str, Tap]) -> tuple[list[nn.Module], dict[str, Tap]]:
    """A chain of inverted residuals cut anew at their expansions; every map keeps its name and shape."""
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
