"""Reads a .pt2 file of PyTorch's without running code from it.

`torch.export.load` unpickles sample inputs and marked weights, evaluates symbolic sizes and guards, looks up operators
as attributes of `torch` and loads compiled libraries. So the archive is checked here first: only entries with known
names, weights without pickles, a graph of the operators networks consist of, and nothing but plain names and sizes.
The sample inputs are a pickle: `weights_only` reads it, with the limits of a checkpoint, and torch.save rewrites it.
The archive is rewritten from what was checked, and PyTorch reads exactly those bytes, whatever a second directory in
the file may say.
"""

import io
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from backbones.torch_file import load_plain
from tasks.deploy.operators import check_operator
from tasks.deploy.size_expressions import check_size

LARGEST = 2**26  # bytes of the graph
PARTS = {  # entries inside the archive's folder, and whether PyTorch gets them
    r"models/model\.json": True,
    r"data/(weights|constants)/model_\1_config\.json": True,
    r"data/weights/weight_\d+": True,
    r"data/constants/tensor_\d+": True,
    r"data/sample_inputs/model\.pt": True,
    r"archive_format|archive_version|byteorder|version|\.data/version": True,
    r"\.format_version|\.storage_alignment|\.data/serialization_id|extra/mobilevision": False,
}
TEXT = re.compile(r"[\w.+-]{0,512}")  # of names, versions and choices
WORD = re.compile(r"[A-Za-z_]\w*")
FOREIGN = (  # references outside the graph
    *("as_operator", "as_custom_obj", "as_graph", "as_string_to_argument"),
    *("custom_obj_values", "treespec_namedtuple_fields"),
)


def load_program(path: Path) -> Any:
    """Load a .pt2 file as tasks/deploy/writers/torch.py writes it.

    Raises:
        ValueError: for a file with pickles, code, libraries or anything else it should not contain.
    """
    return torch.export.load(io.BytesIO(checked_archive(path)))


def checked_archive(path: Path) -> bytes:
    """The archive, reduced to what was checked.

    Raises:
        ValueError: as load_program.
    """
    rewritten = io.BytesIO()
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(rewritten, "w") as checked:
        entries = archive.infolist()
        if sum(entry.file_size for entry in entries) > path.stat().st_size:
            raise ValueError("its entries are larger than the file")
        seen = set()
        for entry in entries:
            name = entry.filename.partition("/")[2]
            given = next((given for part, given in PARTS.items() if re.fullmatch(part, name)), None)
            if given is None or name in seen or entry.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{entry.filename[:80]!r} is not one of the entries that an exported program needs")
            seen.add(name)
            if given:
                checked.writestr(f"model/{name}", content_of(name, archive.read(entry)))
    return rewritten.getvalue()


def content_of(name: str, content: bytes) -> bytes:
    """An entry's bytes, safe to load.

    Raises:
        ValueError: for bytes that could run code.
    """
    if name.endswith(".json"):
        if len(content) > LARGEST:
            raise ValueError(f"{name} has over {LARGEST:,} bytes")
        tree = json.loads(content)
        check_tree(without_metadata(tree), name)
        return json.dumps(tree).encode()
    if name.endswith(".pt"):  # the images it was traced with
        looked_at = io.BytesIO()  # load_plain rejects what torch.export would unpickle
        torch.save(load_plain(io.BytesIO(content), name), looked_at)
        return looked_at.getvalue()
    return content


def without_metadata(tree: Any) -> Any:
    """The graph without the metadata that records which code its nodes come from."""
    for node in tree.get("graph_module", {}).get("graph", {}).get("nodes", []):
        node["metadata"] = {}
    return tree


def check_tree(tree: Any, where: str) -> None:
    """Raises a ValueError for the first key or value of the JSON that is not just a name, a size or a number."""
    for key, value in leaves(tree):
        if key == "use_pickle" and value is not False:
            raise ValueError(f"{where} has a pickle")
        if key in FOREIGN and value:
            raise ValueError(f"{where} has {key}, which could run")
        if not isinstance(value, str):
            continue
        if key == "target":
            check_operator(value)
        elif key in ("expr_str", "guards_code"):
            try:
                check_size(value, guard=key == "guards_code")
            except ValueError as error:
                raise ValueError(f"{where} has {value[:80]!r} as a size: {error}") from error
        elif key in ("in_spec", "out_spec"):
            check_nesting(value)
        elif not (WORD if value and key in ("name", "forward_arg_names") else TEXT).fullmatch(value):
            raise ValueError(f"{where} has {value[:80]!r} as {key}")


def check_nesting(text: str) -> None:
    """Raises a ValueError if the input or output structure has more than tuples, lists and dicts of names."""
    for key, value in leaves(json.loads(text)):
        plain = value in (None, "null", "builtins.tuple", "builtins.list", "builtins.dict")
        names = key == "context" and isinstance(value, str) and re.fullmatch(r'\[("\w*"(, )?)*\]', value)
        if isinstance(value, str) and not (plain or names or (key == "a key" and WORD.fullmatch(value))):
            raise ValueError(f"its inputs or outputs are of {value[:80]!r}")


def leaves(node: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """All keys (as separate values) and all values of nested dicts and lists, each with the nearest key."""
    yield key, node
    if isinstance(node, dict):
        for name, value in node.items():
            yield "a key", name
            yield from leaves(value, name)
    elif isinstance(node, list):
        for value in node:
            yield from leaves(value, key)
