"""Whether int8 is worth it here: an int8 file timed against the float file that it was made of."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, NamedTuple

from tasks.common.console import report
from tasks.common.errors import UserError
from tasks.common.formats import FORMATS
from tasks.common.stopwatch import Stopwatch
from tasks.deploy.network import Traced
from tasks.deploy.parity import Difference
from tasks.deploy.quantise.plan import open_quantiser
from tasks.deploy.quantise.quantiser import Images
from tasks.deploy.runners.opening import open_runner
from tasks.deploy.runners.runner import Runner
from tasks.deploy.settings import ExportSettings, check_installed
from tasks.deploy.writers.by_format import WRITERS

SECONDS = 2.0
WARM_UP = 3  # pairs of runs that do not count
SLOWER = 0.97  # a ratio below it is clearly slower, if most pairs agree; what is nearer to 1 may be the machine
MOST = 0.75
WORTH = 1.4  # times as fast, from which int8 is worth what it loses


class Speed(NamedTuple):
    """Both files on one thread of this machine, run in turn.

    Attributes:
        fp32, int8: milliseconds of the thread's own clock for one image, the median over all runs.
        agreeing: share of the pairs of runs in which int8 was slower.
    """

    fp32: float
    int8: float
    agreeing: float

    @property
    def ratio(self) -> float:
        """How many times as fast int8 is."""
        return self.fp32 / self.int8

    @property
    def clearly_slower(self) -> bool:
        """Whether int8 is slower by more than a busy machine may pretend."""
        return self.ratio < SLOWER and self.agreeing >= MOST

    def __str__(self) -> str:
        return f"int8 {self.int8:.2f} ms, fp32 {self.fp32:.2f} ms on one thread of this machine: {self.ratio:.2f}×"

    def row(self) -> Difference:
        """For gate.json; slower files are refused before."""
        return Difference(
            f"int8 {self.int8:.2f} ms, fp32 {self.fp32:.2f} ms: times as fast",
            self.ratio,
            None,
            at_least=False,
        )


def measure(fp32: Runner, int8: Runner, images: Images, seconds: float = SECONDS) -> Speed:
    """Time two runners of one thread on the same images (N, 3, H, W), in turn.

    The thread's own clock leaves out the time that other processes take, but not what they do to the caches; so runs
    are paired.
    """
    watch = Stopwatch(threads=1)
    pairs: list[tuple[float, float]] = []
    for _ in range(WARM_UP):
        fp32.run(images), int8.run(images)
    end = perf_counter() + seconds
    while not pairs or perf_counter() < end:
        pairs.append((watch.once(lambda: fp32.run(images)), watch.once(lambda: int8.run(images))))
    count = len(images)
    return Speed(
        median(pair[0] for pair in pairs) / count,
        median(pair[1] for pair in pairs) / count,
        sum(before < after for before, after in pairs) / len(pairs),
    )


def speed_of(float_path: Path, path: Path, manifest: Mapping[str, Any], batches: Sequence[Images]) -> Speed:
    """Time an int8 file against the float file beside it, on as many of the calibration images as it takes at once."""
    float_manifest = {**manifest, "file": float_path.name, "precision": "fp32"}
    runners = open_runner(float_path, float_manifest, threads=1), open_runner(path, manifest, threads=1)
    return measure(*runners, batches[0].repeat(manifest["input"]["batch"] or 1, 0))


def check_speed(
    speed: Speed,
    settings: ExportSettings,
    manifest: Mapping[str, Any],
    traced: Callable[[str], Traced],
    batches: Sequence[Images],
) -> None:
    """Report the speed; refuse an int8 file that is clearly slower than fp32, unless `export.slower` allows it.

    Args:
        traced: traces the network for a layout of the input.

    Raises:
        UserError: naming the formats whose int8 file is faster, as measured now.
    """
    report(f"int8      {speed} as fast")
    if not speed.clearly_slower:
        if speed.ratio < WORTH:
            report(f"warning   {little(speed, settings.format)}")
        return
    if settings.slower:
        report("warning   int8 is slower here than fp32; it is kept, as export.slower=true says")
        return
    report("int8      slower than fp32: other formats are tried")
    others = [
        f"export.format={name} ({other.int8:.2f} ms)"
        for name, other in of_other_formats(settings.format, manifest, traced, batches)
        if other.int8 < speed.fp32
    ]
    faster = f"faster in int8: {', '.join(others)}" if others else "no other installed format has a faster int8 file"
    raise UserError(
        f"{manifest['file']} is slower in int8 ({speed.int8:.2f} ms) than in fp32 ({speed.fp32:.2f} ms, one thread of "
        f"this machine); {faster}; export.slower=true keeps it, for another machine or for its size"
    )


def little(speed: Speed, this: str) -> str:
    """What is said of an int8 file that is not slower, but gains little."""
    others = [name for name, form in FORMATS.items() if name != this and "int8" in form.precisions]
    gains = "is no faster here, though too little slower to be sure of it" if speed.ratio < 1 else "gains little here"
    return f"int8 {gains}; the file is smaller; export.format={'|'.join(others)} may gain more"


def of_other_formats(
    this: str, manifest: Mapping[str, Any], traced: Callable[[str], Traced], batches: Sequence[Images]
) -> Iterator[tuple[str, Speed]]:
    """The other formats with int8 that are installed, each with the speed of its int8 file."""
    for name, form in FORMATS.items():
        takes, layout = manifest["input"], form.layouts[0]
        fits = form.dynamic or None not in (takes["batch"], takes["height"])
        if name == this or "int8" not in form.precisions or not fits:
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"model{form.suffix}"
            other = {**manifest, "file": path.name, "runtime": name, "input": {**takes, "layout": layout}}
            float_path = path.with_name(f"float_{path.name}")
            try:
                check_installed(name, "int8")
                WRITERS[name](traced(layout), float_path, other, "fp32")
                open_quantiser(float_path, batches).write(path)
                speed = speed_of(float_path, path, other, batches)
            except UserError:  # not installed, or not for this network
                continue
            yield name, speed
