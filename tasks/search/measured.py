"""The networks of a search's space that a device has measured: only these can be searched with its times."""

from collections.abc import Sequence

from tasks.common.entries import short
from tasks.common.errors import UserError
from tasks.latency.device import DeviceLatency, architecture
from tasks.search.block.space import Point, Space
from tasks.search.networks import Networks


def measured_points(meter: DeviceLatency, space: Space, networks: Networks) -> list[Point]:
    """The choices of each measured network, in the order of the device's result.

    Raises:
        UserError: for a result that does not say them, of another space, or of networks that today's code builds
            otherwise.
    """
    points: list[Point] = []
    for file in meter.files:
        said = f"latency.device={meter.path}: {short(file.file)}"
        if file.point is None:
            raise UserError(f"{said} does not say its choices: export it with search=candidates")
        point = dict(file.point)
        for key in {**space.choices, **point}:
            if key not in space.choices or key not in point or not is_among(point[key], space.choices[key]):
                raise UserError(
                    f"{said} is no network of this search: {short(key)} is {short(point.get(key))} there; "
                    "search=candidates and this search need the same network, task and search.… choices"
                )
        if architecture(networks.outline(space.plan(point)), meter.size) != file.architecture:
            raise UserError(
                f"{said} is another network than its choices make here: head, classes or this program have changed"
            )
        points.append(point)
    return points


def is_among(value: object, choices: Sequence[object]) -> bool:
    """Whether a value is one of the choices; 1 is not true."""
    return any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in choices)
