"""README.md of a packed data set."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.data.packed.index import Index

SMALLER = (
    "Images to score were made smaller too: labels, and for boxes their areas, have another size than in the data set "
    "itself, so that scores are not comparable with published ones."
)
KEPT = "Images to score keep their size and their bytes: scores are those of the data set itself."


def card(index: Index, sources: Sequence[str]) -> str:
    """What was packed, from where, with which command; counts and fingerprint.

    Args:
        sources: names of the files that came with the data.
    """
    packed: Mapping[str, Any] = index.packed
    rows = [
        f"| {name} | {side.samples:,} | {len(side.shards)} | {sum(shard.bytes for shard in side.shards) / 1e6:,.1f} |"
        for name, side in index.sides.items()
    ]
    kinds = ", ".join(f"{kind} ({len(entries)} classes)" for kind, entries in index.classes.items())
    files = ", ".join(f"[{name}]({name})" for name in sources) or "none lay beside the data"
    lines = [
        f"# {packed['dataset']}, packed",
        "",
        f"Labels: {kinds}. Made by `{packed['command']}`.",
        "",
        "| split | images | shards | MB |",
        "|---|---|---|---|",
        *rows,
        "",
        f"Training images: {form(packed['side'], packed['quality'])}. "
        f"Images to score: {form(packed['val_side'], packed['quality'])}. "
        + (KEPT if packed["val_side"] is None else SMALLER),
        "",
        f"Licence of the data: {packed['licence'] or 'not stated by who packed it'}. Files of the data set: {files}. "
        "Packing gives no right that the data set does not give.",
        "",
        f"Fingerprint of all samples and labels (SHA-256): `{index.fingerprint()}`",
        "",
        "The shards are tar files in WebDataset's form. To train on them:",
        "",
        f"    python -m tasks.{packed['task']} dataset=packed dataset.root=<this folder, or its address>",
        "",
    ]
    return "\n".join(lines)


def form(side: int | None, quality: int) -> str:
    """How images are stored."""
    if side is None:
        return "the files' own bytes"
    return f"JPEG of quality {quality} with a shorter side of {side} pixels, where the file was larger"
