"""OpenVINO IR: .xml and .bin."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.deploy.network import Traced
from tasks.deploy.runtimes import needed
from tasks.deploy.writers.silence import silence_logging


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
