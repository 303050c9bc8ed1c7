"""ONNX files in ONNX Runtime."""

from pathlib import Path

from tasks.deploy.runners.runner import Arrays, Images, Runner
from tasks.deploy.runtimes import needed, readable

CPU = "CPUExecutionProvider"  # the fallback prints an error of its own, and tries the same again


class OnnxRunner(Runner):
    """ONNX Runtime on the CPU.

    Args:
        path: the file.
        threads: per image; None for as many as there are cores.
    """

    def __init__(self, path: Path, threads: int | None) -> None:
        with needed("onnx", path):
            import onnxruntime
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # errors only; it warns about its own graph passes
        if threads is not None:
            options.intra_op_num_threads = threads
            options.inter_op_num_threads = 1
        with readable(path):
            self.session = onnxruntime.InferenceSession(str(path), options, providers=[CPU], enable_fallback=0)
            (image,) = self.session.get_inputs()
        self.input = image.name
        self.shape = tuple(side if isinstance(side, int) else None for side in image.shape)
        self.names = [output.name for output in self.session.get_outputs()]

    def of_batch(self, images: Images) -> Arrays:
        return dict(zip(self.names, self.session.run(None, {self.input: images}), strict=True))
