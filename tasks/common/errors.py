"""What ends a command without a traceback."""

import re
import signal
from pathlib import Path

OUT_OF_MEMORY = ("out of memory", "DefaultCPUAllocator", "not enough memory", "OutOfMemoryError", "MemoryError")


class UserError(Exception):
    """Something wrong with a command, a file or a data set; the first line names it and the choices."""

    status = 2  # of the command that it ends


class Diverged(UserError):
    """The loss ran away: what was trained is worth little. The command ends with exit status 3."""

    status = 3


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, NumPy or PyTorch had no memory left, on the CPU or an accelerator, also in a worker process."""
    known = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return known or any(words in str(error) for words in OUT_OF_MEMORY)


def located(message: str, error: Exception) -> str:
    """A message with the part of the configuration whose building failed in front, unless the message names it itself.

    Args:
        error: Hydra's, which says where it was.
    """
    where = re.search(r"full_key: (\S+)", str(error))
    return f"{where[1]}: {message}" if where and not message.startswith(where[1]) else message


def visible(text: str) -> str:
    """A message as a terminal may show it: what a stranger's file has brought in is no colour, title or cursor.

    Each character that is neither printable nor a newline becomes its escape.
    """
    return "".join(
        character if character.isprintable() or character == "\n" else character.encode("unicode_escape").decode()
        for character in text
    )


class Stopped(BaseException):
    """A signal ended the command; a training's checkpoint to resume from is written.

    Like KeyboardInterrupt it is no Exception: it may be raised anywhere, and nothing that handles errors may keep it.
    """

    def __init__(self, number: int, checkpoint: Path | None = None) -> None:
        what = "stopped" if checkpoint is None else f"training stopped; go on with resume={checkpoint}"
        super().__init__(f"{signal.Signals(number).name}: {what}")
        self.number = number
