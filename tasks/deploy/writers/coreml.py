"""Core ML packages: .mlpackage, ML programs for iOS 15 and macOS 12 or newer."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export import ExportedProgram

from tasks.checkpoint.embedded import KEY, PACKAGE, contents
from tasks.common.errors import UserError
from tasks.deploy.network import Traced
from tasks.deploy.runtimes import needed, quiet, reason
from tasks.deploy.writers.silence import silence_logging

WEIGHTS = Path(PACKAGE["weights"]).relative_to("Data/com.apple.CoreML")
DATED = "com.github.apple.coremltools.conversion_date"


def write_coreml(traced: Traced, path: Path, manifest: Mapping[str, Any], precision: str) -> list[str]:
    """Write an .mlpackage whose input is an RGB image, so that Vision can feed it; the same bytes each time.

    The description and the classes are in the user-defined metadata. For fp16, weights and computation have 16 bits;
    outputs are float32.

    Raises:
        UserError: if the extra is not installed, or coremltools cannot convert the network.
    """
    with needed("coreml", "export.format=coreml"), quiet(), silence_logging():
        import coremltools
    program = of_floats(traced)
    try:
        with quiet(), silence_logging():
            model = coremltools.convert(
                program,
                convert_to="mlprogram",
                inputs=[coremltools.ImageType("image", tuple(traced.shape), color_layout="RGB")],
                outputs=[coremltools.TensorType(name, dtype=kind) for name, kind in kinds_of(traced, program)],
                minimum_deployment_target=coremltools.target.iOS15,
                compute_precision=getattr(coremltools.precision, "FLOAT16" if precision == "fp16" else "FLOAT32"),
                skip_model_load=True,
            )
    except Exception as error:  # each operator has its own
        hint = "; export.outputs=raw leaves the last steps to decode.py" if manifest["outputs"] != "raw" else ""
        told = f"coremltools cannot convert this network: {reason(error)}{hint}"
        raise UserError(f"export.format=coreml: {told}") from error
    spec = model.get_spec()
    describe_inside(spec.description, manifest)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / path.name
        with quiet(), silence_logging():
            model.save(str(made))
        for name in PACKAGE.values():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / PACKAGE["contents"]).write_bytes(contents())
        (path / PACKAGE["specification"]).write_bytes(spec.SerializeToString(deterministic=True))
        shutil.copyfile(made / PACKAGE["weights"], path / PACKAGE["weights"])
    return [path.name]


def of_floats(traced: Traced) -> ExportedProgram:
    """The network as a program of floats from 0 to 255, as Core ML gives an image's bytes, in core ATen operators."""
    graph = traced.program.module(check_guards=False)
    (image,) = (node for node in graph.graph.nodes if node.op == "placeholder")
    for node in list(image.users):
        if node.target is torch.ops.aten.to.dtype:
            node.replace_all_uses_with(image)
        graph.graph.erase_node(node)
    for node in graph.graph.nodes:  # others of the same meaning, which coremltools knows
        if node.target is torch.ops.aten.__and__.Tensor:
            node.target = torch.ops.aten.logical_and.default  # of booleans
        elif node.target is torch.ops.aten.where.ScalarOther:
            condition, kept, value = node.args
            with graph.graph.inserting_before(node):
                other = graph.graph.call_function(torch.ops.aten.full_like.default, (kept, value))
            node.target, node.args = torch.ops.aten.where.self, (condition, kept, other)
    graph.recompile()
    example = torch.zeros([side or 1 for side in traced.shape])
    with torch.no_grad():
        program: ExportedProgram = torch.export.export(graph, (example,)).run_decompositions({})
    return program


def kinds_of(traced: Traced, program: ExportedProgram) -> list[tuple[str, type]]:
    """Names and types of the outputs: Core ML has float32 and int32."""
    (last,) = (node for node in program.graph.nodes if node.op == "output")
    floats = [node.meta["val"].is_floating_point() for node in last.args[0]]
    return [(name, np.float32 if is_float else np.int32) for name, is_float in zip(traced.outputs, floats, strict=True)]


def describe_inside(description: Any, manifest: Mapping[str, Any]) -> None:
    """Put model.json's facts where Xcode shows them, and whole into the metadata."""
    several, facts = len(manifest["tasks"]) > 1, description.metadata
    del facts.userDefined[DATED]
    facts.userDefined[KEY] = json.dumps(manifest)
    facts.shortDescription = f"{', '.join(manifest['tasks'])}: {manifest['outputs']} outputs, {manifest['precision']}"
    resize = json.dumps(manifest["input"]["resize"])
    description.input[0].shortDescription = f"RGB; normalisation is inside. How photos are resized: {resize}"
    meanings: dict[str, str] = {}
    for name, entry in manifest["tasks"].items():
        names = [each if isinstance(each, str) else each["name"] for each in entry["classes"]]
        facts.userDefined[f"{name}_classes" if several else "classes"] = json.dumps(names, ensure_ascii=False)
        meanings |= {output: f"{name}, {role}" for role, output in entry["outputs"].items()}
    for output in description.output:
        output.shortDescription = meanings[output.name]
