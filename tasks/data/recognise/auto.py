"""The data set that conf/dataset/auto.yaml names: the command line replaces it before it is built."""

from pathlib import Path

from tasks.common.errors import UserError


class Auto:
    """`dataset=auto` where no command line was read: in an experiment's file, or among the values of a sweep.

    Raises:
        UserError: always, with what to type.
    """

    def __init__(self, root: str | Path | None = None) -> None:
        raise UserError(f"dataset=auto is typed by itself on the command line, with dataset.root={root or '<folder>'}")
