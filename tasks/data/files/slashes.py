"""Paths of files as texts with slashes, on Windows too: lists, records and comparisons have no other form."""

import os

paths = os.path  # a test puts Windows' in its place


def below(path: str | os.PathLike[str], folder: str | os.PathLike[str]) -> str:
    """A path relative to a folder, with slashes; "." for the folder itself."""
    return slashed(paths.relpath(path, folder))


def normal(path: str | os.PathLike[str]) -> str:
    """A path without "." and "..", with slashes."""
    return slashed(paths.normpath(path))


def slashed(path: str) -> str:
    """A path of this system with slashes; elsewhere than on Windows, a backslash is a letter of a name."""
    return path.replace(paths.sep, "/") if paths.sep != "/" else path
