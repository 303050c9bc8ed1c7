"""The doctor's run: opens the data set as training would, inspects it, and writes what it found."""

import json
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from rich.progress import track

from tasks.app.cli import Command
from tasks.app.dataset import make_dataset, name_of_dataset
from tasks.app.fitted import fitted
from tasks.app.resolve import Settings
from tasks.common.console import report
from tasks.common.errors import UserError, visible
from tasks.common.task_info import infos
from tasks.common.writing import write_text
from tasks.data.inspect.examine import Progress
from tasks.data.inspect.finding import Finding, sorted_findings
from tasks.data.inspect.inspection import findings_of, look_at
from tasks.data.inspect.summary import summary
from tasks.data.loading.split_checks import set_white
from tasks.data.loading.splits import Splits
from tasks.doctor.page import page
from tasks.engine.settings import Run

PAGE, RECORD = "doctor.html", "doctor.json"


class Doctor(Command):
    """`python -m tasks.doctor` for one task.

    Attributes:
        wrong: number of findings that would stop training or make its scores wrong.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.wrong = 0

    def do(self, settings: Settings, typed: list[str], folder: Path) -> None:
        """Inspect the data set and write the page."""
        begin = time.monotonic()
        run, dataset = make_dataset(settings.run, ())
        classes = {kind: dataset.classes[kind] for kind in run.data.targets if kind in dataset.classes}
        report(f"doctor    {name_of_dataset()} for tasks.{run.task}{others(run, dataset.classes)}")
        splits = look_at(open_splits(dataset, run), classes, watch)
        findings = findings_of(splits, run.data.max_broken)
        if "boxes" in classes:
            from tasks.doctor.anchors import anchor_findings  # imports torch: seconds

            train = next((split.samples for split in splits if not split.is_scored), None)
            run = fitted(run, Splits(dataset.classes, train, None), typed, True)  # as training would begin
            findings += anchor_findings(splits, run, classes)
        findings = sorted_findings(findings)
        self.wrong += sum(finding.level == "wrong" for finding in findings)
        words: list[str] = list(HydraConfig.get().overrides.task)
        record = {
            "task": run.task,
            "dataset": name_of_dataset(),
            "command": " ".join(["python -m tasks.doctor", f"task={run.task}", *words]),
            "wrong": sum(finding.level == "wrong" for finding in findings),
            "findings": [finding.record() for finding in findings],
            **summary(splits),
            "seconds": round(time.monotonic() - begin, 1),
        }
        write_text(folder / RECORD, json.dumps(record, indent=1, ensure_ascii=False) + "\n")
        write_text(folder / PAGE, page(record, splits, findings, classes))
        for line in lines(findings):
            report(visible(line))
        images = sum(len(split.samples) for split in splits)
        report(f"looked at {images:,} images in {record['seconds']:.0f} s: {folder / PAGE}")

    def end(self) -> None:
        """As of every command; exit status 1 if something is wrong with the data."""
        super().end()
        if self.wrong:
            sys.exit(1)


def others(run: Run, classes: Iterable[str]) -> str:
    """The other tasks whose labels the data set has, for the first line; '' if there are none."""
    able = [name for name, info in infos().items() if info.target in classes and info.target not in run.data.targets]
    return f"; it also has labels for task={', task='.join(able)}" if able else ""


def open_splits(dataset: Any, run: Run) -> dict[str, Any]:
    """The samples of both splits.

    Raises:
        UserError: for an empty one, and whatever training would raise when it opens them.
    """
    splits = {"train": dataset.train(), "val": dataset.val()}
    for split, samples in splits.items():
        if len(samples) == 0:
            raise UserError(f"{name_of_dataset()} has no images in {split}")
        set_white(samples, run.data.white)
    return splits


def watch(what: str) -> Progress:
    """A progress bar, on a terminal only."""

    def wrapped(numbers: Iterable[int], total: int) -> Iterable[int]:
        return track(numbers, what, total, disable=not sys.stdout.isatty(), transient=True)

    return wrapped


def lines(findings: list[Finding]) -> list[str]:
    """What the terminal shows: a line for each finding, one with its examples, and one with what to do."""
    shown = []
    for finding in findings:
        where = f"{finding.split}: " if finding.split else ""
        shown.append(f"{finding.level:9} {where}{finding.text}")
        if finding.level == "note":
            continue
        if finding.examples:
            shown.append(f"{'':10}  {'; '.join(' '.join(example.split()) for example in finding.examples)}")
        if finding.advice:
            shown.append(f"{'':10}  → {finding.advice}")
    return shown or ["nothing to report"]
