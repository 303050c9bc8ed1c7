"""A device's times beside this machine's: which is of which file."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tasks.common.console import report
from tasks.common.entries import short
from tasks.common.errors import UserError
from tasks.deploy.bench.candidates import Candidate
from tasks.deploy.bench.device_result import DeviceResult, Measured
from tasks.deploy.bench.ranking import Row


def matched(found: Sequence[Candidate], device: DeviceResult, threads: int) -> dict[str, Measured]:
    """The device's time of each exported file, by the candidate's name: by the file's hash, else by its name alone.

    Args:
        threads: on which this machine is measured.

    Raises:
        UserError: if the device ran on another number of threads, or no file is one of these.
    """
    if device.threads != threads:
        raise UserError(
            f"device=…: {short(device.device)} ran on {device.threads} threads and this machine on {threads}: "
            f"benchmark.threads={device.threads} measures the same"
        )
    files = {candidate.name: candidate for candidate in found if candidate.manifest is not None}
    given: dict[str, Measured] = {}
    for each in device.files:
        names = [name for name, file in files.items() if is_of(file, each)]
        if len(names) == 1:
            given[names[0]] = each
        if each.sha256 is None and names:
            known = "known by its name alone" if len(names) == 1 else f"{len(names)} files have this name"
            report(f"device    {short(each.file)}: {known}, for want of its hash in the result")
        elif not names:
            same = any(file.files[0].name == each.file for file in files.values())
            why = "another file had this name on the device" if same else "is none of these files"
            report(f"device    {short(each.file)}: {why}")
    if not given:
        raise UserError(
            f"device=…: none of the {len(device.files)} files that {short(device.device)} measured is one of these: "
            "model=… names what was measured"
        )
    return given


def is_of(file: Candidate, measured: Measured) -> bool:
    """Whether a time is of an exported file."""
    path = file.files[0]
    if measured.sha256 is None:
        return path.name == measured.file
    return file.manifest is not None and file.manifest["sha256"].get(path.name) == measured.sha256


def of_device(rows: Sequence[Row], given: Mapping[str, Measured], device: DeviceResult) -> list[Row]:
    """The rows with the device's name and milliseconds; null for what it has not measured."""
    return [
        row
        | {"device_name": device.device, "device_ms": given[row["name"]].latency_ms if row["name"] in given else None}
        for row in rows
    ]


def complete(device: DeviceResult, given: Mapping[str, Measured], found: Sequence[Candidate]) -> DeviceResult:
    """The result with what is known of its files, so that it means something without them."""
    files = {id(given[each.name]): each for each in found if each.name in given and each.manifest is not None}
    return replace(device, files=[said_of(each, files.get(id(each))) for each in device.files])


def said_of(measured: Measured, file: Candidate | None) -> Measured:
    """A time with what its file says of itself."""
    if file is None or file.manifest is None:
        return measured
    manifest: Mapping[str, Any] = file.manifest
    return replace(
        measured,
        sha256=manifest["sha256"][file.files[0].name],
        runtime=manifest["runtime"],
        precision=manifest["precision"],
        height=manifest["input"]["height"],
        width=manifest["input"]["width"],
        architecture=manifest.get("architecture"),
        point=manifest.get("point"),
    )
