"""Errors that end a command without a traceback."""

import difflib
import re
import signal
from collections.abc import Iterable, Sequence
from pathlib import Path

OUT_OF_MEMORY = ("out of memory", "DefaultCPUAllocator", "not enough memory", "OutOfMemoryError", "MemoryError")

BEST, LAST = "best.ckpt", "last.ckpt"  # what a training saves


class UserError(Exception):
    """Something wrong with a command, a file or a data set; the first line names it and the choices."""

    status = 2  # exit status of the command


def check_file(key: str, path: str | Path, patterns: Sequence[str] = ("*.ckpt", "checkpoints/*.ckpt")) -> None:
    """Check that a file named by a configuration key exists.

    Args:
        patterns: of the files to suggest for a folder.

    Raises:
        UserError: if it does not, or is a folder; with the files in it that may be meant.
    """
    if Path(path).is_dir():
        files = sorted(str(file) for pattern in patterns for file in Path(path).glob(pattern))
        raise UserError(f"{key}={path} is a folder; name a file" + (f" in it: {', '.join(files[:4])}" if files else ""))
    if not Path(path).is_file():
        there = [file.name for file in Path(path).parent.glob("*")] if Path(path).parent.is_dir() else []
        near = difflib.get_close_matches(Path(path).name, there, n=1)
        if Path(path).name == BEST and LAST in there:
            raise UserError(
                f"{key}={path}: no such file, because no validation has happened yet: the first one writes it "
                f"(trainer.check_val_every_n_epoch says when); {LAST} is there"
            )
        raise UserError(f"{key}={path}: no such file" + (f"; did you mean {near[0]}?" if near else ""))


class Diverged(UserError):
    """The loss diverged, so the trained weights are worth little. The command ends with exit status 3."""

    status = 3


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, NumPy or PyTorch ran out of memory, on the CPU or an accelerator, in any worker process."""
    known = isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    return known or any(words in str(error) for words in OUT_OF_MEMORY)


def located(message: str, error: Exception) -> str:
    """Prefix a message with the configuration key whose object failed to build, unless the message names it already.

    Args:
        error: Hydra's error, which contains the key.
    """
    where = re.search(r"full_key: (\S+)", str(error))
    return f"{where[1]}: {message}" if where and not message.startswith(where[1]) else message


def visible(text: str) -> str:
    """Make a message safe for a terminal: text from an untrusted file must not set colours, the title or the cursor.

    Each character that is neither printable nor a newline is replaced by its escape sequence.
    """
    return "".join(
        character if character.isprintable() or character == "\n" else character.encode("unicode_escape").decode()
        for character in text
    )


class Stopped(BaseException):
    """A signal ended the command; a training has written the checkpoint to resume from.

    Like KeyboardInterrupt it is no Exception: it may be raised anywhere, and error handlers must not swallow it.
    """

    def __init__(self, number: int, checkpoint: Path | None = None) -> None:
        what = "stopped" if checkpoint is None else f"training stopped; go on with resume={checkpoint}"
        super().__init__(f"{signal.Signals(number).name}: {what}")
        self.number = number


def suggestion(name: object, names: Iterable[str]) -> str:
    """' (did you mean …?)' with the closest names, in capitals or not, or ''."""
    by_lower = {each.lower(): each for each in names}
    word = str(name).lower()
    near = [word] if word in by_lower else difflib.get_close_matches(word, list(by_lower), n=3, cutoff=0.5)
    return f" (did you mean {' or '.join(by_lower[each] for each in near)}?)" if near else ""


def not_one_of(value: object, names: Iterable[str]) -> str:
    """'is not one of a, b', and the closest of them, of a value of which only these are allowed."""
    names = list(names)
    return f"is not one of {', '.join(names)}{suggestion(value, names)}"
