"""ExecuTorch programs."""

from pathlib import Path

from tasks.deploy.runners.runner import Arrays, Images, Runner, Shape
from tasks.deploy.runtimes import needed, quiet, readable


class ExecuTorchRunner(Runner):
    """ExecuTorch's XNNPACK and portable kernels.

    Args:
        path: the file.
        names: of its outputs, which the file does not contain.
        shape: of its input.
        threads: per image, for this whole process; None for ExecuTorch's default.
    """

    def __init__(self, path: Path, names: list[str], shape: Shape, threads: int | None) -> None:
        with needed("executorch", path), quiet():
            import torch
            from executorch.extension.pybindings._C import _unsafe_reset_threadpool  # there is no public way
            from executorch.runtime import Runtime
        self.from_numpy = torch.from_numpy
        with readable(path), quiet():
            if threads is not None:
                _unsafe_reset_threadpool(threads)
            self.program = Runtime.get().load_program(path)
            self.method = self.program.load_method("forward")
        self.names, self.shape = names, shape

    def of_batch(self, images: Images) -> Arrays:
        outputs = self.method.execute([self.from_numpy(images)])
        return {name: output.numpy().copy() for name, output in zip(self.names, outputs, strict=True)}
