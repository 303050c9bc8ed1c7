"""Writes a traced network to a file: ONNX, OpenVINO IR, or an ExecuTorch or PyTorch program."""

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from tasks.deploy.network import Traced
from tasks.deploy.runtimes import needed, quiet

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


def write_openvino(traced: Traced, path: Path, manifest: Mapping[str, Any], precision: str) -> list[str]:
    """Write an .xml file and its .bin.

    Raises:
        UserError: if the extra is not installed.
    """
    with needed("openvino", "export.format=openvino"):
        import openvino
    with silence_logging():
        model = openvino.convert_model(traced.program)
    model.reshape(openvino.PartialShape([-1 if side is None else side for side in traced.shape]))
    model.inputs[0].get_tensor().set_names({"image"})
    for output, name in zip(model.outputs, traced.outputs, strict=True):
        output.get_tensor().set_names({name})
    model.set_rt_info(json.dumps(manifest), ["mobilevision"])
    openvino.save_model(model, path, compress_to_fp16=precision == "fp16")
    return [path.name, path.with_suffix(".bin").name]


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


def write_torch(traced: Traced, path: Path, manifest: Mapping[str, Any], _precision: str) -> list[str]:
    """Write a .pt2 file, PyTorch's own program archive."""
    with silence_logging():
        torch.export.save(traced.program, path, extra_files={"mobilevision": json.dumps(manifest)})
    return [path.name]


Writer = Callable[[Traced, Path, Mapping[str, Any], str], list[str]]
WRITERS: dict[str, Writer] = {  # by format: (network, path, description, precision) -> file names
    "onnx": write_onnx,
    "openvino": write_openvino,
    "executorch": write_executorch,
    "torch": write_torch,
}


def versions(names: tuple[str, ...]) -> dict[str, str]:
    """Installed versions of packages."""
    return {name: version(name) for name in ("torch", *names)}


@contextlib.contextmanager
def silence_logging() -> Iterator[None]:
    """Silences exporters, which print and log their steps and warn of each other's deprecations."""
    level = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
