"""ExecuTorch programs for XNNPACK."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.deploy.network import Traced
from tasks.deploy.runtimes import needed, quiet
from tasks.deploy.writers.silence import silence_logging


def write_executorch(traced: Traced, path: Path, _manifest: Mapping[str, Any], _precision: str) -> list[str]:
    """Write a .pte file, lowered to XNNPACK where it supports the operator.

    Raises:
        UserError: if the extra is not installed.
    """
    with needed("executorch", "export.format=executorch"), quiet(), silence_logging():
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.exir import to_edge_transform_and_lower
    with silence_logging():
        lowered = to_edge_transform_and_lower(traced.program, partitioner=[XnnpackPartitioner()])
        path.write_bytes(lowered.to_executorch().buffer)
    return [path.name]
