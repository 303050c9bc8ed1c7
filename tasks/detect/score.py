"""Score a results file, anyone's: python -m tasks.detect.score <instances.json> <predictions.json> [--official]"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from tasks.detect.coco_map import AT_50, Result, evaluate
from tasks.detect.results import read_instances, read_results
from tasks.errors import UserError


def main() -> None:
    """Print the twelve numbers and each category's; exit status 2 and one line for a file that is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tasks.detect.score", description="COCO's mAP of a results file.")
    parser.add_argument("instances", type=Path, help="annotations, as COCO's instances_val2017.json")
    parser.add_argument("predictions", type=Path, help="a list of image_id, category_id, bbox and score")
    parser.add_argument("--official", action="store_true", help="let pycocotools compute; the numbers are the same")
    options = parser.parse_args()
    try:
        score(options.instances, options.predictions, options.official)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


def score(instances_path: Path, predictions_path: Path, official: bool) -> None:
    """Read, score and print."""
    start = time.perf_counter()
    instances = read_instances(instances_path)
    categories = np.array(list(instances.names), np.int64)
    found = read_results(predictions_path, instances.images, categories)
    read = time.perf_counter()
    if official:
        from tasks.detect.official import evaluate_officially

        result = evaluate_officially(instances.truths, found, instances.images, categories)
    else:
        result = evaluate(instances.truths, found, instances.images, categories)
    scored = time.perf_counter()
    show(result, instances.names)
    print(
        f"{len(instances.images):,} images, {len(instances.truths.image):,} objects, {len(found.image):,} detections: "
        f"read in {read - start:.2f} s, scored in {scored - read:.2f} s"
    )


def show(result: Result, names: dict[int, str]) -> None:
    """A table of the categories, a table of the twelve."""
    each = Table("category", box=None)
    twelve = Table("all categories", box=None)
    for name in ("AP", "AP50"):
        each.add_column(name, justify="right")
    twelve.add_column("", justify="right")
    half = result.average_precision(AT_50)
    for category, value in result.average_precision().items():
        each.add_row(names[category], text(value), text(half[category]))
    for name, value in result.numbers.items():
        twelve.add_row(name, text(value))
    console = Console()
    console.print(each)
    console.print(twelve)


def text(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


if __name__ == "__main__":
    main()
