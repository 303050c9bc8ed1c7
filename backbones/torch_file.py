"""Checkpoint files from untrusted sources: checked before they are opened, and read as plain data."""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal

import torch
from torch import Tensor

from backbones.safetensors_file import read_safetensors
from backbones.weight_files import SUFFIX

ZIP = b"PK\x03\x04"
BEFORE_1_6 = (
    b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save's magic number, pickled: torchvision's older files
)
KINDS = {b"\x89PNG": "a PNG image", b"\xff\xd8\xff": "a JPEG image", b"\x93NUMPY": "a NumPy array", b"\x80": "a pickle"}
MOST = 200_000  # entries of a checkpoint: a few hundred bytes of pickle can expand beyond memory
DEEPEST = 64  # nesting of dicts
READS = 1_000_000  # instructions of a pickle; this many take seconds
SHARED = 16  # how often a file's numbers may appear under other names: tied weights, averages
PICKLED, OF_RECORD = 2**19, 2**11  # allowed bytes of a zip archive's pickle, and for each of its tensors


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint as plain dicts, lists, numbers, strings and tensors, on the CPU; executes nothing from it.

    Of a .safetensors file, whose tensors are sorted, these are the tensors.

    Raises:
        ValueError: if the file is missing, damaged or not such a checkpoint.
    """
    path = Path(path)
    if path.suffix == SUFFIX:
        return dict(read_safetensors(path)[0])
    if path.is_dir():
        raise ValueError(f"{path} is a folder, not a checkpoint")
    if not path.is_file():
        raise ValueError(f"no checkpoint at {path}")
    with path.open("rb") as file:
        checkpoint = load_plain(file, path)
    if not isinstance(checkpoint, dict):
        raise ValueError(f"{path} holds a {type(checkpoint).__name__}, not a state dict")
    return checkpoint


def load_plain(file: BinaryIO, path: str | Path) -> Any:
    """Load an open file of torch.save as plain dicts, lists, numbers, strings and tensors, on the CPU.

    Args:
        path: name of the file, for messages.

    Raises:
        ValueError: if it is damaged, not from torch.save, or expands beyond its bytes.
    """
    size = file.seek(0, io.SEEK_END)
    try:
        readable = file if check_kind(file, path, size) == "zip" else Counted(from_start(file).read())
        content = torch.load(from_start(readable), map_location="cpu", weights_only=True)
    except ForeignFile:
        raise
    except Endless as error:
        raise ValueError(f"{path} is no checkpoint: its pickle has {error}") from None
    except Exception as error:  # zipfile and torch raise unrelated exceptions for untrusted bytes
        if found := re.search(r"GLOBAL (\S+) was not an allowed", str(error)):
            raise ValueError(
                f"{path} holds Python objects ({found[1]}), not tensors alone: save the network's state_dict()"
            ) from error
        raise ValueError(
            f"{path} cannot be read as a checkpoint: truncated, damaged, or not from torch.save "
            f"({size:,} bytes; {type(error).__name__})"
        ) from error
    numbers = 0
    for name, tensor in tensors_in(content, path):
        check_plain(name, tensor, path)
        numbers += tensor.numel() * tensor.element_size()
        if numbers > SHARED * size:
            raise ValueError(f"{path} is no checkpoint: its tensors are over {SHARED} times as large as the file")
    return content


def from_start(file: BinaryIO) -> BinaryIO:
    """Rewind the file."""
    file.seek(0)
    return file


class ForeignFile(ValueError):
    """A file that is not a checkpoint, or has changed since it was written."""


class Endless(Exception):
    """More instructions than the pickle of a checkpoint has."""


class Counted(io.BytesIO):
    """A file of torch.save before 1.6, whose pickle has no length: each of its instructions is a read."""

    left = READS

    def read(self, size: int | None = -1) -> bytes:
        self.left -= 1
        if self.left < 0:
            raise Endless(f"over {READS:,} instructions")
        return super().read(size)


def check_kind(file: BinaryIO, path: str | Path, size: int) -> Literal["zip", "pickle"]:
    """How torch.save wrote a file; raises ForeignFile if it cannot have, or if its bytes have changed since."""
    head = from_start(file).read(len(BEFORE_1_6))
    if head.startswith(ZIP):
        check_zip(file, path, size)
        return "zip"
    if head != BEFORE_1_6:
        kind = next((kind for start, kind in KINDS.items() if head.startswith(start)), "not from torch.save")
        what = f"it is {kind}" if head else "the file is empty"
        raise ForeignFile(f"{path} cannot be read as a checkpoint: {what} ({size:,} bytes)")
    return "pickle"


def check_zip(file: BinaryIO, path: str | Path, size: int) -> None:
    """Raises ForeignFile for an archive that is not torch.save's, or a record with a wrong checksum."""
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        names = {entry.filename.partition("/")[2] for entry in entries}
        if "data.pkl" not in names:
            raise ForeignFile(f"{path} cannot be read as a checkpoint: it is a zip archive, but none of torch.save")
        if "constants.pkl" in names:
            raise ForeignFile(f"{path} is a TorchScript archive: save the network's state_dict()")
        pickled = max(entry.file_size for entry in entries if entry.filename.endswith("/data.pkl"))
        if pickled > PICKLED + OF_RECORD * len(entries):  # processing it would take minutes
            raise ForeignFile(f"{path} is no checkpoint: {pickled:,} bytes of pickle for {len(entries):,} records")
        stored = all(entry.compress_type == zipfile.ZIP_STORED for entry in entries)
        if not stored or sum(entry.file_size for entry in entries) > size:
            raise ForeignFile(f"{path} is damaged: torch.save compresses nothing, and this archive is compressed")
        if changed := archive.testzip():
            raise ForeignFile(f"{path} is damaged: the bytes of {changed} are not those that were written")


def tensors_in(node: object, path: str | Path) -> Iterator[tuple[str, Tensor]]:
    """All tensors in nested dicts and lists, with their paths.

    Raises:
        ValueError: for more entries or levels than a checkpoint has.
    """
    left, count = [("", node, 0)], 0
    while left:
        name, node, depth = left.pop()
        count += 1
        if count > MOST or depth > DEEPEST:
            raise ValueError(f"{path} is no checkpoint: over {MOST:,} entries, or {DEEPEST} levels of them")
        if isinstance(node, Tensor):
            yield name, node
        elif isinstance(node, Mapping | list | tuple | set):
            items: Iterable[tuple[Any, Any]] = node.items() if isinstance(node, Mapping) else enumerate(node)
            left.extend((f"{name}.{key}".lstrip("."), value, depth + 1) for key, value in items)


def check_plain(name: str, tensor: Tensor, path: str | Path) -> None:
    """Raises a ValueError for a tensor that is sparse, quantised, without data, or larger than its data."""
    plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    if not plain or tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
        raise ValueError(f"{path} is damaged: {name} {tuple(tensor.shape)} is no tensor with all its numbers")


def check_sound(state: Mapping[str, Tensor], path: str | Path) -> None:
    """Check for values that no network's weights have.

    Raises:
        ValueError: at the first NaN, infinite number or negative variance, with the tensor's name.
    """
    for name, tensor in state.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError(f"{path} cannot be used: {name} holds NaN or infinite numbers")
        if name.endswith("running_var") and tensor.numel() and tensor.min() < 0:
            raise ValueError(f"{path} cannot be used: {name} holds negative variances ({tensor.min():.3g})")
