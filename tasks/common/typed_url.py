"""URLs with a login among the arguments of a command: the login is kept out of everything that is printed or written.

Hydra writes what is typed into the folder of a run, and messages quote it. So a login is taken out of the URL before
anything else sees it, and travels in an environment variable, which may also be set instead of typing it.
"""

import re
from typing import NamedTuple, Self

from tasks.common.errors import UserError

URL = re.compile(r"""(\+{0,2}[\w.]+=)(["']?)([A-Za-z][\w+.-]*://)(.*?)\2$""", re.DOTALL)


class TypedUrl(NamedTuple):
    """An argument `key=<URL>`, in parts that form it when they are joined.

    Attributes:
        key: with its plus signs and =.
        scheme: with ://.
        login: before at; "" without one.
        at: @ or "".
        host: with its port.
        path: with its slash, and all that follows.
    """

    key: str
    scheme: str
    login: str
    at: str
    host: str
    path: str

    @classmethod
    def of(cls, word: str, key: str) -> Self | None:
        """The parts of an argument; None if it is not this key's, or no URL."""
        match = URL.match(word)
        if match is None or match[1].lstrip("+") != f"{key}=":
            return None
        place, slash, path = match[4].partition("/")
        login, at, host = place.rpartition("@")
        return cls(match[1], match[3], login, at, host, f"{slash}{path}")

    def refused(self, why: str) -> UserError:
        """An error that repeats nothing of what may be secret."""
        return UserError(f"{self.key}{self.scheme}…: {why}")

    def check(self, what: str) -> None:
        """Raises a UserError, which calls the URL `what`, for what ends a quotation or is replaced by Hydra."""
        rest = "".join(self[2:])
        if any(character in rest for character in "\"'\\\n") or "${" in rest:
            raise self.refused(f"quotes, backslashes and ${{ do not stand in {what}: write %22, %27, %5C")

    @property
    def quoted(self) -> str:
        """The argument, quoted for Hydra."""
        return f'{self.key}"{"".join(self[1:])}"'
