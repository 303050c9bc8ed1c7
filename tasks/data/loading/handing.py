"""How data sets reach spawned workers: their arrays in one file that all workers map, instead of a copy for each.

Forked workers share memory anyway; macOS and Windows spawn, and so does data.start_method=spawn. So do searches, whose
processes would otherwise start one after the other: starting one waits until it has read what does not fit into a pipe,
and it reads once it has imported PyTorch.
"""

import mmap
import os
import pickle
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

ALIGNED = 64  # bytes
SMALL = 4096  # bytes; shorter arrays are pickled as they are
PREFIX = "mobilevision-workers-"


class Handed(Dataset[Any]):
    """A data set that is pickled as the path of a file; unpickled, it is the data set itself.

    The file holds the arrays (buffers of pickle's protocol 5), and what is pickled of the rest. It is written once for
    all workers, and removed with this object. If there is no room for it, each worker gets a copy by its pipe.
    """

    def __init__(self, dataset: Any) -> None:
        self.dataset = dataset
        self.written: tuple[Callable[..., Any], tuple[Any, ...]] | None = None

    def __getitem__(self, index: Any) -> Any:
        return self.dataset[index]

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        if self.written is None:
            self.written = self.write()
        return self.written

    def write(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Write the file; returns what unpickling calls, and its arguments."""
        buffers: list[pickle.PickleBuffer] = []

        def apart(buffer: pickle.PickleBuffer) -> bool:
            if buffer.raw().nbytes < SMALL:
                return True  # stays in the pickled rest
            buffers.append(buffer)
            return False

        rest = pickle.dumps(self.dataset, protocol=5, buffer_callback=apart)
        handle, name = tempfile.mkstemp(prefix=PREFIX)
        weakref.finalize(self, remove, Path(name), os.getpid())
        places = []
        try:
            with os.fdopen(handle, "wb") as file:
                for part in [*(buffer.raw() for buffer in buffers), memoryview(rest)]:
                    file.write(bytes(-file.tell() % ALIGNED))
                    places.append((file.tell(), part.nbytes))
                    file.write(part)
        except OSError:
            remove(Path(name), os.getpid())
            return pickle.loads, (pickle.dumps(self.dataset, protocol=5),)
        return mapped, (name, places)


def mapped(name: str, places: list[tuple[int, int]]) -> Any:
    """The data set of a file, whose arrays are the file's pages until they are written to."""
    with open(name, "rb") as file:  # noqa: PTH123 - a name of tempfile's
        pages = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    *arrays, rest = (pages[start : start + length] for start, length in places)
    return pickle.loads(rest, buffers=arrays)


def remove(path: Path, process: int) -> None:
    """Remove a file that this process has written; Windows refuses it while a worker maps it."""
    if process == os.getpid():
        with suppress(OSError):
            path.unlink(missing_ok=True)
