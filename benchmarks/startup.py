"""From `python` to the answer of the command line, against the same commands after `import torch, lightning`.

python -m benchmarks.startup
"""

import statistics
import subprocess
import sys
import time

from benchmarks.timing import report

COMMANDS = {"--help": ["--help"], "--cfg job": ["--cfg", "job"], "mistyped key": ["backbone.widht=0.5"]}
OURS = ["-m", "tasks.segment"]
PEER = ["-c", "import torch, lightning; from tasks.app.cli import main; main('segment')"]

PEER_NAME = "importing torch and lightning first"


def seconds(command: list[str]) -> tuple[float, str]:
    """Wall time of a fresh process, and its output."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    return time.perf_counter() - start, done.stdout + done.stderr


def main(rounds: int = 7) -> None:
    """Print medians and ratios; both outputs must be equal."""
    for name, arguments in COMMANDS.items():
        times: dict[str, list[float]] = {"ours": [], PEER_NAME: []}
        for _ in range(rounds):
            ours, said = seconds(OURS + arguments)
            peer, also = seconds(PEER + arguments)
            assert said == also, (said, also)
            times["ours"].append(ours)
            times[PEER_NAME].append(peer)
        report(name, {side: statistics.median(values) for side, values in times.items()})


if __name__ == "__main__":
    main()
