"""ONNX files."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tasks.deploy.network import Traced
from tasks.deploy.runtimes import needed
from tasks.deploy.writers.silence import silence_logging

OPSET = 20  # the first with HardSwish, Resize and Gelu as single operators


def write_onnx(traced: Traced, path: Path, manifest: Mapping[str, Any], _precision: str) -> list[str]:
    """Write an .onnx file with embedded weights; returns the names of the written files.

    Raises:
        UserError: if the extra is not installed.
    """
    with needed("onnx", "export.format=onnx"):
        import onnx
        import onnxruntime  # noqa: F401 - what is written is run
        import onnxscript  # noqa: F401 - what PyTorch's exporter is made of
    with silence_logging():
        exported = torch.onnx.export(
            traced.program,
            (),
            input_names=["image"],
            output_names=traced.outputs,
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert exported is not None
    model = exported.model_proto
    for part in (model.graph, *model.graph.node, *model.graph.value_info, *model.functions):
        del part.metadata_props[:]  # source files and lines of each node
    entry = model.metadata_props.add()
    entry.key, entry.value = "mobilevision", json.dumps(manifest)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return [path.name]
