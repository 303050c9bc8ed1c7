"""Proposals of a NetAdapt step: for each width, the most channels that keep the cost within the limit."""

from bisect import bisect_left
from functools import cache
from typing import NamedTuple

from backbones.inverted import Plan
from tasks.latency.meters import Meter
from tasks.search.narrow.widths import Width, allowed, narrowed, widths_of
from tasks.search.networks import Networks


class Proposal(NamedTuple):
    """A network that differs from the current one in one width."""

    width: Width
    channels: int
    plan: Plan
    cost: float

    def __str__(self) -> str:
        return f"{self.width} {self.width.channels} → {self.channels}"


def proposals(networks: Networks, meter: Meter, plan: Plan, limit: float) -> list[Proposal]:
    """One proposal per width that can bring the cost down to the limit."""
    found = []
    for width in widths_of(plan, networks.passes):
        choices = allowed(plan, networks.passes, width)

        @cache
        def cost(channels: int, width: Width = width) -> float:
            return meter.of(networks.outline(narrowed(plan, width, channels)))

        # cost grows with width except for measuring noise; in any case, the cost at `place` has been checked
        place = bisect_left(choices, True, key=lambda channels: cost(channels) <= limit)
        if place < len(choices):
            channels = choices[place]
            found.append(Proposal(width, channels, narrowed(plan, width, channels), cost(channels)))
    return found


def smallest(networks: Networks, plan: Plan) -> Plan:
    """The plan with the fewest channels allowed everywhere."""
    while True:
        before = plan
        for width in widths_of(plan, networks.passes):
            choices = allowed(plan, networks.passes, width)
            if choices:
                plan = narrowed(plan, width, choices[-1])
                break
        if plan == before:
            return plan
