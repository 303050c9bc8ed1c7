"""Files in the safetensors format (https://github.com/huggingface/safetensors): tensors by name, and texts; no code."""

import json
from collections.abc import Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor

TEXTS = "__metadata__"  # the header's entry for texts


def read_safetensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file, on the CPU, and the texts in its header.

    The format keeps no order: tensors come sorted by type and name.

    Raises:
        ValueError: if the file is missing, truncated or not in this format.
    """
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a folder, not a checkpoint")
    if not path.is_file():
        raise ValueError(f"no checkpoint at {path}")
    data = path.read_bytes()
    try:
        tensors = safetensors.torch.load(data)  # checks that the tensors fill the file, without gaps or overlaps
    except (SafetensorError, ValueError, KeyError, OverflowError) as error:
        text = str(error).splitlines()[0]
        raise ValueError(
            f"{path} cannot be read as safetensors: truncated, damaged or another format ({len(data):,} bytes; {text})"
        ) from error
    return tensors, texts_in(data)


def read_texts(path: Path) -> dict[str, str]:
    """The texts in a file's header, without its tensors; {} if there are none, or it is not in this format."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
            return texts_in(start + file.read(min(int.from_bytes(start, "little"), path.stat().st_size)))
    except (OSError, ValueError, RecursionError):
        return {}


def texts_in(data: bytes) -> dict[str, str]:
    """The texts in the header at the start of a file."""
    header = json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])
    texts = header.get(TEXTS) if isinstance(header, dict) else None
    return texts if isinstance(texts, dict) else {}


def safetensors_bytes(tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> bytes:
    """A file's content: tensors as they are, bit for bit, and texts in the header."""
    separate = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}  # tied ones too
    return safetensors.torch.save(separate, dict(texts))
