"""ncnn files: .param and .bin."""

from pathlib import Path

import numpy as np

from tasks.common.errors import UserError
from tasks.deploy.runners.runner import Arrays, Images, Runner, Shape
from tasks.deploy.runtimes import needed, quiet, readable

REDUCED = ("use_fp16_storage", "use_fp16_arithmetic", "use_fp16_packed", "use_bf16_storage", "use_bf16_packed")


class NcnnRunner(Runner):
    """ncnn on the CPU, one image at a time.

    ncnn has no bytes as inputs: it is given the pixels as floats from 0 to 255, as ncnn::Mat::from_pixels makes them.

    Args:
        path: the .param; the .bin is next to it.
        names: of its outputs.
        shape: of its input, which the file does not contain.
        threads: for an image; None for one: several wait for each other by counting (libgomp), and where other programs
            need the cores, that took 40 times as long.
        halves: whether it may compute with 16 bits, which is ncnn's default where the CPU can.

    Raises:
        UserError: for a file that is damaged, or has other inputs and outputs than its description.
    """

    def __init__(self, path: Path, names: list[str], shape: Shape, threads: int | None, *, halves: bool) -> None:
        with needed("ncnn", path):
            import ncnn
        self.mat, self.net = ncnn.Mat, ncnn.Net()
        self.net.opt.num_threads = threads or 1
        if not halves:
            for option in REDUCED:
                setattr(self.net.opt, option, False)
        with readable(path), quiet():  # it tells there what it cannot read
            for read, file in ((self.net.load_param, path), (self.net.load_model, path.with_suffix(".bin"))):
                if read(str(file)):
                    raise ValueError(f"ncnn cannot read {file.name}")
            inputs, outputs = self.net.input_names(), self.net.output_names()
        if inputs != ["image"]:
            raise UserError(f"{path} takes {', '.join(inputs) or 'nothing'}; its description says image")
        if missing := [name for name in names if name not in outputs]:
            there = ", ".join(outputs)
            raise UserError(f"{path} has no output {missing[0]}, which its description names; it has {there}")
        self.names, self.shape = names, shape

    def of_batch(self, images: Images) -> Arrays:
        floats = np.ascontiguousarray(images[0], np.float32)  # which Mat only points to
        found: Arrays = {}
        with quiet():
            extractor = self.net.create_extractor()
            failed = extractor.input("image", self.mat(floats).clone())
            for name in self.names:
                status, values = (failed, None) if failed else extractor.extract(name)
                if status:
                    raise ValueError(f"ncnn gives no {name}")
                found[name] = np.array(values)[None]
        return found
