"""What ends a command without a traceback."""

import signal
from pathlib import Path


class UserError(Exception):
    """Something wrong with a command, a file or a data set; the first line names it and the choices."""


class Stopped(Exception):
    """A signal ended the command; a training's checkpoint to resume from is written."""

    def __init__(self, number: int, checkpoint: Path | None = None) -> None:
        what = "scoring stopped" if checkpoint is None else f"training stopped; go on with resume={checkpoint}"
        super().__init__(f"{signal.Signals(number).name}: {what}")
        self.number = number
