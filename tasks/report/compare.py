"""One page of several runs: what differs, curves over each other, scores with their difference, the same images."""

from collections.abc import Mapping, Sequence
from os.path import commonpath
from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.common.writing import write_text
from tasks.report.collect import check_run, collect
from tasks.report.page import page
from tasks.report.sweep import over_seeds, telling

PAGE = "compare.html"
MOST = 12  # runs on a page
COMMON = ("lr", "images_per_second", "waiting")  # what is logged of a training, not of a head
UNTOLD = ("hydra.", "output_dir", "overwrite", "logger.save_dir")  # keys whose values say nothing about a training


def write_comparison(folders: Sequence[Path], output: Path) -> Path:
    """Write compare.html into a folder; returns its path.

    Raises:
        UserError: for fewer than two runs or too many, folders that are no runs', and files that cannot be read.
    """
    path = output / PAGE
    data = compared(runs_in(folders))
    if len(folders) == 1:
        data["seeds"] = over_seeds(folders[0])
    write_text(path, page(data, "compare", "comparison of runs"))
    return path


def runs_in(folders: Sequence[Path]) -> list[Path]:
    """The runs that are named: folders of runs, or one folder that has several.

    Raises:
        UserError: as write_comparison().
    """
    runs: list[Path] = []
    for folder in folders:
        inside = sorted(
            (
                path.parent
                for path in folder.glob("*/config.yaml")
                if (path.parent / "metrics.csv").is_file() or (path.parent / "metrics.json").is_file()
            ),
            key=lambda path: path.name.zfill(9),
        )
        runs += inside if inside and not (folder / "metrics.json").is_file() else [folder]
    runs = list(dict.fromkeys(run.resolve() for run in runs))
    for run in runs:
        check_run(run)
    if len(runs) < 2:
        raise UserError(
            f"{', '.join(map(str, folders))}: nothing to compare with {len(runs)} run; name two or more, or a folder "
            "that has several"
        )
    if len(runs) > MOST:
        raise UserError(f"{len(runs)} runs are more than fit a page; name {MOST} at most")
    return runs


def compared(runs: Sequence[Path]) -> dict[str, Any]:
    """The page's data."""
    records = [collect(run) for run in runs]
    names = telling(names_of(runs), [record["run"]["changed"] for record in records])
    meets = len({head for record in records for head in heads_of(record)}) > 1
    return {
        "kind": "compare",
        "runs": [
            {
                "name": name,
                "folder": str(run),
                **{key: record["run"][key] for key in ("task", "command", "state", "costs", "training")},
                "record": {key: record["run"]["record"].get(key) for key in ("why", "failure", "updated", "interval")},
                "history": {**record["history"], "curves": curves_of(record, meets)},
                "metrics": record["metrics"],
                "scores": record["scores"],
                "pictures": {head["head"]: head["pictures"] for head in record["heads"]},
                "best": {head["head"]: head["curves"].get("best") for head in record["heads"]},
            }
            for name, run, record in zip(names, runs, records, strict=True)
        ],
        "keys": differing([record["config"] for record in records]),
    }


def heads_of(record: Mapping[str, Any]) -> list[str]:
    """Names of a run's heads, as far as they are known."""
    return [str(head["head"]) for head in record["heads"]]


def curves_of(record: Mapping[str, Any], meets: bool) -> dict[str, Any]:
    """A run's curves by name; where runs have several heads, those of a single one are named as with others beside."""
    curves: dict[str, Any] = record["history"]["curves"]
    heads = heads_of(record)
    return {of_head(name, heads[0]): curve for name, curve in curves.items()} if meets and len(heads) == 1 else curves


def of_head(name: str, head: str) -> str:
    """A curve's name in a run of several heads: val/mIoU is val/segment/mIoU there, and the loss its head's own."""
    kind, _, rest = name.partition("/")
    common = kind == "train" and rest.partition("/")[0] in COMMON
    return name if common or kind not in ("train", "val") else f"{kind}/{head}/{rest}"


def names_of(runs: Sequence[Path]) -> list[str]:
    """Short names: the paths without what they share."""
    base = commonpath([run.parent for run in runs])
    return [run.relative_to(base).as_posix() for run in runs]


def differing(configs: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """Rows of a key and its value in each run, for keys that are not the same in all."""
    keys = dict.fromkeys(key for config in configs for key in config if not key.startswith(UNTOLD))
    rows = [[key, *(config.get(key) for config in configs)] for key in keys]
    return [row for row in rows if any(value != row[1] for value in row[2:])]
