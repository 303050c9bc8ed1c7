"""Labels of ImageNet's 1000 classes (ILSVRC 2012), and the lists that assign them to validation images."""

import csv
from functools import cache
from pathlib import Path

from tasks.common.errors import UserError
from tasks.data.files.devkit import read_synsets

TRUTH = "ILSVRC2012_validation_ground_truth.txt"


@cache
def synsets() -> dict[str, str]:
    """WordNet id -> name of the 1000 classes in their official order, sorted by id."""
    table = Path(__file__).with_name("imagenet.tsv").read_text(encoding="utf-8")
    return dict(line.split("\t") for line in table.splitlines()[1:])


@cache
def label_of() -> dict[str, int]:
    """WordNet id -> label, 0 to 999."""
    return {wnid: label for label, wnid in enumerate(synsets())}


def read_devkit(devkit: Path) -> dict[str, int]:
    """Image name -> label, from the official ground truth.

    It has its own numbering of the classes, defined in `meta.mat`.

    Raises:
        UserError: for a missing or damaged file.
    """
    meta = devkit / "meta.mat"
    try:
        wnids = read_synsets(meta)
        labels = {number: label_of()[wnid] for number, wnid in wnids.items() if wnid in label_of()}
        numbers = [int(line) for line in (devkit / TRUTH).read_text(encoding="utf-8").split()]
        return {f"ILSVRC2012_val_{image:08d}": labels[number] for image, number in enumerate(numbers, start=1)}
    except FileNotFoundError as error:
        raise UserError(f"{meta} is missing; unpack ILSVRC2012_devkit_t12.tar.gz again") from error
    except KeyError as error:
        raise UserError(f"{devkit}: {TRUTH} and meta.mat do not fit together (no class {error})") from error
    except (ValueError, IndexError, OSError) as error:
        raise UserError(f"cannot read {meta} and {TRUTH}: {error}") from error


def read_solution(path: Path) -> dict[str, int]:
    """Image name -> label, from Kaggle's list: the first word of PredictionString is the WordNet id.

    Raises:
        UserError: for another kind of file.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return {row["ImageId"]: label_of()[row["PredictionString"].split()[0]] for row in csv.DictReader(file)}
    except (KeyError, IndexError, AttributeError, ValueError) as error:
        raise UserError(f"cannot read {path}: not a list of ImageId,PredictionString ({error})") from error
