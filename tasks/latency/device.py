"""Latencies of whole networks on a device, looked up by the hash of what each network computes."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from tasks.common.errors import UserError
from tasks.deploy.bench.device_result import DeviceResult, Measured, read_result
from tasks.engine.learner import Learner
from tasks.latency.meters import Meter, sized
from tasks.latency.settings import LatencySettings
from tasks.latency.units import units_of


def architecture(learner: Learner, size: tuple[int, int]) -> str:
    """SHA-256 of everything that a network's latency depends on but its weights: its units, for images of a size."""
    keys = "\n".join(unit.key for unit in units_of(learner, size))
    return hashlib.sha256(keys.encode()).hexdigest()


class DeviceLatency(Meter):
    """Milliseconds of whole networks, as a device has measured their files.

    Args:
        path: of the result, for messages.
        device: its name.
        files: of one runtime, precision and image size, with their networks' hashes.
        size: (height, width) of the image.
    """

    name, unit = "latency", "ms"

    def __init__(self, path: str, device: str, files: Sequence[Measured], size: tuple[int, int]) -> None:
        self.path, self.device, self.files, self.size = path, device, files, size
        self.ms = {str(file.architecture): file.latency_ms for file in files}

    def knows(self, learner: Learner) -> bool:
        """Whether the device has measured a network like this one."""
        return architecture(learner, self.size) in self.ms

    def of(self, learner: Learner) -> float:
        """Milliseconds of a network.

        Raises:
            UserError: if the device has not measured it.
        """
        key = architecture(learner, self.size)
        if key not in self.ms:
            raise UserError(
                f"latency.device={self.path}: {self.device} has not measured a network that the search needs, such as "
                "the one it begins with; search=candidates with the same settings exports them"
            )
        return self.ms[key]


def of_device(settings: LatencySettings, size: tuple[int, int]) -> DeviceLatency:
    """A meter of a device's times.

    Args:
        size: (height, width) of the image.

    Raises:
        UserError: for a result without networks, or of another runtime, precision, image size or number of threads.
    """
    assert settings.device is not None
    path = settings.device
    result, said = read_result("latency.device", Path(path)), f"latency.device={path}"
    if result.threads != settings.threads:
        raise UserError(f"{said} is of {result.threads} threads, not latency.threads={settings.threads}")
    known = [file for file in result.files if file.architecture is not None]
    if not known:
        raise UserError(
            f"{said} says of no file which network it is: take the device.json that mode=benchmark "
            "model=<folder of search=candidates> device=… has written"
        )
    fits = [file for file in known if of_target(file, settings, size)]
    if not fits:
        there = dict.fromkeys(told(file) for file in known)
        wanted = f"{settings.runtime} {settings.precision} {sized(size)}"
        raise UserError(
            f"{said} is of {', '.join(there)}, not {wanted} (latency.runtime, latency.precision, the data's image size)"
        )
    check_once(said, fits, result)
    return DeviceLatency(path, result.device, fits, size)


def of_target(file: Measured, settings: LatencySettings, size: tuple[int, int]) -> bool:
    """Whether a time is of the runtime, precision and image size that a search is for."""
    wanted = (settings.runtime, settings.precision, *size)
    return (file.runtime, file.precision, file.height, file.width) == wanted


def told(file: Measured) -> str:
    """Runtime, precision and image size of a time."""
    return f"{file.runtime} {file.precision} {file.height}×{file.width}"


def check_once(said: str, files: Sequence[Measured], result: DeviceResult) -> None:
    """Raises a UserError if two files are the same network: one would hide the other's time."""
    seen: dict[str, Measured] = {}
    for file in files:
        first = seen.setdefault(str(file.architecture), file)
        if first is not file:
            raise UserError(
                f"{said}: {first.file} and {file.file} are the same network on {result.device}, with "
                f"{first.latency_ms:g} and {file.latency_ms:g} ms: leave one out"
            )
