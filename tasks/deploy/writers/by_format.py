"""The writer of each format."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tasks.deploy.network import Traced
from tasks.deploy.writers.coreml import write_coreml
from tasks.deploy.writers.executorch import write_executorch
from tasks.deploy.writers.litert import write_litert
from tasks.deploy.writers.ncnn import write_ncnn
from tasks.deploy.writers.onnx import write_onnx
from tasks.deploy.writers.openvino import write_openvino
from tasks.deploy.writers.torch import write_torch

Writer = Callable[[Traced, Path, Mapping[str, Any], str], list[str]]
WRITERS: dict[str, Writer] = {  # by format: (network, path, description, precision) -> file names
    "onnx": write_onnx,
    "openvino": write_openvino,
    "litert": write_litert,
    "ncnn": write_ncnn,
    "executorch": write_executorch,
    "coreml": write_coreml,
    "torch": write_torch,
}
