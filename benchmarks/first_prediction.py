"""From the start of `python` to the first prediction of an exported ONNX file, in fresh processes; at most 0.6 s.

python -m benchmarks.first_prediction <model.onnx> <image>
"""

import statistics
import subprocess
import sys
import time

LIMIT = 0.6
OURS = (
    "import sys; from tasks.deploy.model import open_model\n"
    "found = open_model(sys.argv[1]).predict(sys.argv[2])\n"
    "print(*found, 'with torch' if 'torch' in sys.modules else 'without torch')"
)
BARE = (
    "import tasks, numpy, onnxruntime, sys, PIL.Image\n"  # tasks keeps ONNX Runtime offline
    "onnxruntime.InferenceSession(sys.argv[1]); print('no prediction')"
)


def main(model: str, image: str, rounds: int = 5) -> None:
    """Print the medians: ours, and that of the imports and opening the file alone."""
    for name, code in (("open_model(…).predict(…)", OURS), ("ONNX Runtime alone", BARE)):
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            done = subprocess.run(
                [sys.executable, "-c", code, model, image], capture_output=True, text=True, check=True
            )
            times.append(time.perf_counter() - start)
        print(f"{name:25} {statistics.median(times):.2f} s (limit {LIMIT} s): {done.stdout.strip()}")


if __name__ == "__main__":
    main(*sys.argv[1:3])
