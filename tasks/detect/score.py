"""Score a results file, anyone's: python -m tasks.detect.score <instances.json> <predictions.json> [--official]"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from backbones.options import Parser
from tasks.common.console import refusing, run_command
from tasks.common.table import print_table
from tasks.detect.coco_map import AT_50, Result, evaluate
from tasks.detect.results import read_results
from tasks.detect.truths import read_truths


def main() -> None:
    """Print the twelve numbers and each category's; one line and exit status 2 for an invalid file."""
    parser = Parser(prog="python -m tasks.detect.score", description="COCO's mAP of a results file.")
    parser.add_argument("instances", type=Path, help="annotations, as COCO's instances_val2017.json")
    parser.add_argument("predictions", type=Path, help="a list of image_id, category_id, bbox and score")
    parser.add_argument("--official", action="store_true", help="let pycocotools compute; the numbers are the same")
    options = parser.parse_args()
    with refusing():
        score(options.instances, options.predictions, options.official)


def score(instances_path: Path, predictions_path: Path, official: bool) -> None:
    """Read, score and print."""
    start = time.perf_counter()
    file = read_truths(instances_path)
    truths, images, categories = file.truths, np.unique(file.image_ids.numbers), np.unique(file.category_ids.numbers)
    found, note = read_results(predictions_path, file.image_ids, file.category_ids, file.stems)
    for line in (*file.notes, note):
        if line:
            print(line)
    read = time.perf_counter()
    if official:
        from tasks.detect.official import evaluate_officially

        result = evaluate_officially(truths, found, images, categories)
    else:
        result = evaluate(truths, found, images, categories)
    scored = time.perf_counter()
    print_categories(result, [name for name, _ in file.categories])
    print(
        f"{len(images):,} images, {len(truths.image):,} objects, {len(found.image):,} detections: "
        f"read in {read - start:.2f} s, scored in {scored - read:.2f} s"
    )


def print_categories(result: Result, names: Sequence[str]) -> None:
    """Print a table of the categories by ascending id, and a table of the twelve numbers."""
    half = result.average_precision(AT_50)
    average = result.average_precision().items()
    print_table(
        ("category", "AP", "AP50"),
        ((name, text(value), text(half[category])) for name, (category, value) in zip(names, average, strict=True)),
    )
    print_table(("all categories", ""), ((name, text(value)) for name, value in result.numbers.items()))


def text(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    run_command(main)
