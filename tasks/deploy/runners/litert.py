"""LiteRT files, by the interpreter of phones: XNNPACK's kernels on the CPU."""

import os
from pathlib import Path

import numpy as np

from tasks.common.errors import UserError
from tasks.deploy.decode import arranged
from tasks.deploy.runners.runner import Arrays, Images, Runner
from tasks.deploy.runtimes import needed, quiet, readable

SIDES = {"NCHW": (0, 1, 2, 3), "NHWC": (0, 3, 1, 2)}  # of a file's input: where batch, colours, height and width are


class LiteRtRunner(Runner):
    """LiteRT on the CPU.

    Args:
        path: the file.
        names: of its outputs, in the order of the results.
        layout: of its input, NCHW or NHWC.
        threads: per image; None for as many as there are cores.

    Raises:
        UserError: for a file that is damaged, or has other inputs and outputs than its description.
    """

    def __init__(self, path: Path, names: list[str], layout: str, threads: int | None) -> None:
        with needed("litert", path):
            from ai_edge_litert.interpreter import Interpreter
        with readable(path), quiet():  # it reports its kernels there
            self.interpreter = Interpreter(str(path), num_threads=threads or os.cpu_count() or 1)
            self.interpreter.allocate_tensors()
            signature = self.interpreter.get_signature_runner()
            (image,) = signature.get_input_details().values()
            outputs = {name: int(entry["index"]) for name, entry in signature.get_output_details().items()}
        if missing := [name for name in names if name not in outputs]:
            there = ", ".join(outputs)
            raise UserError(f"{path} has no output {missing[0]}, which its description names; it has {there}")
        sides = [int(side) for side in image["shape"]]
        if len(sides) != 4 or image["dtype"] is not np.uint8 or sides[SIDES[layout][1]] != 3:
            takes = f"{image['dtype'].__name__} {'×'.join(map(str, sides))}"
            raise UserError(f"{path} takes {takes}; its description says uint8 {layout}")
        self.layout, self.input = layout, int(image["index"])
        self.shape = tuple(sides[side] for side in SIDES[layout])
        self.names, self.outputs = names, [outputs[name] for name in names]

    def of_batch(self, images: Images) -> Arrays:
        self.interpreter.set_tensor(self.input, arranged(images, {"input": {"layout": self.layout}}))
        self.interpreter.invoke()
        return {
            name: self.interpreter.get_tensor(index) for name, index in zip(self.names, self.outputs, strict=True)
        }  # copies
