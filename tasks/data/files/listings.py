"""Folders listed once, with the size and time of change of each file."""

import os

Stamp = tuple[str, int, int]  # path, bytes, nanoseconds; see cache.py


class Listings:
    """Files found without a call to the system for each: a folder is read when it is first asked for."""

    def __init__(self) -> None:
        self.folders: dict[str, dict[str, tuple[int, int]]] = {}

    def stamp(self, path: str) -> Stamp | None:
        """Stamp of a file, given by its absolute path; None if there is none."""
        folder, _, name = path.rpartition("/")
        if folder not in self.folders:
            self.folders[folder] = listed(folder or "/")
        found = self.folders[folder].get(name)
        return None if found is None else (path, *found)


def listed(folder: str) -> dict[str, tuple[int, int]]:
    """Bytes and time of change of each file directly in a folder, by name; {} if there is no such folder."""
    found: dict[str, tuple[int, int]] = {}
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    if not entry.is_dir():
                        status = entry.stat()
                        found[entry.name] = status.st_size, status.st_mtime_ns
                except OSError:  # a link to nothing: reading it will tell
                    found[entry.name] = -1, 0
    except (OSError, ValueError):
        return {}
    return found
