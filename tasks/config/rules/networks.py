"""Rules for backbones and heads. Applied to keys that are present."""

from typing import Any

from tasks.config.rules import (
    POSITIVE,
    SWITCH,
    TEXT,
    Rules,
    either,
    is_list,
    list_of,
    number,
    one_of,
    optional,
    whole,
)

CHANNELS = 2**16


def are_maps(value: Any) -> bool:
    """Whether a value is a list of maps: each a name, or several names of which the first existing one is used."""
    return is_list(value) and len(value) > 0 and all(NAME[0](entry) for entry in value)


NAME = either(TEXT, list_of(TEXT))
RULES: Rules = {
    "backbone.frozen": SWITCH,
    "backbone.pretrained": SWITCH,
    "backbone.depth": one_of(50, 101),
    "backbone.width": POSITIVE,
    "backbone.output_stride": one_of(8, 16, 32),
    "backbone.skip_strides": one_of(0, 1, 2, 3),
    "backbone.norm_eps": optional(number(above=0, most=1)),
    "backbone.norm_momentum": optional(number(above=0, most=1)),
    "backbone.thin_last": SWITCH,
    "backbone.minimalistic": SWITCH,
    "backbone.excite": SWITCH,
    "backbone.stem": one_of(16, 32),
    "backbone.shallow": SWITCH,
    "backbone.bias": SWITCH,
    "backbone.adapt": SWITCH,
    "backbone.resolution": whole(1, most=2**14),
    "backbone.reduction": one_of(None, 2, 4, 8, 16, 32),
    "backbone.gated_stages": list_of(one_of(2, 3, 4, 5), least=0),
    "backbone.cap": whole(1, most=CHANNELS),
    "head.hidden": either(whole(0, most=CHANNELS), one_of("paper")),
    "head.dropout": number(0, below=1),
    "head.low": NAME,
    "head.high": NAME,
    "head.detail": optional(TEXT),
    "head.pool_kernel": whole(1, optional=True, most=2**14),
    "head.finest": optional(whole(1, most=CHANNELS)),
    "head.pool_stride": list_of(whole(1, most=2**14), 2),
    "head.gate_bias": SWITCH,
    "head.rates": list_of(whole(1, most=2**10)),
    "head.maps": (are_maps, "a list of maps' names"),
    "head.extras": list_of(whole(2, most=CHANNELS), least=0),
    "head.norm_eps": number(above=0, most=1),
    "head.norm_momentum": number(above=0, most=1),
    "head.convolution": one_of("separable", "full"),
    "head.kernel": one_of(1, 3),
    "head.prior": optional(number(above=0, below=1)),
    "head.anchors.smallest": number(above=0, most=1),
    "head.anchors.largest": number(above=0, most=1),
    "head.anchors.scales": optional(list_of(number(above=0, most=2))),
    "head.anchors.shapes": list_of(list_of(list_of(number(above=0, most=16), 2))),
    "head.anchors.ratios": list_of(number(above=0, most=100)),
    "head.anchors.reduce_first": SWITCH,
}
