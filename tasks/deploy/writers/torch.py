"""PyTorch's program archives."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tasks.deploy.network import Traced
from tasks.deploy.writers.silence import silence_logging


def write_torch(traced: Traced, path: Path, manifest: Mapping[str, Any], _precision: str) -> list[str]:
    """Write a .pt2 file, PyTorch's own program archive."""
    with silence_logging():
        torch.export.save(traced.program, path, extra_files={"mobilevision": json.dumps(manifest)})
    return [path.name]
