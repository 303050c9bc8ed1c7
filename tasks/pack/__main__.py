"""python -m tasks.pack: a data set as shards with an index, read by dataset=packed from a folder or an address.

    python -m tasks.pack dataset=imagenet out=<folder>                              every file's bytes as they are
    python -m tasks.pack dataset=imagenet out=s3://<bucket>/imagenet side=256       training images made smaller
    python -m tasks.pack task=multitask dataset=streets out=<folder>                several kinds of labels
    python -m tasks.classify dataset=packed dataset.root=<folder or address>

The shards are WebDataset's: tar files, in which the members of a sample share their name. index.json, written last, has
their sizes and SHA-256; train.npz and val.npz have the labels and where each sample lies.

    out=<folder or s3://…>   where to write
    side=<pixels>            of the shorter side of larger training images; null (default): files stay as they are
    val_side=<pixels>        the same of the images to score; null (default): scores are those of the data set itself
    quality=90               of the JPEG files of images that are made smaller
    shard_mb=128             size of a shard
    licence=<words>          of the data, for the card
    overwrite=true           out=… may hold a packed data set, which is deleted

Everything else is as for tasks.segment, tasks.detect and the others: task=… says whose labels are packed; without it,
those of the first task whose labels the data set has. Exit status: 0; 2 for a command or data that cannot be packed.
"""

import sys

from tasks.common.console import refusing, run_command
from tasks.common.plugins import take_from, without_folder
from tasks.doctor.arguments import task_of
from tasks.pack.arguments import parse


def main() -> None:
    """Find the task, compose its configuration and pack its data; user errors end with exit status 2."""
    if {"--help", "-h"} & set(sys.argv[1:]) or not sys.argv[1:]:
        print(__doc__)
        return
    with refusing():
        take_from(sys.argv[1:])
        request, rest = parse(without_folder(sys.argv[1:]))
        task = task_of(rest)
        sys.argv[1:] = ["hydra.job.name=pack", *(word for word in rest if not word.startswith("task="))]
        from tasks.pack.command import Pack
    Pack(task, request).run(list)


if __name__ == "__main__":
    run_command(main)
