"""Reads pickles of arrays from untrusted files without executing anything they request."""

import io
import pickle
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST = 1_000_000  # entries of lists and dictionaries, five times CIFAR-100's: shared lists multiply level by level
PLAIN = re.compile(r"[|<>=]?[biuf][1248]")  # number types


def load(content: bytes) -> Any:
    """Load a pickle of numbers, texts, lists, dictionaries and numpy arrays; bytes stay bytes.

    No class is looked up and no numpy function is called while reading: an array is recorded as its shape, type and
    bytes, and built afterwards.

    Raises:
        pickle.UnpicklingError: for a pickle that requests anything else, or is damaged.
    """
    try:
        return made(CheckedUnpickler(io.BytesIO(content), encoding="bytes").load(), iter(range(MOST)))
    except pickle.UnpicklingError:
        raise
    except (ValueError, TypeError, LookupError, EOFError, AttributeError, OverflowError, MemoryError, RecursionError,
            ImportError) as error:  # fmt: skip  # what pickle raises on damaged bytes
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error


class NotedType:
    """Record of a numpy.dtype: its name, and the byte order from its state."""

    def __init__(self, name: Any, *_: Any) -> None:
        self.name, self.order = as_text(name), ""

    def __setstate__(self, state: Any) -> None:
        self.order = as_text(state[1])

    def dtype(self) -> np.dtype[Any]:
        """The type; only plain number types are allowed."""
        text = (self.order if self.order in ("<", ">") else "") + self.name
        if not PLAIN.fullmatch(text):
            raise pickle.UnpicklingError(f"it asks for an array of {self.name}")
        return np.dtype(text)


class NotedArray:
    """Record of a numpy array."""

    def __init__(self, *_: Any) -> None:
        self.state: Any = None
        self.made: NDArray[Any] | None = None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def array(self) -> NDArray[Any]:
        """The array, built once however often the pickle refers to it."""
        if self.made is None:
            self.made = self.make()
        return self.made

    def make(self) -> NDArray[Any]:
        _, shape, kind, column_major, content = self.state
        if not isinstance(kind, NotedType) or not isinstance(content, bytes):
            raise pickle.UnpicklingError("it asks for an array of objects")
        flat = np.frombuffer(content, kind.dtype())
        return flat.reshape(shape, order="F" if column_major else "C").copy()


class NotedClass:
    """Placeholder for numpy.ndarray; it cannot be instantiated."""


class CheckedUnpickler(pickle.Unpickler):
    """Records arrays; a pickle that needs more could run anything."""

    def find_class(self, module: str, name: str) -> Any:
        """Resolve the few names that an array of bytes needs."""
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return NotedArray
        if module == "numpy" and name in ("ndarray", "dtype"):
            return NotedClass() if name == "ndarray" else NotedType
        if (module, name) == ("_codecs", "encode"):  # how Python 3 writes bytes in protocol 2
            return encode_latin1
        raise pickle.UnpicklingError(f"it asks for {module}.{name}")


def made(value: Any, left: Iterator[int], depth: int = 0) -> Any:
    """A value with arrays in place of their records.

    Args:
        left: has one item for each entry that may still be created.
    """
    if depth > 20:
        raise pickle.UnpicklingError("it is nested too deeply")
    if next(left, None) is None:
        raise pickle.UnpicklingError(f"it holds more than {MOST:,} entries")
    if isinstance(value, NotedArray):
        return value.array()
    if isinstance(value, dict):
        return {key: made(entry, left, depth + 1) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(made(entry, left, depth + 1) for entry in value)
    if isinstance(value, NotedType | NotedClass | type) or callable(value):
        raise pickle.UnpicklingError("it holds what is no number, text or array")
    return value


def as_text(value: Any) -> str:
    """A text that may have been read as bytes."""
    if not isinstance(value, str | bytes):
        raise pickle.UnpicklingError("damaged type of an array")
    return value.decode("ascii") if isinstance(value, bytes) else value


def encode_latin1(text: str, encoding: str) -> bytes:
    """Replacement for `_codecs.encode`."""
    if as_text(encoding) != "latin1":
        raise pickle.UnpicklingError(f"it asks for the encoding {encoding!r}")
    return text.encode("latin1")
