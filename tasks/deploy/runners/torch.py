"""PyTorch's exported programs: the one runtime here that needs PyTorch."""

from pathlib import Path

from tasks.deploy.runners.runner import Arrays, Images, Runner, Shape
from tasks.deploy.runtimes import readable


class TorchRunner(Runner):
    """PyTorch's own exported program.

    Args:
        path: the file.
        names: of its outputs.
        shape: of its input.
        threads: per image; None for PyTorch's default.
    """

    def __init__(self, path: Path, names: list[str], shape: Shape, threads: int | None) -> None:
        import torch

        from tasks.deploy.pt2 import load_program

        if threads is not None:
            torch.set_num_threads(threads)
        self.torch = torch
        with readable(path):
            self.module = load_program(path).module()
        self.names, self.shape = names, shape

    def of_batch(self, images: Images) -> Arrays:
        with self.torch.inference_mode():
            outputs = self.module(self.torch.from_numpy(images))
        return {name: output.numpy() for name, output in zip(self.names, outputs, strict=True)}
