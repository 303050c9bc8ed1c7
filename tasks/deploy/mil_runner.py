"""Computes what a Core ML package's program says, operator by operator, where Core ML itself cannot run.

The program and its weights are read from the package, so that a wrong conversion is found. Not found is where Core ML
computes something else than Apple's description of an operator says.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from tasks.checkpoint.embedded import PACKAGE
from tasks.common.errors import UserError
from tasks.deploy.mil_operators import OPERATORS, TYPES
from tasks.deploy.runners.coreml import as_described
from tasks.deploy.runners.runner import Arrays, Images, Runner
from tasks.deploy.runtimes import needed, quiet, readable
from tasks.deploy.writers.silence import silence_logging

KINDS = {65568: torch.float32, 131104: torch.int32}  # by ArrayFeatureType.ArrayDataType
Kind = tuple[tuple[int | None, ...], torch.dtype | None]  # shape and type; None for a type that is not known here


class MilRunner(Runner):
    """A package's program in PyTorch, one image at a time.

    Args:
        path: the package.
        manifest: its description, whose input and outputs it must have.

    Raises:
        UserError: for a package that cannot be read, has other inputs or outputs, or an operator that is not known.
    """

    def __init__(self, path: Path, manifest: Mapping[str, Any]) -> None:
        with needed("coreml", path), quiet(), silence_logging():
            from coremltools.converters.mil.frontend.milproto.load import load
            from coremltools.models.utils import load_spec
        with readable(path), quiet(), silence_logging():
            spec = load_spec(str(path))
            weights = path / PACKAGE["weights"]
            program = load(spec, spec.specificationVersion, file_weights_dir=str(weights.parent))
            (self.function,) = program.functions.values()
            self.operations = [each for each in self.function.operations if each.op_type != "const"]
        self.names = [name for entry in manifest["tasks"].values() for name in entry["outputs"].values()]
        self.shape = (1, 3, manifest["input"]["height"], manifest["input"]["width"])
        if problem := problem_of(spec.description, self.names, self.shape[2:]):
            raise UserError(f"{path} {problem}")
        if (returned := [output.name for output in self.function.outputs]) != self.names:
            raise UserError(f"{path}: its program returns {', '.join(returned)}, not {', '.join(self.names)}")
        if problem := disagreement(spec.description, self.shape, self.function):
            raise UserError(f"{path}: {problem}")
        for operation in self.operations:
            if operation.op_type not in OPERATORS:
                raise UserError(f"{path} cannot be compared: how to compute {operation.op_type} is not known here")

    @torch.inference_mode()
    def of_batch(self, images: Images) -> Arrays:
        values = {"image": torch.from_numpy(images).float()}

        def value(given: Any) -> Any:
            if isinstance(given, tuple | list):
                return [value(each) for each in given]
            return values[given.name] if given.val is None else given.val

        for operation in self.operations:
            taken = {key: value(given) for key, given in operation.inputs.items() if given is not None}
            made = OPERATORS[operation.op_type](**taken)
            made = (made,) if isinstance(made, torch.Tensor) else made
            for output, each in zip(operation.outputs, made, strict=True):
                if (ours := (tuple(each.shape), each.dtype)) != (theirs := kind_of(output)):
                    raise ValueError(f"{operation.op_type}: {ours}, and coremltools has {theirs}")
                values[output.name] = each
        found = {name: values[name] for name in self.names}
        return {name: as_described(each.numpy()) for name, each in found.items()}


def problem_of(description: Any, names: list[str], size: tuple[int | None, ...]) -> str:
    """How a package's description differs from model.json; '' if it does not."""
    (image,) = description.input
    pixels = image.type.imageType
    if (image.name, pixels.height, pixels.width) != ("image", *size) or pixels.colorSpace != pixels.RGB:
        said = f"an RGB image of {size[0]}×{size[1]}"
        return f"takes {image.name} of {pixels.height}×{pixels.width}; its description says {said}"
    there = [output.name for output in description.output]
    return f"gives {', '.join(there)}; its description says {', '.join(names)}" if there != names else ""


def disagreement(description: Any, shape: tuple[int | None, ...], function: Any) -> str:
    """Where a package's program and its description have other shapes or types; '' where they agree."""
    said = {output.name: output.type.multiArrayType for output in description.output}
    described: dict[str, Kind] = {name: (tuple(array.shape), KINDS.get(array.dataType)) for name, array in said.items()}
    described["image"] = (shape, torch.float32)
    computed = {name: kind_of(var) for name, var in function.inputs.items()}
    computed |= {output.name: kind_of(output) for output in function.outputs}
    for name, kind in computed.items():
        if kind != described.get(name):
            return f"{name} is {kind} in its program, {described.get(name)} in its description"
    return ""


def kind_of(var: Any) -> Kind:
    """Shape and type of a program's value."""
    from coremltools.converters.mil.mil.types import builtin_to_string

    return tuple(var.shape), TYPES.get(builtin_to_string(var.dtype))
