"""Reads what a device's benchmark programs have printed: sections of our run.sh, or a program's output alone."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.common.console import report
from tasks.common.device_programs import PROGRAMS, RUNS
from tasks.common.entries import short
from tasks.common.errors import UserError
from tasks.deploy.bench.device_result import (
    FILE,
    FILE_MAYBE,
    TOP,
    TOP_MAYBE,
    DeviceResult,
    Measured,
    check_entries,
    content_of,
    joined,
    read_result,
)

MARK = "mobilevision-device: 1"  # begins a file's section
SAID = re.compile(r"(file|sha256|device|threads|governor|temperature_mc|program): *(.*)")
GRAPH, LITERT_THREADS = re.compile(r"Graph: \[(.+)\]"), re.compile(r"Num threads: \[(\d+)\]")
NCNN_LINE = re.compile(r"^[ \t]*(\S+)[ \t]+min =.*$", re.MULTILINE)
NCNN_THREADS = re.compile(r"num_threads = (\d+)")
UNKNOWN = "unknown"


def read_device(paths: list[Path], key: str = "device") -> DeviceResult:
    """The times of one device, from JSON files, and texts that run.sh or the programs have printed.

    Raises:
        UserError: for a file that cannot be read or has no times, and files of several devices.
    """
    results = [read_result(key, path) if path.suffix == ".json" else read_text(key, path) for path in paths]
    return joined(f"{key}={', '.join(map(str, paths))}", results)


def read_text(key: str, path: Path) -> DeviceResult:
    """The times in what was printed.

    Files that a program could not run are named and left out.

    Raises:
        UserError: if there are no times in it, or they are of several devices or numbers of threads.
    """
    text, said = content_of(key, path).replace("\r", ""), f"{key}={path}"
    sections = text.split(MARK)[1:]
    if not sections:
        return of_bare_output(said, path, text)
    results = []
    for section in sections:
        found = [match for line in section.splitlines() if (match := SAID.fullmatch(line))]
        entries = {match[1]: match[2].strip() for match in found}
        printed = section.partition("\nprogram: ")[2]
        result = of_section(said, entries, printed)
        if isinstance(result, str):
            report(f"device    {result}")
        else:
            results.append(result)
    if not results:
        raise UserError(f"{said} has no times: every program failed")
    programs = dict.fromkeys(file.program for result in results for file in result.files)
    return replace(joined(said, results), made_by=f"run.sh of mode=benchmark: {', '.join(programs)}")


def of_section(said: str, entries: dict[str, str], printed: str) -> DeviceResult | str:
    """A file's time; or a line about a program that printed none.

    Args:
        entries: what run.sh has printed before it.
        printed: by the program, after its own command line.
    """
    words = entries.get("program", "").split()
    found = [entry for entry in PROGRAMS.values() if words and Path(words[0]).name == entry.name]
    if not found:
        raise UserError(f"{said}: program {short(entries.get('program', ''))} is none that this version reads")
    ms = found[0].mean_ms(printed)
    name = entries.get("file", "")
    if ms is None:
        lines = [line.strip() for line in printed.splitlines()[1:] if line.strip()]
        return f"no time of {short(name)}: {found[0].name} printed {short(lines[-1]) if lines else 'nothing'}"
    return checked(
        said,
        device=entries.get("device") or UNKNOWN,
        threads=number_of(entries.get("threads", "")),
        governor=entries.get("governor") or None,
        temperature_c=None if not entries.get("temperature_mc") else degrees(entries["temperature_mc"]),
        file={"file": name, "sha256": entries.get("sha256") or None, "program": found[0].name}
        | {"latency_ms": ms, "runs": RUNS},
    )


def of_bare_output(said: str, path: Path, text: str) -> DeviceResult:
    """The times in the output of LiteRT's or ncnn's program, which names its file; the text's name is the device's."""
    results = [
        checked(
            said,
            device=path.stem,
            threads=number_of(threads),
            governor=None,
            temperature_c=None,
            file={"file": name, "sha256": None, "program": PROGRAMS[form].name, "latency_ms": ms},
        )
        for form, name, threads, ms in (*of_litert(text), *of_ncnn(text))
    ]
    if not results:
        raise UserError(
            f"{said} has no times of LiteRT's benchmark_model or ncnn's benchncnn: what run.sh of mode=benchmark "
            "prints is read for all programs"
        )
    return joined(said, results)


def of_litert(text: str) -> Iterator[tuple[str, str, str, float]]:
    """Format, file, threads and milliseconds of each run of benchmark_model."""
    places = list(GRAPH.finditer(text))
    for number, place in enumerate(places):
        end = places[number + 1].start() if number + 1 < len(places) else len(text)
        ms = PROGRAMS["litert"].mean_ms(text[place.start() : end])
        begin = places[number - 1].end() if number else 0  # it prints the threads before the file, or after
        before = list(LITERT_THREADS.finditer(text, begin, place.start()))
        threads = before[-1] if before else LITERT_THREADS.search(text, place.start(), end)
        if ms is not None:
            yield "litert", Path(place[1]).name, threads[1] if threads else "", ms


def of_ncnn(text: str) -> Iterator[tuple[str, str, str, float]]:
    """Format, file, threads and milliseconds of each line of benchncnn."""
    for place in NCNN_LINE.finditer(text):
        threads = list(NCNN_THREADS.finditer(text, 0, place.start()))
        ms = PROGRAMS["ncnn"].mean_ms(place[0])
        if ms is not None:
            yield "ncnn", Path(place[1]).name, threads[-1][1] if threads else "", ms


def checked(
    said: str,
    *,
    device: str,
    threads: Any,
    governor: str | None,
    temperature_c: float | None,
    file: dict[str, Any],
) -> DeviceResult:
    """A result of one file.

    Raises:
        UserError: for entries that a JSON file may not have either.
    """
    table: dict[str, Any] = {"device": device, "made_by": file["program"], "threads": threads, "governor": governor}
    table |= {"temperature_c": temperature_c}
    if threads is None:
        raise UserError(f"{said} does not say on how many threads {short(file['file'])} ran")
    rules = {name: rule for name, rule in TOP.items() if name not in ("format", "files")}
    check_entries(table, rules, TOP_MAYBE, said)
    check_entries(file, FILE, FILE_MAYBE, said)
    return DeviceResult(**table, files=[Measured(**file)])


def number_of(text: str) -> int | None:
    """A whole number; None for anything else."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def degrees(text: str) -> float | None:
    """Degrees Celsius of the thousandths that Linux says; None for anything else."""
    number = number_of(text.removeprefix("-"))
    return None if number is None else number / (-1000 if text.startswith("-") else 1000)
