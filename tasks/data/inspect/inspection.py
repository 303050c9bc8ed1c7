"""The whole inspection of a data set's splits."""

import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from typing import Any

from tasks.common.errors import UserError
from tasks.data.inspect import of_boxes, of_copies, of_files, of_labels, of_problems, of_strays
from tasks.data.inspect.examine import Progress, examine
from tasks.data.inspect.finding import Finding, Split
from tasks.data.loading.split_checks import named_parts

Watch = Callable[[str], Progress]  # what is done, to a progress bar


def look_at(splits: Mapping[str, Any], classes: Mapping[str, Sequence[Any]], watch: Watch) -> list[Split]:
    """Check and examine every file of the splits.

    Args:
        splits: samples by "train" and "val".
        classes: of the data set, by kind of label.
    """
    names = {kind: of_labels.names_of(entries) for kind, entries in classes.items()}
    found = []
    for side, samples in splits.items():
        for set_name, part in named_parts(samples):
            name = f"{set_name} {side}".strip()
            problems, complaint, remarks = check(part, watch(f"checking {name}"))
            examined = examine(part, problems, watch(f"looking at {name}"))
            found.append(Split(name, part, problems, complaint, remarks, examined, names))
    return found


def check(samples: Any, progress: Progress) -> tuple[dict[int, str], str, list[str]]:
    """All errors of the reader's own check by index, the one about the split as a whole ('' for none), its remarks."""
    problems: dict[int, str] = {}
    complaint, said = "", io.StringIO()
    each = iter(samples.check())
    for index in progress(range(len(samples)), len(samples)):
        problem = next(each, None)
        if isinstance(problem, UserError):
            problems[index] = str(problem)
    try:
        with redirect_stdout(said):
            next(each, None)  # what it says at the end
    except UserError as error:
        complaint = str(error)
    return problems, complaint, said.getvalue().splitlines()


def findings_of(splits: Sequence[Split], max_broken: int) -> list[Finding]:
    """All findings that need no network.

    Args:
        max_broken: how many unreadable images training may replace.
    """
    found: list[Finding] = []
    for split in splits:
        found += of_files.unreadable(split, max_broken)
        found += of_problems.problems(split)
    found += of_copies.copies(splits)
    for split in splits:
        found += of_boxes.findings_of_boxes(split)
    kinds = list(dict.fromkeys(kind for split in splits for kind in of_labels.kinds_of(split.samples, split.classes)))
    for kind in kinds:
        found += of_labels.balance(splits, kind)
        for split in having(splits, kind):
            found += of_labels.without_labels(split, kind)
    found += of_strays.stray_classes(splits)
    found += of_files.folders(splits)
    for split in splits:
        per_split: tuple[Callable[[Split], Iterable[Finding]], ...] = (
            *(of_files.plain, of_files.turns, of_files.sizes, of_files.pixels, of_labels.class_pixels),
        )
        for finder in per_split:
            found += finder(split)
    return found


def having(splits: Sequence[Split], kind: str) -> list[Split]:
    """The splits with a kind of label."""
    return [split for split in splits if kind in of_labels.kinds_of(split.samples, split.classes)]
