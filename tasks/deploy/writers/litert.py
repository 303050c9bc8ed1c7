"""LiteRT files: .tflite."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from tasks.deploy.litert_file import describe_inside
from tasks.deploy.network import Traced
from tasks.deploy.runtimes import needed, quiet
from tasks.deploy.writers.silence import silence_logging

WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def write_litert(traced: Traced, path: Path, manifest: Mapping[str, Any], precision: str) -> list[str]:
    """Write a .tflite file; for fp16 with weights of 16 bits, which the runtime widens or computes with as it can.

    Raises:
        UserError: if the extra is not installed.
    """
    with needed("litert", "export.format=litert"), quiet(), silence_logging():
        import ai_edge_litert.interpreter  # noqa: F401 - what is written is run
        import ai_edge_quantizer  # noqa: F401
        import litert_torch
    allow_forks()
    example = torch.zeros([side or 1 for side in traced.shape], dtype=torch.uint8)
    with quiet(), silence_logging():
        litert_torch.convert(Named(traced), sample_kwargs={"image": example}).export(str(path))
        if precision == "fp16":
            halve(path)
    describe_inside(path, manifest)
    return [path.name]


def allow_forks() -> None:
    """Silence JAX, which LiteRT's converter starts: it warns of a deadlock at every fork.

    Data workers are forked afterwards, to score the file, and call nothing of JAX.
    """
    warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)


class Named(nn.Module):
    """A traced network whose outputs have their names, which the file takes over."""

    def __init__(self, traced: Traced) -> None:
        super().__init__()
        self.network, self.names = traced.program.module(check_guards=False), traced.outputs
        self.training = False  # the graph has no other mode, and no eval()

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """The outputs by name."""
        return dict(zip(self.names, self.network(image), strict=True))


def halve(path: Path) -> None:
    """Store the weights of a file's layers in 16 bits."""
    from ai_edge_quantizer import quantizer

    made = quantizer.Quantizer(str(path))
    for operation in WEIGHTED:
        made.add_weight_only_config(
            ".*",
            operation,
            num_bits=16,
            granularity="TENSORWISE",
            algorithm_key=quantizer.AlgorithmName.FLOAT_CASTING,
        )
    path.write_bytes(made.quantize(enable_progress_bar=False, enable_progress_report=False).quantized_model)
