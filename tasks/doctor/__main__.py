"""python -m tasks.doctor: every file and every label of a data set looked at, before anything is trained.

    python -m tasks.doctor dataset=coco_json dataset.train.images=<folder> dataset.train.annotations=<file.json> …
    python -m tasks.doctor task=segment dataset=cityscapes dataset.root=<folder> image_size=[512,1024]
    python -m tasks.doctor task=multitask dataset=cityscapes

It prints what it found, worst first, and writes doctor.html (one page with pictures, which needs no network) and
doctor.json into hydra.run.dir=<folder>. Everything else is as for tasks.segment, tasks.detect and the others: task=…
says which; without it, the first whose labels the data set has. No network is trained and no weights are read.

Exit status: 0; 1 if something found would stop training or make its scores wrong; 2 for a command or a data set that
cannot be read at all.
"""

import sys

from tasks.common.console import refusing, run_command
from tasks.common.plugins import take_from, without_folder
from tasks.config.top_keys import check_own_keys
from tasks.doctor.arguments import spelled_out, task_of
from tasks.doctor.command import Doctor


def main() -> None:
    """Find the task, compose its configuration and look at its data; user errors end with exit status 2."""
    if {"--help", "-h"} & set(sys.argv[1:]):
        print(__doc__)
        return
    with refusing():
        take_from(sys.argv[1:])
        arguments = without_folder(sys.argv[1:])
        check_own_keys(arguments, ("task",))
        task = task_of(arguments)
        sys.argv[1:] = spelled_out(arguments)
    Doctor(task).run(list)


if __name__ == "__main__":
    run_command(main)
