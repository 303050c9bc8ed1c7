"""A mistake that one process of a run finds before it watches the others: see tasks/app/watch.py."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from tasks.common.errors import UserError
from tasks.common.peers import LATE, Peers
from tasks.common.ranks import place

SHARED = ("train", "evaluate")  # modes in which several processes form one run


def tell(mistake: str, words: Sequence[str]) -> None:
    """Tell the other processes of a mistake, after which this one ends.

    They would wait for it: one machine's command has a typing error, or the folder of rank 0 holds another run. It
    takes until all have heard it, LATE seconds at most.

    Args:
        words: of the command line.
    """
    typed = {key: value for key, _, value in (word.partition("=") for word in words)}
    port = typed.get("processes.port", "")
    try:
        here = place()
    except ValueError:  # the mistake may be in the launcher's variables
        return
    if here is None or typed.get("mode", "train") not in SHARED or typed.get("processes.silence") == "null":
        return
    job = here._replace(job=f"{here.job}/0")
    peers = Peers(job, port=int(port) if port.isdecimal() else 0, silence=LATE, give_up=lambda _: None)
    peers.start()
    peers.end(mistake)


@contextmanager
def telling(words: Sequence[str], *others: type[Exception]) -> Iterator[None]:
    """Tell the other processes of a mistake in the block, before it is printed.

    Args:
        words: of the command line.
        others: further types of errors that are mistakes here.
    """
    kinds: tuple[type[Exception], ...] = (UserError, *others)
    try:
        yield
    except kinds as error:
        tell(str(error), words)
        raise
