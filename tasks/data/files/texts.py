"""A list of strings that worker processes share without copying."""

import os
from collections.abc import Sequence
from typing import Self

import numpy as np


class Texts:
    """A list of strings in two blocks of memory.

    Python's reference counts lie inside each string, so a million strings would be copied into every forked worker.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        encoded = [os.fsencode(text) for text in texts]
        self.bytes = np.frombuffer(b"".join(encoded), np.uint8)  # an array: spawned workers map it too
        self.ends = np.cumsum([0, *map(len, encoded)], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, index: int) -> str:
        return os.fsdecode(self.bytes[self.ends[index] : self.ends[index + 1]].tobytes())

    def of(self, numbers: Sequence[int]) -> Self:
        """Some of the strings, in this order."""
        return type(self)([self[number] for number in numbers])
