"""`python -m backbones --weights [network …]`: published weights that fit our networks. Downloads nothing."""

import difflib
import json
import sys
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from backbones.options import Parser
from backbones.published.weights import ROWS, PublishedWeights

WIDTH = 140
LEGEND = """
A training with weights=<source> and the keys in the last column starts from them: torchvision's are downloaded with
a hash check, timm's (pip install "mobilevision[timm]") from the Hugging Face Hub. MOBILEVISION_OFFLINE=1 forbids it.
score: ImageNet-1K top-1 or COCO val2017 box mAP as the publisher states it, in percent, for this image size;
-: no source found
licence: timm's as its descriptions of the weights say; torchvision states none, and says that terms of the training
data may apply (pytorch.org/vision/stable/models). ImageNet's terms are research and no commercial use
"""


def main() -> int:
    """Print the table, or that of the networks named; the exit status is 2 for an unknown one."""
    parser = Parser(prog="python -m backbones --weights", description=__doc__)
    parser.add_argument("name", nargs="*", help="networks, as in backbone=…; all without")
    parser.add_argument("--weights", action="store_true", help="this list")
    parser.add_argument("--json", action="store_true", help="for machines")
    arguments = parser.parse_args()
    known = list(dict.fromkeys(row.backbone for row in ROWS))
    for name in arguments.name:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3)
            meant = f"did you mean {' or '.join(near)}?" if near else f"there are some for {', '.join(known)}"
            print(f"no weights known for {name!r}; {meant}", file=sys.stderr)
            return 2
    rows = [row for row in ROWS if not arguments.name or row.backbone in arguments.name]
    if arguments.json:
        print(json.dumps([row._asdict() for row in rows], indent=1))
    else:
        print_rows(rows)
    return 0


def print_rows(rows: Sequence[PublishedWeights]) -> None:
    """Print the networks, and a line for each of their weights."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False, pad_edge=False)
    for heading in ("weights=", "score", "of", "image", "licence", "with"):
        table.add_column(heading, justify="right" if heading == "score" else "left", no_wrap=True)
    for name in dict.fromkeys(row.backbone for row in rows):
        table.add_row(f"backbone={name}")
        for row in rows:
            if row.backbone == name:
                score = "-" if row.score is None else f"{row.score:.1f}"
                size, needed = f"{row.size}×{row.size}", "; ".join(filter(None, (row.keys, row.note)))
                table.add_row(f"  {row.source}", score, row.metric, size, row.licence, needed)
    console = Console(width=WIDTH, markup=False, highlight=False, emoji=False)
    console.print(table)
    console.print(LEGEND)
