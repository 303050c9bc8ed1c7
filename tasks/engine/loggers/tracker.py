"""What each of our loggers takes beside the curves, which Lightning gives it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger


class Tracker(Logger, ABC):
    """A run in a tracking tool.

    Attributes:
        tool: name of the tool, as in `logger=…`.
    """

    tool: str

    @property
    @abstractmethod
    def run_id(self) -> str | None:
        """The run's name in the tool, by which a resumed training goes on in it; None if a folder is all there is."""

    @abstractmethod
    def log_configuration(self, config: Mapping[str, Any]) -> None:
        """Take the resolved configuration."""

    @abstractmethod
    def log_results(self, scores: Mapping[str, float], pictures: Mapping[str, Path], step: int) -> None:
        """Take the final scores and pictures by name, after the last step."""

    @abstractmethod
    def close(self, failed: bool) -> None:
        """End the run; nothing is logged after it."""

    @abstractmethod
    def how_to_look(self) -> str:
        """Where the run is, and the command that shows it."""


def run_name(folder: str | Path) -> str:
    """A run's name: the last two folders of its path, such as segment/2026-01-31_12-00-00."""
    return "/".join(Path(folder).absolute().parts[-2:])
