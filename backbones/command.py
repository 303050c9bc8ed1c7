"""`python -m backbones`: the papers' networks with their sizes. With a name, one network block by block; with several,
their sizes. The file of a block table is also a name. `formula k=3 c=64 n=128 h=56` prints the costs of convolutions.
"""

import difflib
import gc
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from torch import nn

from backbones.base import Backbone
from backbones.formula import print_formulas
from backbones.options import Parser
from backbones.printing import WIDTH, print_all, print_maps, print_parts, print_some
from backbones.published.anatomy import parts_of
from backbones.published.compare import compare
from backbones.published.row import Published
from backbones.published.shapes import Counts, count, no_images, uninitialised
from backbones.table import TableBackbone
from backbones.table_file import read_table
from heads.classification import ClassificationHead

SHARES = ("params_share", "madds_share")  # of the plain convolution
TABLES = ("backbones.published.mobilenets", "backbones.published.se")


class Network(NamedTuple):
    """A network requested by name: from a paper or a block table.

    Attributes:
        size: image height and width.
        classes: of the classifier counted with it.
        origin: as recorded in a block table.
    """

    backbone: str
    variant: str
    build: Callable[[], Backbone]
    size: int = 224
    classes: int = 1000
    origin: str | None = None


def rows() -> list[Published]:
    """All published networks."""
    return list(chain.from_iterable(import_module(table).ROWS for table in TABLES))


def network(name: str, known: Sequence[Published]) -> Network:
    """The network of this name; a published one in its paper's main version.

    Raises:
        ValueError: if there is none, or its file is not a block table.
    """
    if Path(name).suffix in (".yaml", ".yml") or Path(name).is_file():
        table = read_table(name)
        return Network(name, "", partial(TableBackbone, table=table), origin=table["origin"])
    chosen = [row for row in known if row.backbone == name]
    if not chosen:
        raise ValueError(f"no network {name!r}; {hint(name, list(dict.fromkeys(row.backbone for row in known)))}")
    row = next((row for row in chosen if not row.variant), chosen[0])
    return Network(row.backbone, row.variant, row.build, row.size, row.classes)


def hint(name: str, names: Sequence[str]) -> str:
    """Suggestion for an unknown name."""
    if name == "timm":
        return "timm's networks are not listed here: choose one by backbone=timm backbone.name=…"
    near = difflib.get_close_matches(name, names, n=3)
    return f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(names)}"


def built(row: Published | Network) -> tuple[Backbone, ClassificationHead]:
    """The row's network with its classifier, uninitialised."""
    with uninitialised():
        backbone = row.build()
        return backbone, ClassificationHead(backbone.features, row.classes)


def sizes(rows: Sequence[Published | Network]) -> list[Counts]:
    """Count every row's network; one that is listed at several image sizes is built once."""
    gc.disable()  # with thousands of modules created and freed, garbage collection takes half of the time
    networks: dict[tuple[Callable[[], Backbone], int], tuple[Backbone, ClassificationHead]] = {}
    found = []
    for row in rows:
        key = (row.build, row.classes)
        if key not in networks:
            networks[key] = built(row)
        backbone, head = networks[key]
        images = no_images(row.size, row.size)
        counts, _ = count(nn.ModuleList(networks[key]), lambda: head(backbone(images)))  # noqa: B023  (called at once)
        found.append(counts)
    gc.enable()
    return found


def announced(backbone: Backbone, side: int) -> list[dict[str, Any]]:
    """All maps of the network, with where they leave it and their (channels, height, width)."""
    with torch.no_grad():
        maps = backbone(no_images(side, side))
    return [
        {
            "map": name,
            "channels": feature.channels,
            "reduction": feature.reduction,
            "block": backbone.taps[name].block,
            "place": backbone.taps[name].place,
            "shape": tuple(maps[name].shape[1:]),
        }
        for name, feature in backbone.features.items()
    ]


@contextmanager
def named_errors(network: Network) -> Iterator[None]:
    """Turns errors of a running network into a one-line ValueError that names it."""
    try:
        yield
    except (ValueError, RuntimeError) as error:
        where = f"{network.backbone} at {network.size}×{network.size}"
        raise ValueError(f"{where}: {str(error).splitlines()[0]}") from error


def print_one(console: Console, network: Network, *, as_json: bool) -> None:
    """Print one network block by block, and its maps.

    Raises:
        ValueError: if it does not take images of this size.
    """
    (backbone, head), side = built(network), network.size
    with named_errors(network):
        parts = parts_of(backbone, head, side, side)
    maps = announced(backbone, side)
    if as_json:
        blocks = [part._asdict() | dict(zip(SHARES, part.shares, strict=True)) for part in parts]
        print(json.dumps({"backbone": network.backbone, "size": side, "blocks": blocks, "maps": maps}, indent=1))
        return
    name = ", ".join(filter(None, (network.backbone, network.variant)))
    console.print(f"{name}: {side}×{side}, {network.classes} classes")
    if network.origin is not None:
        console.print(network.origin)
    console.print()
    print_parts(console, parts)
    console.print()
    print_maps(console, maps)


def print_several(console: Console, networks: Sequence[Network], *, as_json: bool) -> None:
    """Print networks with their sizes, one line each.

    Raises:
        ValueError: if one does not take images of its size.
    """
    records = []
    for network in networks:
        with named_errors(network):
            (counts,) = sizes([network])
        values = network._asdict() | counts._asdict()
        del values["build"]
        records.append(values)
    if as_json:
        print(json.dumps(records, indent=1))
    else:
        print_some(console, records)


def main() -> int:
    """Print what the command line requests; the exit status is 2 for unknown names."""
    parser = Parser(prog="python -m backbones", description=__doc__)
    parser.add_argument(
        "name",
        nargs="*",
        help="a network, as in backbone=…, or a block table's file; all of the papers' without; or "
        "formula (for a file of this name: ./formula)",
    )
    parser.add_argument("--size", type=int, help="height and width of the images")
    parser.add_argument(
        "--weights", action="store_true", help="published weights for our networks, or for those named: nothing else"
    )
    parser.add_argument("--json", action="store_true", help="for machines: whole numbers, no table")
    arguments = parser.parse_args()
    console = Console(width=WIDTH, markup=False, highlight=False, emoji=False)
    known = rows()
    if not arguments.name:
        if arguments.size is not None:
            parser.error("--size goes with names of networks")
        found = [compare(row, counts) for row, counts in zip(known, sizes(known), strict=True)]
        if arguments.json:
            print(json.dumps(found, indent=1))
        else:
            print_all(console, known, found)
        return 0
    try:
        if arguments.name[0] == "formula":
            if arguments.size is not None:
                raise ValueError("--size goes with names of networks; formula takes h= and w=")
            print_formulas(console, arguments.name[1:], as_json=arguments.json)
            return 0
        networks = [network(name, known) for name in arguments.name]
        if arguments.size is not None:
            networks = [each._replace(size=arguments.size) for each in networks]
        if len(networks) == 1:
            print_one(console, networks[0], as_json=arguments.json)
        else:
            print_several(console, networks, as_json=arguments.json)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    return 0
