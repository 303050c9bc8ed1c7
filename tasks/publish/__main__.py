"""python -m tasks.publish: a checkpoint as a folder to give away, which load() and every mode read like the checkpoint.

    python -m tasks.publish checkpoint=<run>/checkpoints/best.ckpt to=<folder> licence=Apache-2.0

It writes model.safetensors (weights, classes and configuration; no pickle), README.md (a model card), labels.txt and
example.py. The card's numbers come from metrics.json and network.json of the checkpoint's run, its command from .hydra.

    checkpoint=<file>     of a training
    to=<folder>           that does not exist yet, or is empty
    licence=<SPDX name>   of the weights, such as Apache-2.0 or CC-BY-4.0; licence=unstated says that there is none
    metrics=<file>        metrics.json of the checkpoint, if it is not in its run's folder (mode=evaluate writes one)
    runs=[<run>,<run>]    folders of the same training with other seeds, or of mode=evaluate of their checkpoints: the
                          card has mean ± standard deviation
    name=… use=… limits=… title, intended use and limits, in your words

Folders' names on this machine are left out: of dataset.root=../me/street the file keeps DATA_ROOT and `street`.
Nothing is uploaded. Exit status: 0; 2 for a command or a file that cannot be used.
"""

import sys

from tasks.common.console import refusing, report, run_command
from tasks.common.errors import visible
from tasks.publish.arguments import parse


def main() -> None:
    """Publish what the command line asks for; user errors are one line with exit status 2."""
    if {"--help", "-h"} & set(sys.argv[1:]) or not sys.argv[1:]:
        print(__doc__)
        return
    with refusing():
        request = parse(sys.argv[1:])
        from tasks.publish.publish import publish  # imports torch: seconds

        for line in publish(request):
            report(visible(line))


if __name__ == "__main__":
    run_command(main)
