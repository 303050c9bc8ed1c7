"""OpenVINO files."""

from pathlib import Path
from typing import Any

from tasks.common.errors import UserError
from tasks.deploy.runners.runner import Arrays, Images, Runner
from tasks.deploy.runtimes import needed, openvino_core, readable


class OpenVinoRunner(Runner):
    """OpenVINO on the CPU.

    Args:
        path: the .xml; the .bin is next to it.
        names: of its outputs; compiling renames them.
        threads: per image; None for as many as there are cores.
        precision: of the computation if the CPU supports it: "f32", "f16" or "bf16"; by default it would choose itself.
    """

    def __init__(self, path: Path, names: list[str], threads: int | None, precision: str) -> None:
        with needed("openvino", path):
            core = openvino_core()
        options: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": precision}
        if threads is not None:
            options |= {"INFERENCE_NUM_THREADS": threads}
        with readable(path):
            self.model = core.compile_model(str(path), "CPU", options)
        if len(self.model.outputs) != len(names):
            raise UserError(
                f"{path} has {len(self.model.outputs)} outputs, its description names {len(names)}: {', '.join(names)}"
            )
        self.request = self.model.create_infer_request()
        shape = self.model.input(0).get_partial_shape()
        self.shape = tuple(side.get_length() if side.is_static else None for side in shape)
        self.names = names

    def of_batch(self, images: Images) -> Arrays:
        self.request.infer([images], share_inputs=True)
        return {name: self.request.get_output_tensor(number).data.copy() for number, name in enumerate(self.names)}


def computed_in(precision: str) -> str:
    """What OpenVINO is asked to compute a file of this precision in, where the CPU can."""
    return {"fp16": "f16", "bf16": "bf16"}.get(precision, "f32")
