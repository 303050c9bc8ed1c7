"""JSON of COCO's format, parsed without polygons unless they are asked for."""

import gc
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tasks.common.errors import UserError
from tasks.data.files.json_rows import Row, parse_json, read_text

# Polygons are three quarters of COCO's files; without them the rest is read in half the time and memory. The key cannot
# match within a string, where quotes are escaped. If a list holds more than numbers the match ends too early and leaves
# a bracket, so that the rest is not valid JSON and parse() reads the whole file.
POLYGONS = re.compile(rb'"segmentation"\s*:\s*\[[\[\]\d.,\seE+-]*\]')


def parse(path: Path, *, polygons: bool = False) -> Row:
    """Parse the file, without polygons unless requested.

    Raises:
        UserError: if it cannot be read, or is not a JSON object.
    """
    written = read_text(path)
    try:
        content = None if polygons else json.loads(POLYGONS.sub(b'"segmentation":0', written))
    except (ValueError, RecursionError):
        content = None
    if content is None:
        content = parse_json(written, path)
    if not isinstance(content, dict):
        some = f"it is a list of {len(content)}: write its only item instead" if isinstance(content, list) else ""
        raise UserError(f"{path} is no JSON object with images, annotations and categories{some and '; '}{some}")
    return content


@contextmanager
def without_collection() -> Iterator[None]:
    """Keep the garbage collector from running: millions of new objects, none of them garbage, would take it half of the
    time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
