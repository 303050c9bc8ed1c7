"""What repeats a benchmark on a device: a folder of the files with run.sh, and the lines that send it there."""

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tasks.common.console import report
from tasks.common.device_programs import PROGRAMS, RUNS, WITHOUT
from tasks.common.entries import short
from tasks.common.formats import FORMATS
from tasks.common.writing import write_text
from tasks.deploy.bench.device_text import MARK
from tasks.deploy.runners.openvino import computed_in

FOLDER, SCRIPT, LINES = "device", "run.sh", "devices.txt"
ON_ANDROID, ON_LINUX = "/data/local/tmp", "/tmp"
UNTRIED = "Not tried on a device: the programs and their options were looked up."
HEAD = f"""# Times each file with its runtime's own program, in this folder: sh {SCRIPT} > device.txt
# {UNTRIED}
# The programs are looked for in PATH, here and in the folder above.
PATH="$PATH:.:.."
measure() {{
  echo "{MARK}"
  echo "file: $1"
  echo "sha256: $(sha256sum "$1" | cut -d ' ' -f 1)"
  echo "device: $(getprop ro.product.model 2>/dev/null || uname -n)"
  echo "threads: $2"
  echo "governor: $(cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor 2>/dev/null)"
  echo "temperature_mc: $(cat /sys/class/thermal/thermal_zone0/temp 2>/dev/null)"
  shift 2
  echo "program: $*"
  "$@" 2>&1
  echo
}}
"""


class ToMeasure(NamedTuple):
    """An exported file and its description."""

    name: str
    path: Path
    manifest: Mapping[str, Any]


def write_device_folder(folder: Path, files: Sequence[ToMeasure], threads: int, again: str) -> list[str]:
    """Write device/ with the files and run.sh, and devices.txt with the lines that use it.

    Args:
        threads: of the programs.
        again: the command that reads the result, without `device=`.

    Returns:
        Lines to print; none without a file that has a program.
    """
    known, without = parted(files)
    if not known:
        return []
    place = folder / FOLDER
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    commands = []
    for number, file in enumerate(known, 1):
        stem = f"{number}_{safe(file.path.stem)}"
        for part in FORMATS[file.manifest["runtime"]].files(file.path):
            link(part, place / f"{stem}{part.suffix}")
        commands.append(f"measure {measured_by(file, f'{stem}{file.path.suffix}', threads)}  # {short(file.name)}")
    write_text(place / SCRIPT, "\n".join([HEAD, *commands, ""]))
    lines = send(place)
    more = [f"# {short(name)}: {why}" for name, why in without]
    text = [
        f"# {UNTRIED} {SCRIPT} names each program; put those into {ON_ANDROID} or into PATH.",
        "# An Android device:",
        lines[0],
        "# A board or computer with ssh, and USER@HOST for its name:",
        lines[1],
        "# Then its times beside this machine's, and the front on the device:",
        f"{again} device=device.txt",
        *more,
    ]
    write_text(folder / LINES, "\n".join([*text, ""]))
    return [
        f"device    {folder / LINES}: to repeat it on a device (not tried on one)",
        *(f"            {line}" for line in lines),
        *(f"            {line}" for line in more),
    ]


def parted(files: Sequence[ToMeasure]) -> tuple[list[ToMeasure], list[tuple[str, str]]]:
    """The files that a program can measure, and names of the others with the reason."""
    known, without = [], []
    for file in files:
        form = file.manifest["runtime"]
        if form not in PROGRAMS:
            without.append((file.name, WITHOUT.get(form, f"{form} has no program for it here")))
        elif None in (file.manifest["input"]["height"], file.manifest["input"]["batch"]):
            without.append((file.name, "its input has no fixed size, which the programs need"))
        else:
            known.append(file)
    return known, without


def measured_by(file: ToMeasure, name: str, threads: int) -> str:
    """The words of run.sh behind `measure` for a file of this name."""
    takes = file.manifest["input"]
    computes = computed_in(file.manifest["precision"])
    size = {"height": takes["height"], "width": takes["width"]}
    words = PROGRAMS[file.manifest["runtime"]].command(file=name, threads=threads, runs=RUNS, computes=computes, **size)
    return shlex.join([name, str(threads), *words])


def send(place: Path) -> tuple[str, str]:
    """The lines for adb and for ssh."""
    here = shlex.quote(str(place))
    run = f"cd {{}}/{FOLDER} && sh {SCRIPT}"
    return (
        f'adb push {here} {ON_ANDROID} && adb shell "{run.format(ON_ANDROID)}" > device.txt',
        f'scp -r {here} USER@HOST:{ON_LINUX} && ssh USER@HOST "{run.format(ON_LINUX)}" > device.txt',
    )


def safe(stem: str) -> str:
    """A file's name with letters, digits, - and _ alone."""
    return "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_") else "_" for letter in stem)


def link(source: Path, target: Path) -> None:
    """The same file under another name, or a copy on another disk."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def print_lines(lines: Sequence[str]) -> None:
    """Print what write_device_folder() returned."""
    for line in lines:
        report(line)
