"""The things to learn: training, evaluation, prediction. `load` opens a checkpoint or an exported file."""

from typing import TYPE_CHECKING, Any

from tasks.common.offline import stay_offline

if TYPE_CHECKING:
    from tasks.app.load import load

__all__ = ["load"]
stay_offline()  # before any library that would report somewhere is imported


def __getattr__(name: str) -> Any:
    if name == "load":  # only when it is asked for: a command does without
        from tasks.app.load import load

        return load
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
