"""python -m tasks.search: a network fitted to data and device, and a recipe fitted to data.

    python -m tasks.search search=recipe task=segment dataset=auto dataset.root=<folder> minutes=30
                                                             how to train on your data
    python -m tasks.search search=netadapt checkpoint=<best.ckpt> target.latency=0.7x        narrow a trained network
    python -m tasks.search search=blocks dataset=cifar10 target.madds=40M search.trials=100  choose a network's blocks
    python -m tasks.search search=width task=segment target.latency=20ms                     the widest that fits
    python -m tasks.search search=latency task=detect        how well layers' times predict whole networks
    python -m tasks.search search=candidates task=segment export.format=litert   networks to be timed on a device

Settings of each: conf/search. Everything else is as for tasks.classify, tasks.segment or tasks.detect: task=… says
which, else the checkpoint does. Milliseconds are PyTorch's; latency.runtime=onnx takes ONNX Runtime's,
latency.device=device.json a phone's.
"""

import sys

from tasks.app.cli import main as run_task
from tasks.common.console import refusing, run_command
from tasks.common.plugins import take_from
from tasks.config.top_keys import check_own_keys
from tasks.search.arguments import OWN, spelled_out, task_of, with_minutes


def main() -> None:
    """Find the task, then run its command; user errors are printed in one line with exit status 2."""
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(__doc__)
        return
    sys.argv[1:] = with_minutes(sys.argv[1:])
    with refusing():
        take_from(sys.argv[1:])
        check_own_keys(sys.argv[1:], OWN)
        task = task_of(sys.argv[1:])
    run_task(task, spelled_out)


if __name__ == "__main__":
    run_command(main)
