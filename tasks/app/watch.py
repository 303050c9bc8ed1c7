"""A run of several processes: each job watches the others, and says which one has ended."""

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from tasks.app.early import SHARED
from tasks.app.folders import writes
from tasks.common.console import end_children
from tasks.common.errors import Stopped, UserError, visible
from tasks.common.peers import PeerLost, Peers
from tasks.common.ranks import check_others, place

WAIT = 5  # seconds for the news of a lost process, which may come after PyTorch's own error
TALK = re.compile(r"gloo|nccl|ucc|TCPStore|connection (reset|closed|refused)|broken pipe|Dist\w*Error", re.IGNORECASE)


@contextmanager
def watched(config: DictConfig, folder: Path, log: Callable[[str], None]) -> Iterator[None]:
    """Watch the other processes of the run inside the block, and tell them how it ends.

    Args:
        folder: of the run; one that is temporary is removed if the process has to be ended.
        log: adds a line to the run's log.

    Raises:
        UserError: if nobody starts the others.
        PeerLost: instead of PyTorch's error about a lost connection, once it is known which process has ended.
    """
    if config.mode in SHARED:
        check_others()
    here, keys = place(), config.get("processes")
    if here is None or not keys or keys.silence is None or config.mode not in SHARED:
        yield
        return

    def give_up(message: str) -> None:
        line = f"error: {visible(message)}"
        print(line, file=sys.stderr, flush=True)
        log(line)
        end_children()
        if not writes(config):
            shutil.rmtree(folder, ignore_errors=True)

    hydra: Any = HydraConfig.get()
    here = here._replace(job=f"{here.job}/{OmegaConf.select(hydra, 'job.num') or 0}")
    peers = Peers(here, port=keys.port or 0, silence=keys.silence, give_up=give_up)
    peers.start()
    try:
        yield
    except (Exception, Stopped, SystemExit, KeyboardInterrupt) as error:
        message = peers.message(WAIT) if is_of_connection(error) else ""
        peers.end(message or reason(error))
        if message:
            raise PeerLost(message) from error
        raise
    finally:
        peers.end()


def is_of_connection(error: BaseException) -> bool:
    """Whether an error may come from a connection to a process that has ended."""
    return isinstance(error, RuntimeError | OSError) and bool(TALK.search(f"{type(error).__name__} {error}"))


def reason(error: BaseException) -> str:
    """Why a process ends, in a line for the others."""
    with suppress(IndexError):
        line = str(error).strip().splitlines()[0]
        return line if isinstance(error, UserError | Stopped) else f"{type(error).__name__}: {line}"
    return type(error).__name__
