"""The runtimes' own benchmark programs, by format: how each is called on a device and what it prints. Imports nothing
heavy.

Looked up on 30 November 2026: TensorFlow's tensorflow/lite/tools/benchmark/README.md, ncnn's benchmark/benchncnn.cpp,
ExecuTorch's examples/portable/executor_runner, ONNX Runtime's onnxruntime/test/perftest, OpenVINO's benchmark_app.
"""

import re
from typing import NamedTuple

NUMBER = r"(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)"
RUNS = 50  # of a file on a device


class Program(NamedTuple):
    """A program that times a file with made-up input, one image at a time.

    Attributes:
        name: as it is called.
        arguments: with {file}, {threads}, {runs}, {height}, {width} and {computes} (f32, f16 or bf16).
        mean: finds the mean of a run in what it prints; a second group is the number of runs that it is the sum of.
        ms: milliseconds of that number's unit.
    """

    name: str
    arguments: tuple[str, ...]
    mean: re.Pattern[str]
    ms: float = 1.0

    def command(self, **values: object) -> list[str]:
        """The words that call it."""
        return [self.name, *(argument.format(**values) for argument in self.arguments)]

    def mean_ms(self, printed: str) -> float | None:
        """Milliseconds of one run, from the last such line that it has printed; None without one."""
        found = list(self.mean.finditer(printed))
        if not found:
            return None
        groups = found[-1].groupdict()
        runs = int(groups.get("runs") or 1)
        return float(groups["mean"]) * self.ms / runs if runs else None


NAMED = NUMBER.replace("(", "(?P<mean>", 1)
PROGRAMS = {  # by format, also of formats that are not in FORMATS yet
    "litert": Program(
        "benchmark_model",
        ("--graph={file}", "--num_threads={threads}", "--num_runs={runs}", "--warmup_runs=10"),
        re.compile(rf"Inference \(avg\):\s*{NAMED}"),
        ms=1e-3,  # microseconds
    ),
    "ncnn": Program(  # it reads no weights; all cores, CPU, no pause to cool down
        "benchncnn",
        ("{runs}", "{threads}", "0", "-1", "0", "param={file}", "shape=[{width},{height},3]"),
        re.compile(rf"min =\s*{NUMBER}\s+max =\s*{NUMBER}\s+avg =\s*{NAMED}"),
    ),
    "executorch": Program(  # it has no warm-up
        "executor_runner",
        ("--model_path={file}", "--num_executions={runs}", "--cpu_threads={threads}"),
        re.compile(rf"Model executed successfully (?P<runs>\d+) time\(s\) in {NAMED} ms"),
    ),
    "onnx": Program(
        "onnxruntime_perf_test",
        ("-I", "-e", "cpu", "-m", "times", "-r", "{runs}", "-x", "{threads}", "{file}"),
        re.compile(rf"Average inference time cost:\s*{NAMED} ms"),
    ),
    "openvino": Program(
        "benchmark_app",
        (
            *("-m", "{file}", "-d", "CPU", "-api", "sync", "-hint", "none", "-nstreams", "1", "-nireq", "1"),
            *("-nthreads", "{threads}", "-niter", "{runs}", "-infer_precision", "{computes}"),
        ),
        re.compile(rf"Average:\s+{NAMED} ms"),
    ),
}
WITHOUT = {  # why a format has none
    "torch": "PyTorch's files have no such program: mode=benchmark measures them where PyTorch runs",
    "coreml": "Core ML has no such program: Xcode's performance report measures a model on a connected device",
}
