"""What trained a checkpoint, read from its description without PyTorch, so that mistakes show at once.

A wrong answer does no harm: the checkpoint is read and checked as a whole before it is used (checkpoint.py).
"""

import io
import json
import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from backbones.weight_files import SUFFIX, published_file
from tasks.checkpoint.manifest import CARD
from tasks.checkpoint.manifest_rules import SUFFIXES
from tasks.common.errors import UserError

KEY = "mobilevision"
LARGEST = 1 << 20  # bytes of a pickle or a header: ours are a tenth of it


class Trained(NamedTuple):
    """What trained a checkpoint.

    Attributes:
        task: the command.
        heads: their names.
    """

    task: str
    heads: tuple[str, ...]


class Blank:
    """Stands for every object in a pickle: does nothing, whatever is done with it."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setitem__(self, _key: Any, _value: Any) -> None:
        pass

    def __setstate__(self, _state: Any) -> None:
        pass

    append = extend = add = update = __init__


class Reader(pickle.Unpickler):
    """Reads dicts, lists, numbers and texts; imports nothing and calls nothing that a file names."""

    def find_class(self, _module: str, _name: str) -> type[Blank]:
        return Blank

    def persistent_load(self, _identity: Any) -> None:
        return None


def trained_by(path: str | Path) -> Trained | None:
    """What trained a checkpoint; None for anything else, which reading the file explains."""
    try:
        metadata = metadata_of(published_file(Path(path).expanduser()))
        found = Trained(metadata["task"], tuple(metadata["tasks"]))
    except Exception:  # arbitrary bytes make pickle, zipfile and json raise anything
        return None
    return found if all(isinstance(text, str) for text in (found.task, *found.heads)) else None


def config_of(path: str | Path) -> dict[str, Any]:
    """The configuration in a checkpoint, or in the card beside an exported file; {} if there is none.

    Its texts are a stranger's: not resolved, and of no type that was checked.
    """
    try:
        found = published_file(Path(path).expanduser())
        card = found.with_name(CARD)
        config = (read_card(card) if found.suffix in SUFFIXES and card.is_file() else metadata_of(found))["config"]
    except Exception:  # as in trained_by()
        return {}
    return config if isinstance(config, dict) else {}


def read_card(path: Path) -> Any:
    """A file's card; raises anything for other files."""
    with path.open("rb") as file:
        return json.loads(file.read(LARGEST))


def metadata_of(path: Path) -> Any:
    """The description in a checkpoint; raises anything for other files."""
    if path.suffix == SUFFIX:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            return json.loads(json.loads(file.read(min(size, LARGEST)))["__metadata__"][KEY])
    with zipfile.ZipFile(path) as file:
        entry = next(each for each in file.infolist() if each.filename.endswith("/data.pkl"))
        if entry.file_size > LARGEST:
            return None
        return Reader(io.BytesIO(file.read(entry))).load()[KEY]


def check_task(path: str | Path, task: str, own: str, heads: Sequence[str]) -> None:
    """Check that a command can use a checkpoint: its own, one of several heads among which is its own, any for several.

    Args:
        own: the command that trained it.
        heads: of the checkpoint.

    Raises:
        UserError: if it cannot, with the command that can.
    """
    if task in (own, "multitask") or (own == "multitask" and task in heads):
        return
    has = f" with {', '.join(heads)}" if own == "multitask" else ""
    raise UserError(f"{path} was trained by tasks.{own}{has}, not tasks.{task}: use python -m tasks.{own}")
