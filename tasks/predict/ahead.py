"""Items of an iterator, made in a thread while the last one is in use."""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Generic, TypeVar

from tasks.common.cpu import thread_pool

Item = TypeVar("Item")
WAITING = 4  # items that are ready; a frame of 4K takes 25 MB


class Shelf(Generic[Item]):
    """Takes items from one thread and gives them to another.

    Args:
        newest: keep only the newest item, and never let the maker wait: for sources that do not wait either.
    """

    def __init__(self, newest: bool) -> None:
        self.newest, self.changed = newest, Condition()
        self.items: deque[Item] = deque(maxlen=1 if newest else WAITING)
        self.made = self.wanted = True

    def fill(self, items: Iterator[Item]) -> None:
        """Make items until there are no more, or nobody wants them."""
        try:
            for item in items:
                with self.changed:
                    while self.wanted and not self.newest and len(self.items) == WAITING:
                        self.changed.wait()
                    if not self.wanted:
                        return
                    self.items.append(item)
                    self.changed.notify_all()
        finally:
            if hasattr(items, "close"):
                items.close()
            with self.changed:
                self.made = False
                self.changed.notify_all()

    def take(self) -> Iterator[Item]:
        """Yield items until there are no more."""
        while True:
            with self.changed:
                while not self.items and self.made:
                    self.changed.wait()
                if not self.items:
                    return
                item = self.items.popleft()
                self.changed.notify_all()
            yield item

    def leave(self) -> None:
        """Want no more items."""
        with self.changed:
            self.wanted = False
            self.changed.notify_all()


@contextmanager
def ahead(items: Iterator[Item], *, newest: bool = False) -> Iterator[Iterator[Item]]:
    """Give the items of an iterator, which a thread makes ahead; an error in it is raised here after its last item.

    Args:
        newest: see Shelf.
    """

    def take() -> Iterator[Item]:
        yield from shelf.take()
        work.result()

    shelf: Shelf[Item] = Shelf(newest)
    with thread_pool(1) as pool:
        work = pool.submit(shelf.fill, items)
        try:
            yield take()
        finally:
            shelf.leave()
